import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.inception import Inception
from jaxtalk.pretrained import inception
from tests import golden_files, random_variables, weight_rule

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


def test_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    features, swapped = forward(variables, images), forward(variables, images[::-1])
    assert features.shape == (2, 2048 // 16)
    np.testing.assert_allclose(features, swapped[::-1], rtol=1e-4, atol=1e-5)


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
