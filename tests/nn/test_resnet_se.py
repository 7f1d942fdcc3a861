import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.resnet_se import ResNetSE18
from tests import numpy_layers as layers


def randomise(variables):
    """Norms, slopes and statistics away from their starting values; variances stay positive."""
    leaves, tree = jax.tree.flatten(variables)
    rng = np.random.default_rng(0)
    leaves = [leaf + 0.2 * rng.uniform(-1, 1, leaf.shape) for leaf in leaves]
    return jax.tree.unflatten(tree, leaves)


@pytest.fixture(scope="module")
def small():
    module = ResNetSE18(width=2, output_dim=6)
    mel = jax.random.normal(jax.random.key(0), (3, 20, 80))
    rng = jax.random.key(1, impl="rbg")
    return module, jax.jit(module.init)(rng, mel), mel


def reference(variables, mel):
    params, stats = variables["params"], variables["batch_stats"]

    def block(x, p, s, stride):
        y = layers.conv(x, p["conv1"]["kernel"], stride, 1)
        y = layers.prelu(layers.batch_norm(y, p["norm1"], s["norm1"]), p["prelu1"])
        y = layers.conv(y, p["conv2"]["kernel"], 1, 1)
        y = layers.batch_norm(y, p["norm2"], s["norm2"])
        hidden = np.maximum(y.mean(axis=(1, 2)) @ p["se"]["fc1"]["kernel"], 0)
        y = y * layers.sigmoid(hidden @ p["se"]["fc2"]["kernel"])[:, None, None]
        if "shortcut_conv" in p:
            x = layers.conv(x, p["shortcut_conv"]["kernel"][None, None], stride)
            x = layers.batch_norm(x, p["shortcut_norm"], s["shortcut_norm"])
        return layers.prelu(y + x, p["prelu2"])

    x = layers.conv(np.asarray(mel, np.float64)[..., None], params["stem_conv"]["kernel"], 1, 1)
    x = layers.batch_norm(x, params["stem_norm"], stats["stem_norm"])
    x = layers.max_pool(layers.prelu(x, params["stem_prelu"]), 3, 2, 1)
    for stage, stride in enumerate((1, 2, 2, 2)):
        for i in range(2):
            name = f"block_{stage}_{i}"
            x = block(x, params[name], stats[name], stride if i == 0 else 1)
    assert x.shape[1:] == (2, 5, 16)
    return x.mean(axis=(1, 2)) @ params["dense"]["kernel"] + params["dense"]["bias"]


def test_matches_plain_layers(small):
    module, variables, mel = small
    variables = randomise(variables)
    forward = jax.jit(module.apply)
    expected = reference(variables, mel)
    limit = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(forward(variables, mel), expected, rtol=0, atol=limit)
    np.testing.assert_allclose(forward(variables, mel[1:2]), expected[1:2], rtol=0, atol=limit)


def test_size_of_the_paper():
    mel = jax.ShapeDtypeStruct((1, 20, 80), jnp.float32)
    variables = jax.eval_shape(ResNetSE18().init, jax.random.key(0), mel)
    # Published ResNet-18: 11,689,512 with a 7x7 stem over RGB and 1000 classes.
    resnet18 = 11_689_512 - 7 * 7 * 3 * 64 + 3 * 3 * 64 - (512 * 1000 + 1000) + (512 * 512 + 512)
    prelu = 64 + 2 * 2 * (64 + 128 + 256 + 512)
    se = 2 * sum(2 * c * (c // 16) for c in (64, 128, 256, 512))
    size = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert size == resnet18 + prelu + se


def test_training_reaches_every_parameter_and_uses_statistics_of_the_batch(small):
    module, variables, mel = small

    @jax.jit
    def grad(params):
        def loss(params):
            vectors, new = module.apply(
                {**variables, "params": params}, mel, train=True, mutable="batch_stats"
            )
            return jnp.sum(vectors**2), new["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    grads, stats = grad(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path
    stem = layers.conv(
        np.asarray(mel, np.float64)[..., None], variables["params"]["stem_conv"]["kernel"], 1, 1
    )
    old = variables["batch_stats"]["stem_norm"]
    new = stats["stem_norm"]
    mean, var = stem.mean(axis=(0, 1, 2)), stem.var(axis=(0, 1, 2))
    np.testing.assert_allclose(new["mean"], 0.9 * old["mean"] + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(new["var"], 0.9 * old["var"] + 0.1 * var, rtol=1e-5)


def test_bfloat16_gives_float32_vectors(small):
    module, variables, mel = small
    half = jax.jit(ResNetSE18(width=2, output_dim=6, dtype=jnp.bfloat16).apply)(variables, mel)
    exact = jax.jit(module.apply)(variables, mel)
    assert half.dtype == jnp.float32
    assert 0 < np.abs(half - exact).max() < 0.1 * np.abs(exact).max()


def test_other_ranks_are_refused(small):
    module, variables, mel = small
    with pytest.raises(ValueError, match=r"mel: found \(20, 80\)"):
        module.apply(variables, mel[0])
