import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.nn.vgg import VGG16
from tests import numpy_layers


def test_narrow_trunk_matches_plain_convolutions():
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3))
    module = VGG16(width=2)
    params = jax.jit(module.init)(jax.random.key(0), images)["params"]
    params = jax.tree.map(lambda p: np.asarray(p + 0.05, np.float64), params)  # biases are not 0
    features = jax.jit(module.apply)({"params": params}, images)
    assert [f.shape[1:] for f in features] == [
        (16, 16, 2), (8, 8, 4), (4, 4, 8), (2, 2, 16), (1, 1, 16),
    ]  # fmt: skip
    x = images
    for i, count in enumerate((2, 2, 3, 3, 3), start=1):
        x = x if i == 1 else numpy_layers.max_pool(x, 2, 2, 0)
        for j in range(1, count + 1):
            layer = params[f"conv{i}_{j}"]
            x = np.maximum(numpy_layers.conv(x, layer["kernel"], padding=1) + layer["bias"], 0)
        np.testing.assert_allclose(features[i - 1], x, rtol=1e-4, atol=1e-5)


def test_size_of_the_paper():
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    variables = jax.eval_shape(VGG16().init, jax.random.key(0), images)
    # VGG16's published 138,357,544 less its three dense layers.
    dense = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 138_357_544 - dense


def test_bfloat16_features_from_float32_parameters():
    module = VGG16(width=2, dtype=jnp.bfloat16)
    images = jnp.ones((1, 16, 16, 3))
    variables = jax.jit(module.init)(jax.random.key(0), images)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    features = jax.jit(module.apply)(variables, images)
    assert {f.dtype for f in features} == {jnp.dtype("bfloat16")}
