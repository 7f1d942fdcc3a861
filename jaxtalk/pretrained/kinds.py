"""The public weights that `jaxtalk.convert` knows: files, name map and network of each kind."""

import dataclasses
import hashlib
import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.pretrained import arcface, lpips, nvidia_pickle, psp, stylegan3, torch_file


def _read_state_dict(path):
    return torch_file.read_state_dict(path), {}


def _read_generator(path):
    network = nvidia_pickle.read(path, "G_ema")
    return network.state_dict, network.arguments


def _generator(model):
    values = model.generator
    labels = [(1, values.c_dim)] if values.get("c_dim") else []
    return Generator(**values), [(1, values.z_dim), *labels]


def _as_the_preset(model, state, arguments):
    del model, state, arguments


def _configure_stylegan3(model, state, arguments):
    del state
    _update(model.generator, stylegan3.fields(arguments), Generator)
    model.discriminator.resolution = model.generator.resolution


def _configure_psp(model, state, arguments):
    del arguments
    fields = psp.fields(state)
    model.image_size = fields.pop("image_size", model.image_size)
    _update(model.encoder, fields, Encoder)


def _update(values, fields, module):
    """Sets the fields that a config has, and those that are not at their default."""
    defaults = {field.name: field.default for field in dataclasses.fields(module)}
    for name, value in fields.items():
        if name in values or value != defaults[name]:
            values[name] = value


@dataclasses.dataclass(frozen=True)
class Kind:
    """Weights that stand in for those of one stage.

    Attributes:
      files: what the inputs are, in words.
      stage: the stage whose weights they become.
      network: the name under which that stage exports them.
      from_state_dict: name -> array, to variables.
      module: `model` values of the stage -> (the network, shapes of its inputs).
      licence: of the public weights, in words.
      read: path -> (name -> array, arguments that the network was made with).
      configure: sets the `model` values of the stage by (model, name -> array, arguments), where
        the architecture comes from the file.
      others: (name -> array, model) -> further networks that the stage exports, with variables.
      golden: names of the golden files that check it, see `jaxtalk.pretrained.parity`.
    """

    files: str
    stage: str
    network: str
    from_state_dict: Callable
    module: Callable
    licence: str = ""
    read: Callable = _read_state_dict
    configure: Callable = _as_the_preset
    others: Callable = lambda state, model: {}
    golden: tuple[str, ...] = ()


KINDS = {
    "lpips": Kind(
        "torchvision's vgg16 and LPIPS v0.1 vgg.pth (two files), or the whole LPIPS module",
        "perceptual",
        "lpips",
        lpips.from_state_dict,
        lambda model: (LPIPS(width=model.width), [(1, 16, 16, 3)] * 2),
        licence="BSD 3-Clause (torchvision), BSD 2-Clause (LPIPS)",
        golden=("lpips_vgg",),
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
        licence="MIT (InsightFace_Pytorch, code); its training data for research only",
        golden=("psp_arcface_irse50_112",),
    ),
    "stylegan3": Kind(
        "a .pkl of NVIDIA's stylegan3, such as stylegan3-t-ffhqu-256x256.pkl, T or R, any size",
        "stylegan3",
        "generator",
        stylegan3.from_state_dict,
        _generator,
        licence="NVIDIA Source Code License for StyleGAN3: non-commercial",
        read=_read_generator,
        configure=_configure_stylegan3,
        golden=(
            "sg3_t256_cb1024_cm16",
            "sg3_r256_cb1024_cm16",
            "sg3_t256_cb2048_cm32",
            "sg3_r256_cb2048_cm32",
        ),
    ),
    "psp": Kind(
        "psp_ffhq_encode.pt of pixel2style2pixel: the encoder and the mean code; its StyleGAN2 "
        "decoder is left out",
        "psp",
        "encoder",
        psp.from_state_dict,
        lambda model: (
            Encoder(**model.encoder, image_size=model.image_size),
            [(1, model.image_size, model.image_size, 3)],
        ),
        licence="MIT (code and weights of pixel2style2pixel); trained on FFHQ, CC BY-NC-SA 4.0",
        read=lambda path: (psp.read(path), {}),
        configure=_configure_psp,
        others=lambda state, model: {"generator": psp.mean_code(state, model.encoder.w_dim)},
        golden=("psp_gradual_irse50_n16", "psp_gradual_ir50_n18"),
    ),
}


def find(name):
    """The kind of that name.

    Raises:
      UserError: there is none; lists them.
    """
    if name not in KINDS:
        raise UserError(f"--kind: found {name!r}, expected one of {', '.join(KINDS)}")
    return KINDS[name]


def read(kind, paths):
    """(name -> array of all files together, arguments of the network, path -> SHA-256).

    Raises:
      UserError: a file cannot be read, or two have arrays of the same name.
    """
    state, arguments, digests = {}, {}, {}
    for path in paths:
        found, arguments = kind.read(path)
        if twice := state.keys() & found.keys():
            raise UserError(f"{path}: {min(twice)!r} is in another input, too")
        state |= found
        with open(path, "rb") as file:
            digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return state, arguments, digests


def convert(kind, state, model):
    """Variables of a kind's networks, and the names that were of no use.

    Args:
      kind: a `Kind`.
      state: name -> array of all inputs together.
      model: the `model` values of its stage, configured.

    Returns:
      (network name -> variables, sorted names of `state` that were not read).

    Raises:
      UserError: names are missing or unexpected, or shapes are not those of the network.
    """
    used = set()
    watched = {name: _Watched(name, array, used) for name, array in state.items()}
    try:
        variables = kind.from_state_dict(watched)
        module, shapes = kind.module(model)
        inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        expected = _shapes(jax.eval_shape(module.init, jax.random.key(0), *inputs))
    except UserError as error:
        some = ", ".join(sorted(state)[:3]) or "none"
        raise UserError(
            f"{error}; found {len(state)} arrays ({some}, ...); expected {kind.files}"
        ) from None
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(
            f"state dict: arrays whose shapes do not go together ({reason}); expected {kind.files}"
        ) from None
    found = _shapes(variables)
    wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    if wrong:
        name = wrong[0]
        raise UserError(
            f"{len(wrong)} arrays are not as in the network: {name}: found {found.get(name)}, "
            f"expected {expected.get(name)}; is it another size of the network?"
        )
    networks = {kind.network: variables, **kind.others(watched, model)}
    return networks, sorted(state.keys() - used)


def report(state, digests, unused, variables):
    """What was converted, as plain values: the report that lies beside the weights.

    Args:
      state, digests: see `read`.
      unused: see `convert`.
      variables: of the kind's network.
    """
    return {
        "sha256": {os.path.basename(path): digest for path, digest in digests.items()},
        "num_tensors_read": len(state) - len(unused),
        "unused": unused,
        "missing": [],  # with anything missing, nothing is converted
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
    }


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
