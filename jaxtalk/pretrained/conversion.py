"""From the arrays of a public file to the variables of our networks, with a report."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError, shortened
from jaxtalk.pretrained import torch_file


def read_state_dict(path):
    """(name -> array, no arguments) of a file with one state dict."""
    return torch_file.read_state_dict(path), {}


def reader(key, *further):
    """A reader of files that hold a state dict under each of these names.

    Where there are several, the names of arrays begin with that of theirs.
    """

    def read(path):
        tree = torch_file.read(path)
        state = {}
        for name in (key, *further):
            arrays = tree.get(name)
            if not isinstance(arrays, dict):
                found = ", ".join(map(shortened, sorted(tree)[:5])) or "nothing"
                raise UserError(f"{path}: found {found}, expected a state dict named {name!r}")
            prefix = f"{name}." if further else ""
            arrays = torch_file.arrays_of(arrays)
            state |= {f"{prefix}{n}": array for n, array in arrays.items()}
        return state, {}

    return read


@dataclasses.dataclass(frozen=True)
class Part:
    """A network of a public file.

    Attributes:
      from_state_dict: name -> array, to variables.
      build: values -> (the linen module, its inputs as trees of `jax.ShapeDtypeStruct`). The values
        are the `model` values of the kind's stage, or, without one, the module's fields.
      fields: field -> value of the public network, where the kind has no stage.
      prefix: what the names of its arrays begin with in the file.
    """

    from_state_dict: Callable
    build: Callable
    fields: dict = dataclasses.field(default_factory=dict)
    prefix: str = ""

    def has(self, name):
        """Whether an array of that name is one of this network."""
        return name.startswith(self.prefix)


def public_fields(module):
    """A module's fields but for its dtype, at their defaults: the sizes of the public network."""
    fields = {field.name: field.default for field in dataclasses.fields(module)}
    return {name: fields[name] for name in fields if name not in ("parent", "name", "dtype")}


def public_part(from_state_dict, module, *inputs, prefix=""):
    """The `Part` of a network that is no stage's, from its name map, module and inputs."""

    def build(values):
        return module(**values), inputs

    return Part(from_state_dict, build, public_fields(module), prefix)


@dataclasses.dataclass(frozen=True)
class Kind:
    """Public weights that are published together.

    Attributes:
      files: what the inputs are, in words.
      licence: of the code that the weights come with, and of the weights, in words.
      parts: name under which a network is saved -> `Part`; that of the stage's export if there is a
        stage.
      stage: the stage for whose weights they stand in, "" if there is none (yet).
      num_inputs: how many files there are at most.
      read: path -> (name -> array, arguments that the network was made with).
      configure: sets the values of `Part.build` by (model, name -> array, arguments), where the
        architecture comes from the file.
      others: (name -> array, model) -> further networks that the stage exports, with variables.
      golden: name of a golden file -> its check, see `jaxtalk.pretrained.parity`.
    """

    files: str
    licence: str
    parts: dict[str, Part]
    stage: str = ""
    num_inputs: int = 1
    read: Callable = read_state_dict
    configure: Callable = lambda model, state, arguments: None
    others: Callable = lambda state, model: {}
    golden: dict[str, Callable] = dataclasses.field(default_factory=dict)

    def fields(self):
        """Part -> fields of the public network, for kinds without a stage."""
        return {name: dict(part.fields) for name, part in self.parts.items()}


def read(kind, paths):
    """(name -> array of all files together, arguments of the network, (path, SHA-256) of each).

    Raises:
      UserError: a file cannot be read, there are more than the kind has, or two have arrays of the
        same name.
    """
    if len(paths) > kind.num_inputs:
        raise UserError(f"--input2: found {paths[-1]}, expected one file: {kind.files}")
    state, arguments, digests = {}, {}, []
    for path in paths:
        found, made_with = kind.read(path)
        if twice := state.keys() & found.keys():
            raise UserError(f"{path}: {shortened(min(twice))!r} is in another input, too")
        state |= found
        arguments |= made_with
        with open(path, "rb") as file:
            digests.append((path, hashlib.file_digest(file, "sha256").hexdigest()))
    return state, arguments, digests


def convert(kind, state, model):
    """Variables of a kind's networks, and the names that were of no use.

    Args:
      kind: a `Kind`.
      state: name -> array of all inputs together.
      model: the `model` values of its stage, or those of `Kind.fields`, configured.

    Returns:
      (network name -> variables, sorted names of `state` that were not read).

    Raises:
      UserError: names are missing or unexpected, or shapes are not those of the network.
    """
    used = set()
    watched = {name: _Watched(name, array, used) for name, array in state.items()}
    networks = {}
    for name, part in kind.parts.items():
        own = {n.removeprefix(part.prefix): a for n, a in watched.items() if part.has(n)}
        values = model if kind.stage else model[name]
        networks[name] = convert_part(part, own, values, kind.files)
    return {**networks, **kind.others(watched, model)}, sorted(state.keys() - used)


def convert_part(part, state, values, files):
    """Variables of one network, whose shapes are those of its module.

    Args:
      part: a `Part`.
      state: name -> array, the prefix removed.
      values: see `Part.build`.
      files: the public files that were expected, for the message.

    Raises:
      UserError: see `convert`.
    """
    try:
        variables = part.from_state_dict(state)
        module, inputs = part.build(values)
        expected = _shapes(jax.eval_shape(module.init, jax.random.key(0), *inputs))
    except UserError as error:
        some = ", ".join(map(shortened, sorted(state)[:3])) or "none"
        raise UserError(
            f"{error}; found {len(state)} arrays ({some}, ...); expected {files}"
        ) from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(
            f"state dict: arrays whose shapes do not go together ({reason}); expected {files}"
        ) from None
    found = _shapes(variables)
    wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    if wrong:
        name = wrong[0]
        raise UserError(
            f"{len(wrong)} arrays are not as in the network: {name}: found {found.get(name)}, "
            f"expected {expected.get(name)}; is it another size of the network?"
        )
    return variables


def check_same_kind(output, kind, has_weights):
    """UserError where weights of another kind, or of a training run, would be replaced."""
    found = "other weights"
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no report, or a broken one
        found = json.loads((pathlib.Path(output) / "report.json").read_text()).get("kind", found)
    if has_weights and found != kind:
        raise UserError(f"--output: found {found} in {output}, expected {kind}; name another one")


def write_report(output, kind, state, digests, unused, networks):
    """Writes what was converted to report.json, beside the weights.

    Args:
      output: their directory.
      kind: its name.
      state, digests: see `read`.
      unused: see `convert`.
      networks: name -> variables.
    """
    unread = set(unused)
    report = {
        "kind": kind,
        "inputs": [{"file": os.path.basename(p), "sha256": digest} for p, digest in digests],
        "read": {n: _described(array) for n, array in sorted(state.items()) if n not in unread},
        "unused": {name: _described(state[name]) for name in unused},
        # Networks of the stage that the files do not have; in parts, none is converted.
        "missing": [n for n, variables in networks.items() if "params" not in variables],
        "num_parameters": sum(
            leaf.size
            for variables in networks.values()
            for leaf in jax.tree.leaves(variables.get("params", {}))
        ),
    }
    temporary = pathlib.Path(output) / ".report.json"
    temporary.write_text(json.dumps(report, indent=1) + "\n")
    temporary.replace(temporary.with_name("report.json"))


def _described(array):
    array = np.asarray(array)
    return f"{array.dtype} {list(array.shape)}"


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
