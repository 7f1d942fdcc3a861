"""The name map of StyleTalk; the numbers are checked with the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.styletalk import StyleTalk
from jaxtalk.pretrained import styletalk
from tests import golden_files


@pytest.fixture(scope="module")
def state():
    """Zeros of the public shapes, which take no memory."""
    table = golden_files.load("styletalk_full")[1]["state"]["tensors_[shape,dtype,sum]"]
    return {name: np.broadcast_to(np.float32(0), shape) for name, (shape, *_) in table.items()}


def test_every_variable_of_the_module_is_there_in_its_shape(state):
    variables = styletalk.from_state_dict(state)
    windows = jax.ShapeDtypeStruct((1, 12, 11), jnp.int32)
    clip = jax.ShapeDtypeStruct((1, 64, 64), jnp.float32)
    expected = jax.eval_shape(StyleTalk().init, jax.random.key(0), windows, clip)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


def test_missing_and_unexpected_names(state):
    without = {n: a for n, a in state.items() if n != "decoder.lower_decoder.norm.weight"}
    with pytest.raises(UserError, match="is missing"):
        styletalk.from_state_dict(without)
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'extra\.weight'"):
        styletalk.from_state_dict({**state, "extra.weight": np.zeros(1)})
