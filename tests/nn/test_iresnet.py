import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.iresnet import IResNet
from tests import gradients, random_variables


@pytest.mark.parametrize("num_layers", [18, 50, 100])
def test_gradient_of_the_images(num_layers):
    module = IResNet(num_layers, width=2, embedding_dim=8, image_size=16)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 3))
    variables = random_variables.draw(module, images)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"images: found \(1, 56, 56, 3\)"):
        IResNet().init(jax.random.key(0), jnp.zeros((1, 56, 56, 3)))
    with pytest.raises(ValueError, match="num_layers: found 51"):
        IResNet(51).init(jax.random.key(0), jnp.zeros((1, 112, 112, 3)))
