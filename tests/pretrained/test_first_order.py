"""The name maps of the first-order model; the numbers are checked with the networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.first_order import Generator
from jaxtalk.nn.keypoint_detector import KeypointDetector, Keypoints
from jaxtalk.pretrained import first_order
from tests import golden_files

IMAGES = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
KEYPOINTS = Keypoints(
    jax.ShapeDtypeStruct((1, 10, 2), jnp.float32), jax.ShapeDtypeStruct((1, 10, 2, 2), jnp.float32)
)
CASES = pytest.mark.parametrize(
    "table, name_map, module, inputs",
    [
        (
            "state_kp",
            first_order.keypoint_detector_from_state_dict,
            KeypointDetector(),
            [IMAGES],
        ),
        (
            "state_gen",
            first_order.generator_from_state_dict,
            Generator(),
            [IMAGES, KEYPOINTS, KEYPOINTS],
        ),
    ],
)


def zeros(table):
    """Zeros of the public shapes, which take no memory."""
    table = golden_files.load("fom_vox_full")[1][table]["tensors_[shape,dtype,sum]"]
    return {name: np.broadcast_to(np.float32(0), shape) for name, (shape, *_) in table.items()}


@CASES
def test_every_variable_of_the_module_is_there_in_its_shape(table, name_map, module, inputs):
    variables = name_map(zeros(table))
    expected = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


@CASES
def test_missing_and_unexpected_names(table, name_map, module, inputs):
    state = zeros(table)
    some = next(n for n in state if n.endswith("norm.weight"))
    with pytest.raises(UserError, match="is missing"):
        name_map({n: a for n, a in state.items() if n != some})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'extra\.weight'"):
        name_map({**state, "extra.weight": np.zeros(1)})
