import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.losses.vgg_perceptual import (
    first_order_perceptual,
    imagenet_normalized,
    pirenderer_perceptual,
)
from jaxtalk.nn.vgg import VGG19
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.pretrained import vgg19
from tests import golden_files, gradients, random_variables, weight_rule

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@pytest.fixture(scope="module")
def reference():
    arrays, meta = golden_files.load("vgg19_features")
    return arrays, meta, weight_rule.from_meta(meta)


def test_features_and_losses_match_reference(reference):
    """The driving image is the second of three: examples must not mix."""
    arrays, meta, state = reference
    variables = jax.device_put(vgg19.from_state_dict(state))
    fake, real = (golden_files.images(arrays[f"{n}_u8_nhwc"]) for n in ("generated", "driving"))

    @jax.jit
    def losses(variables, real, fake):
        def features(images):
            return VGG19().apply(variables, images)

        pair = {"real": real, "fake": fake, "features": features}
        first_order = first_order_perceptual(**pair)
        warp = pirenderer_perceptual(**pair)
        return first_order, warp, pirenderer_perceptual(**pair, style_weight=250.0)

    values = losses(variables, real, fake)
    names = ("fom_perceptual", "pirender_warp", "pirender_final")
    for name, value in zip(names, values):
        rms = float(arrays[name])
        noise = {"max_abs_over_rms": meta["f32_vs_f64"][f"{name}_rel"], "rms_ref": rms}
        golden_files.assert_close(value, arrays[name], noise)

    images = imagenet_normalized((jnp.concatenate([fake, real, fake[:, ::-1]]) + 1) / 2)
    features = jax.jit(VGG19().apply)(variables, images)
    for name, feature in zip(LAYERS, features):
        channels, stride, shape = meta["act_strides_channel_spatial_fullshape"][name]
        full = np.asarray(feature)[1:2].transpose(0, 3, 1, 2)
        assert list(full.shape) == shape
        thin = full[:, ::channels, ::stride, ::stride]
        golden_files.assert_close(thin, arrays[f"act/{name}"], meta["f32_vs_f64"][name])


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_pyramid_matches_reference(reference, factor):
    arrays = reference[0]
    images = arrays["driving_u8_nhwc"].astype(np.float32) / 255
    found = np.asarray(gaussian_downsample(images, factor)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, arrays[f"driving_scale_{1 / factor}"], atol=5e-6)


def test_every_variable_is_there_in_its_shape(reference):
    variables = vgg19.from_state_dict({**reference[2], "classifier.0.weight": np.zeros((2, 2))})
    images = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    expected = jax.eval_shape(VGG19().init, jax.random.key(0), images)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)


def test_missing_and_unexpected_names(reference):
    state = reference[2]
    with pytest.raises(UserError, match=r"'features\.28\.weight' is missing"):
        vgg19.from_state_dict({n: a for n, a in state.items() if n != "features.28.weight"})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'features\.1\.weight'"):
        vgg19.from_state_dict({**state, "features.1.weight": np.zeros(1)})


def test_losses_have_one_value_per_example():
    real, fake = np.random.default_rng(0).uniform(-1, 1, (2, 2, 16, 24, 3)).astype(np.float32)

    def features(images):
        return images, images**2

    @jax.jit
    def losses(real, fake):
        pair = {"real": real, "fake": fake, "features": features}
        return jnp.stack([first_order_perceptual(**pair), pirenderer_perceptual(**pair)])

    values = losses(real, fake)
    assert values.shape == (2, 2) and np.all(values > 0)
    swapped = losses(np.stack([real[0], fake[1]]), np.stack([real[0], real[1]]))
    np.testing.assert_allclose(swapped[:, 0], 0, atol=1e-5)
    np.testing.assert_allclose(swapped[:, 1], values[:, 1], rtol=1e-5)


def test_gradient_of_the_images():
    module = VGG19(width=2)
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3))
    variables = random_variables.draw(module, images)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)
