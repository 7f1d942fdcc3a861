"""Tensors as PyTorch pickles them: storages, views of them, and the old form of torch.save."""

import io
import math
import struct

import numpy as np

from jaxtalk.pretrained import pickle_machine
from jaxtalk.pretrained.pickle_machine import Ignored, Named

MAX_AXES = 32
MAX_NAME = 256  # characters
# Tied weights are listed once for each of their names, and constants may be views that repeat a
# number; beyond this, views stand for a bomb.
MAX_EXPANSION = 4
MAX_REPEATED = 1 << 16  # numbers of a tensor that is larger than its storage
_ROOM = 1 << 18  # bytes of such tensors in a file that is small itself
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class Storage:
    """Numbers of one or more tensors; filled after the pickle that names it has been read."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        self.num_bytes = count * (2 if dtype == "bfloat16" else np.dtype(dtype).itemsize)
        self.values = None

    def fill(self, data, order="<"):
        if len(data) != self.num_bytes:
            raise ValueError(f"a storage of {len(data)} bytes, announced with {self.num_bytes}")
        self.values = numbers(data, self.dtype, order)


class Tensor:
    """A strided view of a storage."""

    def __init__(self, storage, offset, size, stride, *_):
        if type(storage) is not Storage:
            raise ValueError("a tensor without storage")
        self.storage, self._offset, self._size, self._stride = storage, offset, size, stride

    def array(self):
        """A view of the storage's numbers, not to be written to."""
        values = self.storage.values
        if values is None:
            raise ValueError("a storage is missing")
        lengths, steps, first = self._size, self._stride, self._offset
        if not (type(lengths) is type(steps) is tuple and len(lengths) == len(steps) <= MAX_AXES):
            raise ValueError("a tensor of shape and strides that do not go together")
        if not all(type(n) is int for n in (*lengths, *steps, first)):
            raise ValueError("a tensor of shape and strides that are no whole numbers")
        if min(*lengths, *steps, first, 0) < 0:
            raise ValueError(f"a tensor of shape {lengths} and strides {steps} from {first}")
        count = math.prod(lengths)
        last = first + sum((n - 1) * s for n, s in zip(lengths, steps))
        if count > max(values.size, MAX_REPEATED) or (count and last >= values.size):
            raise ValueError(f"a tensor of shape {lengths} in a storage of {values.size} numbers")
        if not count:
            return np.zeros(lengths, values.dtype)
        strides = [step * values.itemsize for step in steps]
        return np.lib.stride_tricks.as_strided(values[first:], lengths, strides, writeable=False)


def numbers(data, dtype, order="<"):
    """Bytes -> [N], a view of them where it can be; bfloat16 is the upper half of a float32."""
    if dtype != "bfloat16":
        return np.frombuffer(data, order + dtype).astype(dtype, copy=False)
    return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)


def arrays(tree):
    """The dicts and tensors of what was unpickled, with arrays for tensors.

    Raises:
      ValueError: a name that no network has; tensors that leave their storage; views of the same
        numbers that are several times as large as all storages.
    """
    done, storages, used = {}, {}, 0

    def convert(value):
        nonlocal used
        if id(value) in done:  # what is referred to often is converted once
            return done[id(value)]
        if type(value) is Tensor:
            done[id(value)] = array = value.array()
            storages[id(value.storage)] = value.storage.num_bytes
            used += array.nbytes
            return array
        done[id(value)] = result = {}
        for key, item in value.items():
            item = _parameter(item.tensor) if type(item) is _OldParameter else item
            if type(item) in (dict, Tensor):
                result[checked_name(str(key))] = convert(item)
        return result

    converted = convert(tree)
    if used > MAX_EXPANSION * sum(storages.values()) + _ROOM:
        raise ValueError(f"tensors of {used} bytes in storages of {sum(storages.values())}")
    return converted


def checked_name(name):
    """The name of an array, if it can be told to a person.

    Raises:
      ValueError: it is too long or has characters that do not print.
    """
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"the name {name[:50]!r}..., which no network has")
    return name


def persistent_storages(storages):
    """The function for `pickle_machine.run` that collects storages under their keys."""

    def load(pid):
        if len(pid) not in (5, 6):
            raise ValueError(f"a reference of {len(pid)} parts")
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or type(dtype) is not _StorageType or type(key) is not str:
            raise ValueError("a reference to something that is no storage")
        if type(count) is not int or not 0 <= count < 1 << 48 or any(v is not None for v in view):
            raise ValueError(f"a storage of {count if type(count) is int else '?'} numbers")
        storage = storages.setdefault(key, Storage(dtype, count))
        if (storage.dtype, storage.count) != (dtype, count):
            raise ValueError(f"two storages of the key {key[:20]!r}")
        return storage

    return load


class _StorageType(str):
    """The dtype of a storage's numbers."""


def _parameter(tensor, *_):
    if type(tensor) is not Tensor:
        raise ValueError("a parameter that is no tensor")
    return tensor


class _OldParameter:
    """A parameter as PyTorch before 0.4 wrote it: with its tensor as an argument, or as a state."""

    def __init__(self, tensor=None, *_):
        self.tensor = tensor

    def set_state(self, state):
        if self.tensor is None and type(state) is tuple and state:
            self.tensor = state[0]


# What lies beside the tensors of published files: options, counters, states of schedulers. None of
# it is looked at, but for dicts.
_BUILTINS = ("set", "frozenset", "list", "dict", "tuple", "int", "float", "str", "bool", "complex")
_BESIDE = {
    "argparse": ("Namespace",),
    "collections": ("Counter",),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "pathlib._local": ("PosixPath", "WindowsPath"),  # Python 3.13
    "builtins": (*_BUILTINS, "bytearray", "bytes", "range", "slice"),
    "__builtin__": (*_BUILTINS, "bytearray", "unicode", "long", "xrange", "slice"),  # Python 2's
    "_codecs": ("encode",),  # bytes
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "torch": (
        *("Size", "device", "bool", "uint8", "int8", "int16", "int32", "int64"),
        *("float16", "bfloat16", "float32", "float64"),
    ),
}

NAMES = {
    **{(module, name): Named(Ignored) for module, names in _BESIDE.items() for name in names},
    # Python 2 gives the items, a list of [key, value]; later versions set them.
    ("collections", "OrderedDict"): Named(pickle_machine.mapping),
    ("collections", "defaultdict"): Named(lambda *_: {}),
    ("torch._utils", "_rebuild_tensor"): Named(Tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Named(Tensor),
    ("torch._utils", "_rebuild_parameter"): Named(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Named(_parameter),
    ("torch.nn.parameter", "Parameter"): Named(_OldParameter),
    **{
        (module, name): _StorageType(dtype)
        for module in ("torch", "torch.cuda")
        for name, dtype in STORAGES.items()
    },
}


def unpickle(file, storages, budget=None):
    """The value of the next pickle of an `io.BytesIO`; `storages` gets those that it names."""
    return pickle_machine.run(file, NAMES, persistent_storages(storages), budget)


def read_legacy(data, budget=None):
    """The value in the old form of torch.save.

    Pickles of magic number, protocol, system, the value and the storages' keys; then, for each key,
    a count and the numbers.

    Args:
      data: its bytes.
      budget: the `pickle_machine.Budget` of the file that they are a part of, if of one.
    """
    file, storages, budget = io.BytesIO(data), {}, budget or pickle_machine.Budget()
    magic, _, system = (unpickle(file, {}, budget) for _ in range(3))
    if magic != LEGACY_MAGIC or type(system) is not dict:
        raise ValueError("no file of torch.save")
    order = "<" if system.get("little_endian", True) else ">"
    tree = unpickle(file, storages, budget)
    keys = unpickle(file, {}, budget)
    if (
        type(keys) is not list
        or any(type(k) is not str for k in keys)
        or len(set(keys)) != len(keys)
    ):
        raise ValueError("keys of storages that are no list of texts, or twice the same")
    for key in keys:
        if key not in storages:
            raise ValueError(f"numbers of the key {key[:20]!r}, which no tensor has")
        (count,) = struct.unpack(f"{order}q", file.read(8))
        storage = storages[key]
        if count != storage.count or storage.num_bytes > len(data) - file.tell():
            raise ValueError(f"a storage that claims {count} numbers")
        start = file.tell()
        storage.fill(memoryview(data)[start : start + storage.num_bytes], order)
        file.seek(storage.num_bytes, io.SEEK_CUR)
    if file.tell() != len(data):
        raise ValueError("something behind the last storage")
    return tree
