import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.patch_discriminator import PatchDiscriminator
from tests import numpy_layers as layers


@pytest.fixture(scope="module")
def small():
    module = PatchDiscriminator(width=2, num_layers=2)
    video = jax.random.uniform(jax.random.key(0), (2, 5, 24, 32, 3), minval=-1)
    params = jax.jit(module.init)(jax.random.key(1), video)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda p: 20 * np.asarray(p) + 0.1 * rng.normal(size=p.shape), params)
    return module, params, video


def test_matches_plain_layers(small):
    module, params, video = small
    x = np.asarray(video, np.float64)
    x = np.concatenate([x[:, t] for t in range(5)], axis=-1)  # frame by frame, RGB inside
    for i, stride in enumerate((2, 2, 1)):
        x = layers.conv(x, params[f"conv_{i}"]["kernel"], stride, 1)
        if i == 0:
            x = x + params["conv_0"]["bias"]
        else:
            x = layers.instance_norm(x, params[f"norm_{i}"])
        x = layers.leaky_relu(x, 0.2)
    x = layers.conv(x, params["logits"]["kernel"], 1, 1) + params["logits"]["bias"]
    logits = jax.jit(module.apply)({"params": params}, video)
    assert logits.shape == (2, 4, 6, 1) and logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, x, rtol=0, atol=1e-5 * np.abs(x).max())


def test_examples_do_not_mix(small):
    module, params, video = small
    forward = jax.jit(module.apply)
    alone = forward({"params": params}, video[1:])
    np.testing.assert_allclose(forward({"params": params}, video)[1:], alone, atol=1e-4)


def test_size_and_patches_of_pix2pix():
    """30 x 30 logits of 256 pixels and, with the six input channels that pix2pix gives it, the
    2.769 M parameters that its code reports (its batch norms have as many as ours)."""
    module = PatchDiscriminator()
    video = jax.ShapeDtypeStruct((1, 2, 256, 256, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), video)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 2_768_705
    assert jax.eval_shape(module.apply, variables, video).shape == (1, 30, 30, 1)


def test_gradient_reaches_every_parameter_in_bfloat16_too(small):
    _, params, video = small
    module = PatchDiscriminator(width=2, num_layers=2, dtype=jnp.bfloat16)

    @jax.jit
    def grad(params):
        return jax.grad(lambda p: jnp.sum(module.apply({"params": p}, video) ** 2))(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(grad(params)):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path


def test_small_videos_are_refused(small):
    module, params, video = small
    with pytest.raises(ValueError, match="found 8 x 8 pixels, expected at least 12"):
        module.apply({"params": params}, video[:, :, :8, :8])
    with pytest.raises(ValueError, match=r"expected \[B, T, H, W, 3\]"):
        module.apply({"params": params}, video[:, 0])
