"""The networks in NVIDIA's StyleGAN pickles (stylegan2-ada-pytorch, stylegan3), none of it run.

Such a `.pkl` is a pickled dict of networks that carry their own source code, which PyTorch's way of
reading executes. Here each module becomes a plain record: its class name, its tensors, its parts
and the arguments it was made with; the source code is dropped unread. Storages are files of
torch.save within the pickle, see `jaxtalk.pretrained.torch_tensors`.
"""

import dataclasses
import functools
import io

import numpy as np

from jaxtalk.core.errors import UserError, shortened
from jaxtalk.pretrained import pickle_machine, torch_tensors
from jaxtalk.pretrained.pickle_machine import Named
from jaxtalk.pretrained.torch_file import START, described, opened

FORMAT_VERSION = 6  # of torch_utils.persistence, in all public files
_MAX_ARGUMENTS = 1000
_MAX_TENSORS = 1 << 14
_MAX_DEPTH = 32  # of parts within parts
_PLAIN = (type(None), bool, int, float, str)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of such a file.

    Attributes:
      class_name: of its Python class, such as "Generator".
      arguments: the keyword arguments it was made with: plain values, lists and dicts of them.
      state_dict: name -> array, as the network's own `state_dict()` has them.
    """

    class_name: str
    arguments: dict
    state_dict: dict[str, np.ndarray]


def read(path, name="G_ema"):
    """One of the networks of a file.

    Args:
      path: a `.pkl` of stylegan2-ada-pytorch or stylegan3.
      name: "G", "D" or "G_ema", the generator whose weights are averages.

    Raises:
      UserError: no such file, not of this kind, truncated or otherwise inconsistent, or it names
        an object that such a network does not have.
    """
    with opened(path) as file:
        start = file.read(START)
        if start[:2] not in (b"\x80\3", b"\x80\4", b"\x80\5"):
            raise UserError(
                f"found {described(start)}, expected a pickle of stylegan2-ada-pytorch or "
                "stylegan3 (.pkl)"
            )
        file.seek(0)
        pickle, budget = io.BytesIO(file.read()), pickle_machine.Budget()
        load = functools.partial(_storage, budget)
        names = {**_NAMES, ("torch.storage", "_load_from_bytes"): Named(load)}
        tree = pickle_machine.run(pickle, names, budget=budget)
        if pickle.tell() != pickle.getbuffer().nbytes:
            raise ValueError("something behind the end of its pickle")
        tree = tree if type(tree) is dict else {}
        networks = [n for n, value in tree.items() if type(value) is _Module]
        if name not in networks:
            found = ", ".join(shortened(torch_tensors.checked_name(n)) for n in networks[:5])
            found = found or "none"
            raise UserError(f"holds the networks {found}, expected one named {name}")
        return _network(tree[name])


def _network(module):
    arguments = _plain(module.state.get("_init_kwargs", {}), [_MAX_ARGUMENTS])
    if module.state.get("_init_args") or type(arguments) is not dict:
        raise UserError(f"{module.class_name!r} was made with arguments that have no names")
    tree = {}
    _collect(module, "", 0, tree, set())
    return Network(module.class_name, arguments, torch_tensors.arrays(tree))


def _collect(module, prefix, depth, tree, seen):
    """Adds the tensors of a module and of its parts to `tree`, under PyTorch's names."""
    if id(module) in seen:
        raise ValueError(f"a network that has the part {prefix[:50]!r} twice")
    if depth > _MAX_DEPTH:
        raise ValueError("a network whose parts are nested too deeply")
    seen.add(id(module))
    for group in ("_parameters", "_buffers"):
        for name, tensor in _group(module, group).items():
            if len(tree) == _MAX_TENSORS:
                raise ValueError(f"a network of over {_MAX_TENSORS} tensors")
            if type(tensor) is torch_tensors.Tensor:
                tree[torch_tensors.checked_name(prefix + name)] = tensor
            elif tensor is not None:
                raise ValueError(f"a {type(tensor).__name__} for the tensor {prefix[:50]!r}")
    for name, part in _group(module, "_modules").items():
        if type(part) is _Module:
            within = torch_tensors.checked_name(f"{prefix}{name}.")
            _collect(part, within, depth + 1, tree, seen)
        elif part is not None:
            raise ValueError(f"a {type(part).__name__} for a part of {prefix[:50]!r}")


def _group(module, name):
    group = module.state.get(name, {})
    if type(group) is not dict:
        raise ValueError(f"a module whose {name} are no dict")
    return group


def _plain(value, room):
    """A copy of plain values, lists (also for tuples) and dicts, `room` [1] of them at most."""
    room[0] -= 1
    if room[0] < 0:
        raise ValueError(f"over {_MAX_ARGUMENTS} arguments")
    if type(value) in _PLAIN:
        return value
    if type(value) in (list, tuple):
        return [_plain(item, room) for item in value]
    if type(value) is dict:
        return {str(key): _plain(item, room) for key, item in value.items()}
    raise ValueError(f"an argument that is a {type(value).__name__}")


class _Module:
    """In the place of an object of NVIDIA's `persistence`; takes the record that describes it."""

    def __init__(self, record):
        fields = {"type": str, "version": int, "module_src": str, "class_name": str, "state": dict}
        wrong = type(record) is not dict or [
            field for field, kind in fields.items() if type(record.get(field)) is not kind
        ]
        if wrong:
            raise ValueError("a module without class name and state")
        if record["type"] != "class" or record["version"] != FORMAT_VERSION:
            found = f"{record['type'][:20]!r}, version {record['version']}"
            raise UserError(f"holds {found} of NVIDIA's format, expected 'class', {FORMAT_VERSION}")
        self.class_name = torch_tensors.checked_name(record["class_name"])
        self.state = record["state"]


def _storage(budget, data):
    """A storage, from the bytes of a file of torch.save."""
    if type(data) is not bytes or not data.startswith(torch_tensors.LEGACY_START):
        raise ValueError("a storage that is no file of torch.save")
    storage = torch_tensors.read_legacy(data, budget)
    if type(storage) is not torch_tensors.Storage or storage.values is None:
        raise ValueError("a storage that is something else, or empty")
    return storage


def _of_tensorflow(*_):
    raise UserError(
        "holds a network of TensorFlow, expected those of PyTorch; convert it with the legacy.py "
        "of stylegan3"
    )


_NAMES = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Named(_Module),
    ("dnnlib.util", "EasyDict"): Named(pickle_machine.mapping),
    ("dnnlib.tflib.network", "Network"): Named(_of_tensorflow),
    **{key: named for key, named in torch_tensors.NAMES.items() if type(named) is Named},
}
