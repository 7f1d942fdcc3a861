import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.multi_scale_discriminator import MultiScaleDiscriminator, SpectralConv
from tests import gradients, random_variables
from tests import numpy_layers as layers

NARROW = {"downscales": (1, 2), "width": 2, "max_width": 6, "num_blocks": 3, "num_keypoints": 2}


@pytest.fixture(scope="module")
def small():
    """(module, variables, images, key points), three examples of 64 x 58 pixels."""
    module = MultiScaleDiscriminator(**NARROW)
    rng = np.random.default_rng(0)
    images = rng.random((3, 64, 58, 3)).astype(np.float32)
    keypoints = rng.uniform(-0.9, 0.9, (3, 2, 2)).astype(np.float32)
    return module, random_variables.draw(module, images, keypoints), images, keypoints


def halved(images):
    """Gaussian of deviation 1/2 cut after two pixels, then every second pixel."""
    bell = np.exp(-0.5 * (np.arange(-2, 3) / 0.5) ** 2)
    kernel = np.einsum("i,j,cd->ijcd", bell / bell.sum(), bell / bell.sum(), np.eye(3))
    return layers.conv(images, kernel, stride=2, padding=2)


def bells(keypoints, height, width):
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    px, py = (keypoints[:, None, None, :, i] for i in (0, 1))
    return np.exp(-0.5 * ((x[:, None] - px) ** 2 + (y[..., None] - py) ** 2) / 0.01)


def plain_scale(x, variables, scale):
    """Features and logits of one scale in float64."""

    def conv(x, name):
        layer, vectors = (variables[c][f"{scale}_{name}"] for c in ("params", "batch_stats"))
        kernel = np.asarray(layer["kernel"], np.float64)
        matrix = kernel.reshape(-1, kernel.shape[-1])
        sigma = sum(
            vectors["v"][i] * matrix[i, j] * vectors["u"][j] for i, j in np.ndindex(matrix.shape)
        )
        return layers.conv(x, kernel / sigma) + layer["bias"]

    features = []
    for i in range(3):
        x = conv(x, f"conv_{i}")
        if i > 0:
            x = layers.instance_norm(x, variables["params"][f"{scale}_norm_{i}"])
        x = layers.leaky_relu(x, 0.2)
        if i < 2:
            x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
            x = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
        features.append(x)
    return features, conv(x, "logits")


def test_matches_plain_layers(small):
    module, variables, images, keypoints = small
    found = jax.jit(module.apply)(variables, images, keypoints)
    pyramid = {"scale_1": images.astype(np.float64)}
    pyramid["scale_2"] = halved(pyramid["scale_1"])
    assert len(found) == 2
    for scores, (scale, x) in zip(found, pyramid.items()):
        x = np.concatenate([x, bells(keypoints.astype(np.float64), *x.shape[1:3])], axis=-1)
        features, logits = plain_scale(x, variables, scale)
        assert len(scores.features) == 3
        for a, b in zip([*scores.features, scores.logits], [*features, logits]):
            assert a.dtype == jnp.float32
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


def test_examples_do_not_mix(small):
    module, variables, images, keypoints = small
    forward = jax.jit(module.apply)
    many, one = forward(variables, images, keypoints), forward(variables, images[2:], keypoints[2:])
    for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(one)):
        np.testing.assert_allclose(a[2:], b, rtol=0, atol=2e-5 * np.abs(b).max())


def test_gradients_match_finite_differences(small):
    """Those of images, key points and parameters; the singular vectors are constants."""
    _, variables, images, keypoints = small
    with jax.enable_x64(True):
        module = MultiScaleDiscriminator(**NARROW, dtype=jnp.float64)
        wide = jax.tree.map(lambda a: np.asarray(a, np.float64), (variables, images, keypoints))
        variables, images, keypoints = wide

        @jax.jit
        def value_and_grad(*inputs):
            def loss(params, images, keypoints):
                found = module.apply({**variables, "params": params}, images, keypoints)
                return sum(jnp.mean((s.logits - 0.1) ** 2) for s in found)

            return jax.value_and_grad(loss, argnums=(0, 1, 2))(*inputs)

        inputs = variables["params"], images, keypoints
        grads = gradients.assert_matches_differences(value_and_grad, inputs, step=1e-7)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        # The norm behind a convolution cancels its bias.
        if not jax.tree_util.keystr(path).endswith(("_1']['bias']", "_2']['bias']")):
            assert np.abs(leaf).max() > 0, path


def test_training_is_a_power_iteration():
    """Each pass multiplies by the kernel and its transpose; in the end sigma is the largest
    singular value, and the gradient with respect to the kernel that of a division by it."""
    module = SpectralConv(5, 3)
    x = np.random.default_rng(0).standard_normal((1, 3, 3, 2)).astype(np.float32)
    variables = random_variables.draw(module, x, train=False)
    kernel = np.asarray(variables["params"]["kernel"], np.float64)
    matrix, u = kernel.reshape(18, 5), np.asarray(variables["batch_stats"]["u"], np.float64)
    step = jax.jit(lambda v: module.apply(v, x, train=True, mutable="batch_stats"))
    for i in range(80):
        y, new = step(variables)
        variables = {**variables, **new}
        if i < 3:
            v = matrix @ u / np.linalg.norm(matrix @ u)
            u = v @ matrix / np.linalg.norm(v @ matrix)
            for name, expected in (("u", u), ("v", v)):
                np.testing.assert_allclose(new["batch_stats"][name], expected, atol=1e-6)
            expected = np.einsum("bijc,ijco->bo", x, kernel) / (v @ matrix @ u)
            expected += np.asarray(variables["params"]["bias"])
            np.testing.assert_allclose(y[:, 0, 0], expected, atol=1e-5)
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    expected = np.einsum("bijc,ijco->bo", x, kernel) / largest + variables["params"]["bias"]
    np.testing.assert_allclose(y[:, 0, 0], expected, atol=1e-5)

    def total(params, train):
        stats = {"batch_stats": variables["batch_stats"]}
        y, _ = module.apply({"params": params, **stats}, x, train=train, mutable="batch_stats")
        return y.sum()

    grad = jax.jit(jax.grad(total), static_argnums=1)
    grads = [grad(variables["params"], train)["kernel"] for train in (True, False)]
    np.testing.assert_allclose(*grads, atol=1e-5)


def test_initial_vectors_are_of_length_one_and_stay_in_evaluation(small):
    module = SpectralConv(5, 3)
    x = jnp.ones((1, 3, 3, 2))
    init = jax.jit(functools.partial(module.init, train=True))
    variables = init(jax.random.key(0, impl="rbg"), x)
    for vector in variables["batch_stats"].values():
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    evaluate = jax.jit(functools.partial(module.apply, train=False, mutable="batch_stats"))
    _, new = evaluate(variables, x)
    same = jax.tree.map(np.array_equal, dict(new), {"batch_stats": variables["batch_stats"]})
    assert all(jax.tree.leaves(same))


@pytest.mark.parametrize("num_keypoints", [0, 10])
def test_size_of_the_public_networks(num_keypoints):
    """Counted layer by layer: 4x4 kernels, biases, norms, the last 1x1 kernel and its bias."""
    widths = 3 + num_keypoints, 64, 128, 256, 512
    parameters = sum(16 * a * b + b for a, b in itertools.pairwise(widths)) + 512 + 1
    parameters += 2 * sum(widths[2:])
    module = MultiScaleDiscriminator(num_keypoints=num_keypoints, spectral_norm=False)
    images = jax.ShapeDtypeStruct((2, 256, 256, 3), jnp.float32)
    points = [jax.ShapeDtypeStruct((2, 10, 2), jnp.float32)] * (num_keypoints > 0)
    (scores,), variables = jax.eval_shape(
        module.init_with_output, jax.random.key(0), images, *points
    )
    assert variables.keys() == {"params"}
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters
    assert scores.logits.shape == (2, 26, 26, 1)


def test_bfloat16_keeps_float32_where_it_matters(small):
    _, variables, images, keypoints = small
    found = [
        jax.jit(MultiScaleDiscriminator(**NARROW, dtype=dtype).apply)(variables, images, keypoints)
        for dtype in (jnp.bfloat16, jnp.float32)
    ]
    for a, b in zip(*map(jax.tree.leaves, found)):
        assert a.dtype == jnp.float32
        assert 0 < np.abs(a - b).mean() < 0.05 * np.abs(b).max()


def test_bad_inputs_are_refused(small):
    module, variables, images, keypoints = small
    with pytest.raises(ValueError, match=r"keypoints: found None, expected \(3, 2, 2\)"):
        module.apply(variables, images)
    with pytest.raises(ValueError, match=r"keypoints: found \(1, 2, 2\), expected \(3, 2, 2\)"):
        module.apply(variables, images, keypoints[:1])
    with pytest.raises(ValueError, match=r"keypoints: found \(3, 2, 2\), expected None"):
        module.clone(num_keypoints=0).apply(variables, images, keypoints)
    with pytest.raises(ValueError, match="found 64 x 48 pixels, too few for num_blocks 3"):
        module.apply(variables, images[:, :, :48], keypoints)
