import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.iresnet import IResNet
from tests import gradients, random_variables


@pytest.fixture(scope="module")
def small():
    module = IResNet(num_layers=18, width=2, embedding_dim=8, image_size=32)
    images = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3), minval=-1)
    return module, random_variables.draw(module, images), images


def test_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    alone = forward(variables, images[1:2])
    np.testing.assert_allclose(alone, forward(variables, images)[1:2], rtol=1e-5, atol=1e-5)


def test_gradient_of_the_images(small):
    module, variables, images = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_other_sizes_are_refused(small):
    module, variables, _ = small
    with pytest.raises(ValueError, match=r"images: found \(1, 56, 56, 3\)"):
        module.apply(variables, jnp.zeros((1, 56, 56, 3)))
    with pytest.raises(ValueError, match="num_layers: found 51"):
        IResNet(51).init(jax.random.key(0), jnp.zeros((1, 112, 112, 3)))
