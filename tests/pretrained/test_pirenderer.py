"""The name map of PIRenderer; the numbers are checked with the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.pirenderer import FaceRenderer
from jaxtalk.pretrained import pirenderer
from tests import golden_files


@pytest.fixture(scope="module")
def state():
    """Zeros of the public shapes, which take no memory."""
    table = golden_files.load("pirender_full")[1]["state"]["tensors_[shape,dtype,sum]"]
    return {name: np.broadcast_to(np.float32(0), shape) for name, (shape, *_) in table.items()}


def test_every_variable_of_the_module_is_there_in_its_shape(state):
    variables = pirenderer.from_state_dict(state)
    inputs = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((1, 256, 256, 3), (1, 27, 73))]
    expected = jax.eval_shape(FaceRenderer().init, jax.random.key(0), *inputs)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


def test_missing_and_unexpected_names(state):
    name = "editing_net.decoder.res1.res0.norm2.mlp_gamma.bias"
    with pytest.raises(UserError, match=r"mlp_gamma\.bias' is missing"):
        pirenderer.from_state_dict({n: a for n, a in state.items() if n != name})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'extra\.weight'"):
        pirenderer.from_state_dict({**state, "extra.weight": np.zeros(1)})
