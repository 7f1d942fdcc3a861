import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.inception import Inception, bilinear_matrix, resized
from jaxtalk.nn.pooling import max_pool, mean_pool_3x3
from jaxtalk.pretrained import inception
from tests import golden_files, input_gradient, numpy_layers, random_variables, weight_rule

# Layers whose maps the network does not join from branches.
LAYERS = ("Conv2d_1a_3x3", "Conv2d_2b_3x3", "Conv2d_4a_3x3")


@pytest.fixture(scope="module")
def small():
    module = Inception(width_divisor=16, resize=False)
    images = np.random.default_rng(0).uniform(0, 1, (2, 75, 80, 3)).astype(np.float32)
    return module, random_variables.draw(module, images), images


@pytest.fixture(scope="module")
def reference():
    arrays, meta = golden_files.load("inception_fid", kept=False)
    variables = inception.from_state_dict(weight_rule.from_meta(meta))
    module = Inception()
    images = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    expected = jax.eval_shape(module.init, jax.random.key(0), images)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    return arrays, meta["f32_vs_f64"], meta, jax.device_put(variables)


@pytest.mark.parametrize("variant", ["resize", "noresize"])
def test_matches_reference(reference, variant):
    arrays, noise, meta, variables = reference
    module = Inception(resize=variant == "resize")
    images = arrays["img_u8_nhwc"].astype(np.float32) / 255
    features, state = jax.jit(lambda v, x: module.apply(v, x, capture_intermediates=True))(
        variables, images
    )
    golden_files.assert_close(features, arrays[f"pool3_{variant}"], noise[f"pool3_{variant}"])
    for layer in LAYERS:
        channels, stride, _ = meta["act_strides_channel_spatial_fullshape"][f"{variant}/{layer}"]
        (x,) = state["intermediates"][layer]["__call__"]
        found = np.asarray(x).transpose(0, 3, 1, 2)[:, ::channels, ::stride, ::stride]
        expected = arrays[f"act/{variant}/{layer}"]
        relative = noise[f"acts_{variant}"][layer]
        scale = {"max_abs_over_rms": relative, "rms_ref": np.sqrt(np.mean(np.square(expected)))}
        golden_files.assert_close(found, expected, scale)


def test_larger_images_match_reference(reference):
    arrays, noise, _, variables = reference
    images = arrays["img_down_u8_nhwc"].astype(np.float32) / 255
    features = jax.jit(Inception().apply)(variables, images)
    golden_files.assert_close(features, arrays["pool3_resize_down"], noise["pool3_resize_down"])


@pytest.mark.parametrize(("size_in", "size_out"), [(5, 9), (9, 4)])
def test_bilinear_resizing(size_in, size_out):
    x = np.random.default_rng(0).standard_normal(size_in)
    position = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    expected = np.interp(position, np.arange(size_in), x)
    np.testing.assert_allclose(bilinear_matrix(size_in, size_out) @ x, expected, atol=1e-6)


def test_pooling():
    x = np.random.default_rng(0).standard_normal((2, 7, 6, 3)).astype(np.float32)
    for stride, padding in ((1, 1), (2, 0), (2, 1)):
        expected = numpy_layers.max_pool(x, 3, stride, padding).astype(np.float32)
        np.testing.assert_array_equal(
            max_pool(x, (3, 3), (stride, stride), (padding, padding)), expected
        )
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    np.testing.assert_allclose(mean_pool_3x3(x), np.nanmean(windows, (-2, -1)), atol=1e-6)


def test_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    features, swapped = forward(variables, images), forward(variables, images[::-1])
    assert features.shape == (2, 2048 // 16)
    np.testing.assert_allclose(features, swapped[::-1], rtol=1e-4, atol=1e-5)


def test_gradient_of_resizing_and_pooling():
    images = np.random.default_rng(0).standard_normal((2, 8, 9, 3))

    def pooled(x):
        x = max_pool(resized(x, 13, 7), (3, 3), (2, 2))
        return mean_pool_3x3(max_pool(x, (3, 3), (1, 1), (1, 1)))

    input_gradient.assert_matches_differences(pooled, images)


def test_other_images_are_refused(small):
    module, variables, images = small
    with pytest.raises(ValueError, match=r"images: found \(2, 74, 80, 3\), expected at least 75"):
        module.apply(variables, images[:, 1:])
    with pytest.raises(ValueError, match=r"expected \[B, H, W, 3\]"):
        module.apply(variables, images[0])


def test_missing_and_unexpected_names(small):
    _, variables, _ = small
    state = {"fc.weight": np.zeros((2, 2))}
    for layer, norm in variables["params"].items():
        name = layer.replace("_branch", ".branch")
        state[f"{name}.conv.weight"] = np.zeros((1, 1, 1, 1))
        for key in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{key}"] = np.zeros_like(norm["bn"]["scale"])
    assert inception.from_state_dict(state)["params"].keys() == variables["params"].keys()
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'Mixed_8a"):
        inception.from_state_dict({**state, "Mixed_8a.conv.weight": np.zeros(1)})
    del state["Mixed_7c.branch_pool.conv.weight"]
    with pytest.raises(UserError, match=r"'Mixed_7c.branch_pool.conv.weight' is missing"):
        inception.from_state_dict(state)
