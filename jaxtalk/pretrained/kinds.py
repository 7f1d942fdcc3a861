"""The public weights that `jaxtalk.convert` knows: files, name map and network of each kind."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.pretrained import arcface, lpips


@dataclasses.dataclass(frozen=True)
class Kind:
    """Weights that stand in for those of one stage.

    Attributes:
      files: what the inputs are, in words.
      stage: the stage whose weights they become.
      network: the name under which that stage exports them.
      from_state_dict: name -> array, to variables.
      module: `model` values of the stage -> (the network, shapes of its inputs).
    """

    files: str
    stage: str
    network: str
    from_state_dict: Callable
    module: Callable


KINDS = {
    "lpips": Kind(
        "torchvision's vgg16 and LPIPS v0.1 vgg.pth (two files), or the whole LPIPS module",
        "perceptual",
        "lpips",
        lpips.from_state_dict,
        lambda model: (LPIPS(width=model.width), [(1, 16, 16, 3)] * 2),
    ),
    "arcface": Kind(
        "model_ir_se50.pth, the recogniser of pSp's identity loss",
        "arcface",
        "arcface",
        arcface.from_state_dict,
        lambda model: (
            IRSE50(model.width, model.embedding_dim, model.face_size),
            [(1, model.face_size, model.face_size, 3)],
        ),
    ),
}


def convert(kind, state, model):
    """Variables of a kind's network, and the names that were of no use.

    Args:
      kind: a `Kind`.
      state: name -> array of all inputs together.
      model: the `model` values of its stage.

    Returns:
      (variables, sorted names of `state` that were not read).

    Raises:
      UserError: names are missing or unexpected, or shapes are not those of the network.
    """
    used = set()
    watched = {name: _Watched(name, array, used) for name, array in state.items()}
    try:
        variables = kind.from_state_dict(watched)
    except UserError as error:
        some = ", ".join(sorted(state)[:3]) or "none"
        raise UserError(
            f"{error}; found {len(state)} arrays ({some}, ...); expected {kind.files}"
        ) from None
    module, shapes = kind.module(model)
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    expected = _shapes(jax.eval_shape(module.init, jax.random.key(0), *inputs))
    found = _shapes(variables)
    wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    if wrong:
        name = wrong[0]
        raise UserError(
            f"{len(wrong)} arrays are not as in the network: {name}: found {found.get(name)}, "
            f"expected {expected.get(name)}; is it another size of the network?"
        )
    return variables, sorted(state.keys() - used)


def _shapes(variables):
    flat = traverse_util.flatten_dict(variables, sep="/")
    return {name: np.shape(array) for name, array in flat.items()}


class _Watched:
    """An array that notes its name when it is read."""

    def __init__(self, name, array, used):
        self._name, self._array, self._used = name, array, used

    def __array__(self, dtype=None, copy=None):
        del copy
        self._used.add(self._name)
        return np.asarray(self._array, dtype)
