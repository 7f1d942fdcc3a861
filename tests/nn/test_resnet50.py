import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.resnet50 import FaceReconstructor
from tests import gradients, random_variables


def test_gradient_of_the_images():
    module = FaceReconstructor(width=2)
    images = np.random.default_rng(0).uniform(0, 1, (3, 40, 40, 3))
    variables = random_variables.draw(module, images)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_other_images_are_refused():
    with pytest.raises(ValueError, match=r"images: found \(1, 224, 224, 1\)"):
        FaceReconstructor().init(jax.random.key(0), jnp.zeros((1, 224, 224, 1)))
