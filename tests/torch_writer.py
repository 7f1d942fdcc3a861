"""Writes files as torch.save and NVIDIA's StyleGAN repositories do, without PyTorch.

The pickles of torch.save are put together from opcodes, so that they can also name what PyTorch
never would; those of NVIDIA come from Python's pickler, with stand-ins under the names of theirs.
"""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from unittest import mock

import numpy as np

STORAGES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "u1": "Byte"}
MAGIC = 0x1950A86A20F9469CFC6C


class Stored:
    """A tensor as PyTorch keeps it: a view of a storage.

    Args:
      storage: [N] of numbers.
    """

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride
        self.type_name = f"{STORAGES[storage.dtype.str[1:]]}Storage"


def stored(array):
    """A whole array as `Stored`."""
    strides = tuple(step // array.itemsize for step in array.strides)
    return Stored(array.reshape(-1), 0, array.shape, strides)


def dict_pickle(tree, legacy=False):
    """(pickle of nested dicts of arrays, `Stored` and plain values; the storages in order)."""
    storages, out = [], [b"\x80\x02"]

    def put(value):
        if isinstance(value, np.ndarray):
            value = stored(value)
        if isinstance(value, dict):
            out.append(b"ccollections\nOrderedDict\n)R(")
            for key, item in value.items():
                put(key)
                put(item)
            out.append(b"u}(")  # and an attribute, as state dicts have
            put("_metadata")
            put(1)
            out.append(b"ub")
        elif isinstance(value, Stored):
            storages.append(value.storage)
            out.append(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            put("storage")
            out.append(f"ctorch\n{value.type_name}\n".encode())
            for part in (str(len(storages) - 1), "cpu", value.storage.size):
                put(part)
            out.append(b"NtQ" if legacy else b"tQ")
            for part in (value.offset, value.size, value.stride):
                put(part)
            out.append(b"\x89ccollections\nOrderedDict\n)RtR")
        elif isinstance(value, tuple):
            out.append(b"(")
            for part in value:
                put(part)
            out.append(b"t")
        else:
            out.append(pickle.dumps(value, 2)[2:-1].split(b"q\x00")[0])

    put(tree)
    return b"".join([*out, b"."]), storages


def write_zip(path, tree, **options):
    """The form since PyTorch 1.6."""
    write_archive(path, *dict_pickle(tree), **options)


def write_archive(path, pickled, storages=(), **options):
    """A pickle and its storages in an archive; options as of zipfile.ZipFile."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, storage in enumerate(storages):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(storage).tobytes())
        archive.writestr("archive/version", "3\n")


def write_legacy(path, tree):
    """The form before PyTorch 1.6."""
    pickled, storages = dict_pickle(tree, legacy=True)
    with open(path, "wb") as file:
        for header in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(header, file, protocol=2)
        file.write(pickled)
        pickle.dump([str(key) for key in range(len(storages))], file, protocol=2)
        for storage in storages:
            file.write(struct.pack("<q", storage.size) + storage.tobytes())


def legacy_storage(array):
    """Bytes of torch.save's old form that hold one storage alone."""
    file = io.BytesIO()
    for header in (MAGIC, 1001, {"little_endian": True, "protocol_version": 1001}):
        pickle.dump(header, file, protocol=2)
    file.write(b"\x80\x02(")
    reference = ("storage", stored(array).type_name, "94003", "cpu", array.size)
    for part in reference:
        name = part == reference[1]
        file.write(f"ctorch\n{part}\n".encode() if name else pickle.dumps(part, 2)[2:-1])
    file.write(b"NtQ.")
    pickle.dump(["94003"], file, protocol=2)
    file.write(struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes())
    return file.getvalue()


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _stand_in(module, name, bases=()):
    """A function, or a class with bases, that pickles under that name."""
    if bases:
        found = type(name, bases, {"__module__": module})
    else:
        found = types.FunctionType((lambda *args: None).__code__, {}, name)
        found.__module__, found.__qualname__ = module, name
    return found


RECONSTRUCT = _stand_in("torch_utils.persistence", "_reconstruct_persistent_obj")
_TENSOR = _stand_in("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = _stand_in("torch._utils", "_rebuild_parameter")
_STORAGE = _stand_in("torch.storage", "_load_from_bytes")
EasyDict = _stand_in("dnnlib.util", "EasyDict", (dict,))


def nvidia_tensor(array):
    """A tensor as Python's pickler, not torch.save, has it: with the bytes of its storage."""
    strides = tuple(step // array.itemsize for step in array.strides)
    storage = Call(_STORAGE, legacy_storage(array.ravel("K")))
    hooks = collections.OrderedDict()
    return Call(_TENSOR, storage, 0, array.shape, strides, False, hooks)


def nvidia_module(state, buffers=(), class_name="Generator", **arguments):
    """An object of `persistent_class` with parts and tensors by the names of a state dict.

    Args:
      state: name -> array; None stands for a buffer that is not there.
      buffers: last parts of the names of those that are no parameters.
    """
    groups = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    parts = {}
    for name, array in state.items():
        first, _, rest = name.partition(".")
        if rest:
            parts.setdefault(first, {})[rest] = array
        elif array is None or first in buffers:
            groups["_buffers"][first] = None if array is None else nvidia_tensor(array)
        else:
            tensor, hooks = nvidia_tensor(array), collections.OrderedDict()
            groups["_parameters"][first] = Call(_PARAMETER, tensor, False, hooks)
    for first, part in parts.items():
        groups["_modules"][first] = nvidia_module(part, buffers, "Part")
    attributes = {
        "training": False,
        **{key: collections.OrderedDict(group) for key, group in groups.items()},
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": collections.OrderedDict(),
        "size": np.broadcast_to(np.asarray(36), [2]),
        "gain": np.sqrt(2.0),
        "_init_args": (),
        "_init_kwargs": arguments,
    }
    record = {
        "type": "class",
        "version": 6,
        "module_src": "raise SystemExit('the source code was run')\n",
        "class_name": class_name,
        "state": attributes,
    }
    return Call(RECONSTRUCT, record)


def nvidia_pickle(tree, protocol=4):
    """Bytes of a pickle of nested containers and the objects above."""
    modules = {}
    for found in (RECONSTRUCT, _TENSOR, _PARAMETER, _STORAGE, EasyDict):
        module = modules.setdefault(found.__module__, types.ModuleType(found.__module__))
        setattr(module, found.__name__, found)
    for name in list(modules):
        modules.setdefault(name.partition(".")[0], types.ModuleType(name.partition(".")[0]))
    with mock.patch.dict(sys.modules, modules):
        return pickle.dumps(tree, protocol)
