import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.styletalk import LOWER_FACE, StyleEncoder, StyleTalk, phoneme_windows
from tests import gradients, random_variables

NARROW = {"width": 8, "num_heads": 2, "num_layers": 2, "hidden": 6, "embedding_dim": 4}


@pytest.fixture(scope="module")
def small():
    """(network, variables, windows of phonemes, clip, mask)."""
    rng = np.random.default_rng(0)
    network = StyleTalk(**NARROW)
    windows = phoneme_windows(rng.integers(0, 41, (3, 4)), radius=2)
    clip = rng.standard_normal((3, 7, 64)).astype(np.float32)
    mask = np.arange(7) < np.array([[7], [4], [5]])
    return network, random_variables.draw(network, windows, clip, mask), windows, clip, mask


def test_examples_do_not_mix_and_padding_counts_for_nothing(small):
    network, variables, windows, clip, mask = small
    together = jax.jit(network.apply)(variables, windows, clip, mask)
    assert together.shape == (3, 4, 64)
    alone = jax.jit(network.apply)(variables, windows[2:], clip[2:, :5])
    np.testing.assert_allclose(together[2:], alone, rtol=0, atol=1e-5)


def test_gradients_match_finite_differences_and_reach_every_parameter(small):
    _, variables, windows, clip, mask = small
    with jax.enable_x64(True):
        network = StyleTalk(**NARROW, dtype=jnp.float64)

        def loss(params, clip):
            found = network.apply({"params": params}, windows, clip, mask, temperature=1.0)
            return jnp.mean((found - 1) ** 2)

        inputs = jax.tree.map(lambda a: np.asarray(a, np.float64), (variables["params"], clip))
        value_and_grad = gradients.quick_jit(jax.value_and_grad(loss, argnums=(0, 1)))
        grads, _ = gradients.assert_matches_differences(value_and_grad, inputs)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        # A bias that all keys or all frames share has no effect on a softmax over them.
        without_effect = ("['key']['bias']", "['pool2']['bias']")
        if not jax.tree_util.keystr(path).endswith(without_effect):
            assert np.abs(leaf).max() > 0, path


def test_training_needs_only_a_stream_for_dropout(small):
    network, variables, windows, clip, mask = small

    def train(rng):
        inputs = windows, clip, mask
        return network.apply(variables, *inputs, train=True, rngs={"dropout": rng})

    assert jax.eval_shape(train, jax.random.key(0)).shape == (3, 4, 64)


def test_each_decoder_makes_its_half_of_the_face(small):
    network, variables, windows, clip, mask = small
    silent = jax.tree.map(np.zeros_like, variables["params"]["lower_decoder"]["dense_2"])
    lower = {**variables["params"]["lower_decoder"], "dense_2": silent}
    params = {**variables["params"], "lower_decoder": lower}
    coefficients = np.asarray(jax.jit(network.apply)({"params": params}, windows, clip, mask))
    zero = np.all(coefficients == 0, axis=(0, 1))
    assert np.flatnonzero(zero).tolist() == list(LOWER_FACE)


def test_bfloat16_still_gives_float32(small):
    _, variables, windows, clip, mask = small
    network = StyleTalk(**NARROW, dtype=jnp.bfloat16)
    coefficients = jax.eval_shape(network.apply, variables, windows, clip, mask)
    assert coefficients.dtype == jnp.float32


def test_long_clips_are_refused():
    with pytest.raises(ValueError, match="clip: found 9 frames, expected 8 at most"):
        jax.eval_shape(StyleEncoder(max_length=8).init, jax.random.key(0), jnp.zeros((1, 9, 64)))
