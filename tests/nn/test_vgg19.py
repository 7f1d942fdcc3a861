import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses.vgg_perceptual import (
    first_order_perceptual,
    pirenderer_perceptual,
)
from jaxtalk.nn.vgg import VGG19
from tests import gradients, random_variables


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
    images = np.random.default_rng(0).standard_normal((3, 16, 16, 3))
    variables = random_variables.draw(module, images)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)
