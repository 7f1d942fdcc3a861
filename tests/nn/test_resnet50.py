import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.resnet import Block
from jaxtalk.nn.resnet50 import FaceReconstructor
from tests import gradients, random_variables


@pytest.mark.parametrize("bottleneck", [True, False])
def test_gradient_of_a_block(bottleneck):
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 4))
    block = Block(4, 2, bottleneck)
    variables = random_variables.draw(block, x, train=False)
    wide = block.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, x, train=False), x
    )


def test_other_images_are_refused():
    with pytest.raises(ValueError, match=r"images: found \(1, 224, 224, 1\)"):
        FaceReconstructor().init(jax.random.key(0), jnp.zeros((1, 224, 224, 1)))
