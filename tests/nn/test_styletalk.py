import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.styletalk import LOWER_FACE, StyleEncoder, StyleTalk, phoneme_windows
from jaxtalk.pretrained import styletalk
from tests import golden_files, gradients, random_variables, weight_rule

NARROW = {"width": 8, "num_heads": 2, "num_layers": 2, "hidden": 6, "embedding_dim": 4}


def load(name, kept=True):
    """(arrays, meta, network, variables)."""
    arrays, meta = golden_files.load(name, kept)
    sizes = meta["cfg"]["CONTENT_ENCODER"]
    network = StyleTalk(
        width=sizes["d_model"],
        num_heads=sizes["nhead"],
        num_layers=sizes["num_encoder_layers"],
        hidden=sizes["dim_feedforward"],
        embedding_dim=sizes["ph_embed_dim"],
        num_experts=meta["cfg"]["DECODER"]["dynamic_K"],
    )
    if meta["state_dict_stored"]:
        state = {n.removeprefix("sd/"): a for n, a in arrays.items() if n.startswith("sd/")}
    else:
        table, rule = meta["state"]["tensors_[shape,dtype,sum]"], meta["weight_rule"]
        shapes = {name: shape for name, (shape, _, _) in table.items()}
        state = weight_rule.weights(
            shapes, rule["seed"], rule["gain"], rule["skip"], rule["unit_suffixes"]
        )
        for name, array in state.items():
            np.testing.assert_allclose(array.sum(dtype=np.float64), table[name][2], atol=1e-6)
    return arrays, meta, network, jax.device_put(styletalk.from_state_dict(state))


def forward(network, variables, windows, clip, mask):
    """(content, style with the mask, style without, coefficients, shares of the experts)."""

    def run(module, windows, clip, mask):
        style = module.style(clip, mask)
        coefficients = module.coefficients(windows, style)
        return module.content_encoder(windows), style, module.style(clip), coefficients

    @jax.jit
    def apply(variables, *inputs):
        results, state = network.apply(
            *(variables, *inputs),
            method=run,
            capture_intermediates=lambda module, _: module.name == "shares",
            mutable="intermediates",
        )
        upper = state["intermediates"]["upper_decoder"]
        return *results, upper["layer_0"]["dense1"]["shares"]["__call__"][0]

    return apply(variables, windows, clip, mask)


def assert_matches(results, arrays, meta):
    """The examples must match the reference's, repeated in turn."""
    content, style, unmasked, coefficients, shares = map(np.asarray, results)
    noise = meta["f32_vs_f64"]
    found = {
        "content_slice": (content[..., :: meta["content_stride_last"]], noise["content"]),
        "style_code": (style, noise["style"]),
        "style_code_nomask": (unmasked, noise["style"]),
        "face3d": (coefficients, noise["face3d"]),
        # No noise of its own: that of the style it comes from, at its own size.
        "dyn_attention_upper0": (shares, {**noise["style"], "rms_ref": 1 / shares.shape[-1]}),
    }
    for key, (array, limits) in found.items():
        golden_files.assert_close(array, np.resize(arrays[key], array.shape), limits)


def test_full_width_matches_reference():
    arrays, meta, network, variables = load("styletalk_full")
    windows = phoneme_windows(arrays["phonemes"])
    np.testing.assert_array_equal(windows, arrays["phoneme_windows"])
    results = forward(network, variables, windows, arrays["style_clip"], ~arrays["style_pad_mask"])
    assert_matches(results, arrays, meta)


def test_stored_weights_match_reference_in_a_batch():
    """The file's two examples, then the first again: examples must not mix."""
    arrays, meta, network, variables = load("styletalk_small", kept=False)
    keys = ("phoneme_windows", "style_clip", "style_pad_mask")
    windows, clip, padding = (np.resize(a, (3, *a.shape[1:])) for a in map(arrays.get, keys))
    assert_matches(forward(network, variables, windows, clip, ~padding), arrays, meta)


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
        value_and_grad = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
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
