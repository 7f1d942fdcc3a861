"""Weights out of files that others wrote: torch.save (both forms), safetensors and npz.

PyTorch is not needed, and nothing that a file holds is called: its pickles may name a few
functions and types that rebuild tensors, which are replaced by our own here; any other name is
refused. Sizes that a file declares are checked against its length before memory is asked for, so
compressed archives, which neither torch.save nor safetensors writes, are refused as well.

The only file of this project that imports pickle.
"""

import io
import json
import math
import os
import pickle
import pickletools
import struct
import zipfile

import numpy as np

from jaxtalk.core.errors import UserError

MAX_PICKLE_BYTES = 1 << 26  # names, shapes and options; the numbers are outside
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_FAULTS = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, struct.error, OSError, EOFError, MemoryError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError),
    NotImplementedError,
)
_STORAGES = {
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
_SAFETENSORS = dict(
    zip(
        ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"),
        _STORAGES.values(),
    )
)


def read(path):
    """Nested dicts of numpy arrays under the file's own names, everything else left out.

    bfloat16 comes as float32.

    Raises:
      UserError: no such file, none of the three forms, truncated, or it names an object that is
        not part of a tensor.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(_LEGACY_START))
            file.seek(0)
            if start.startswith(b"PK"):
                return _read_zip(file)
            if start == _LEGACY_START:
                return _read_legacy(file)
            if str(path).endswith(".safetensors"):
                return _read_safetensors(file)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the path of downloaded weights") from None
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: cannot be read ({reason[:200]}); is it complete? Download it again"
        ) from None
    raise UserError(f"{path}: expected a file of torch.save, .safetensors or .npz")


def read_state_dict(path):
    """Name -> array: the arrays at the top of a file, or of its dict "state_dict".

    Raises:
      UserError: see `read`.
    """
    tree = read(path)
    tree = tree["state_dict"] if isinstance(tree.get("state_dict"), dict) else tree
    return {name: array for name, array in tree.items() if isinstance(array, np.ndarray)}


# ------------------------------------------------------------------------------- torch.save, npz


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise UserError("a compressed archive, expected one as torch.save or np.savez writes")
        if sum(member.file_size for member in members) > _length(file):
            raise UserError("its members claim more bytes than the file has; download it again")
        names = {member.filename for member in members}
        pickled = [name for name in names if name.endswith("/data.pkl")]
        if not pickled:
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        folder = pickled[0].removesuffix("data.pkl")
        order = "<"
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big":
            order = ">"
        storages = {}
        tree = _unpickle(_one_pickle(io.BytesIO(archive.read(pickled[0]))), storages)
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"), order)
        return _arrays(tree)


def _read_legacy(file):
    """Pickles of magic number, protocol, system, the object and the keys; then the storages."""
    header = [_unpickle(_one_pickle(file), {}) for _ in range(3)]
    if header[0] != _LEGACY_MAGIC:
        raise ValueError("no torch.save file")
    order = "<" if header[2].get("little_endian", True) else ">"
    storages = {}
    tree = _unpickle(_one_pickle(file), storages)
    for key in _unpickle(_one_pickle(file), {}):
        (count,) = struct.unpack(f"{order}q", file.read(8))
        storage = storages[key]
        if not 0 <= count * storage.itemsize <= _length(file) - file.tell():
            raise ValueError(f"storage {key} claims {count} numbers")
        storage.fill(file.read(count * storage.itemsize), order)
    return _arrays(tree)


def _length(file):
    return os.fstat(file.fileno()).st_size


def _one_pickle(file):
    """The bytes of the next pickle, its opcodes checked.

    The unpickler makes room for the index of a memo entry, or the length of a string, before it
    looks at what follows; pickletools reads the same without.
    """
    start = file.tell()
    for opcode, argument, position in pickletools.genops(file):
        if position - start > MAX_PICKLE_BYTES:
            raise ValueError(f"a pickle of over {MAX_PICKLE_BYTES} bytes")
        if "PUT" in opcode.name and argument > position - start:
            raise ValueError("a pickle with impossible memo entries")
    end = file.tell()
    file.seek(start)
    return file.read(end - start)


class _Storage:
    """Numbers of one or more tensors; filled after the pickle that names it has been read."""

    def __init__(self, dtype):
        self._dtype = dtype
        self.itemsize = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        self.values = None

    def fill(self, data, order="<"):
        self.values = _numbers(data, self._dtype, order)


def _numbers(data, dtype, order="<"):
    """Bytes -> [N]; bfloat16 is the upper half of a float32."""
    if dtype != "bfloat16":
        return np.frombuffer(data, order + dtype).astype(dtype)
    return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)


class _Tensor:
    """A strided view of a storage."""

    def __init__(self, storage, offset, size, stride, *_):
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without storage")
        self._storage, self._offset = storage, offset
        self._size, self._stride = tuple(size), tuple(stride)

    def array(self):
        values = self._storage.values
        if values is None:
            raise ValueError("a storage is missing")
        lengths, steps, first = self._size, self._stride, self._offset
        numbers = (*lengths, *steps, first)
        if len(lengths) != len(steps) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"a tensor of shape {lengths} and strides {steps}")
        count = math.prod(lengths)
        last = first + sum((n - 1) * s for n, s in zip(lengths, steps))
        if count > values.size or (count and last >= values.size):
            raise ValueError(f"a tensor of shape {lengths} in a storage of {values.size} numbers")
        if not count:
            return np.zeros(lengths, values.dtype)
        strides = [step * values.itemsize for step in steps]
        view = np.lib.stride_tricks.as_strided(values[first:], lengths, strides, writeable=False)
        return view.copy()


class _Dict(dict):
    """In the place of OrderedDict; without its attributes (`_metadata` of state dicts)."""

    def __setstate__(self, state):
        pass


def _parameter(tensor, *_):
    return tensor


_ALLOWED = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    """Finds nothing but what `_ALLOWED` and `_STORAGES` list."""

    def __init__(self, data, storages):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._storages = storages

    def find_class(self, module, name):
        if module in ("torch", "torch.cuda") and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) not in _ALLOWED:
            raise UserError(
                f"holds the object {f'{module}.{name}'[:100]!r}, expected tensors only; it was not "
                "touched; save the state dict alone, as torch.save or .safetensors"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, _, *view = pid
        if kind != "storage" or dtype not in _STORAGES.values() or (view and view[0] is not None):
            raise ValueError("a reference to something that is no storage")
        return self._storages.setdefault(str(key), _Storage(dtype))


def _unpickle(data, storages):
    return _Unpickler(data, storages).load()


def _arrays(tree):
    """The dicts and tensors of what was unpickled."""
    done = {}

    def convert(value):
        if id(value) not in done:  # what is referred to often is converted once
            if isinstance(value, _Tensor):
                done[id(value)] = value.array()
            else:
                done[id(value)] = result = {}
                result.update(
                    (str(k), convert(v)) for k, v in value.items() if isinstance(v, (dict, _Tensor))
                )
        return done[id(value)]

    if not isinstance(tree, dict):
        raise UserError(f"holds a {type(tree).__name__}, expected a dict of tensors")
    return convert(tree)


# ----------------------------------------------------------------------------------- safetensors


def _read_safetensors(file):
    """Length of a JSON header, the header, the numbers."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(MAX_PICKLE_BYTES, _length(file) - 8):
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    size = _length(file) - 8 - length
    arrays = {}
    claimed = sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values())
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        if not 0 <= first <= last <= size or claimed > size:
            raise ValueError(f"{name} is outside of the file")
        file.seek(8 + length + first)
        values = _numbers(file.read(last - first), _SAFETENSORS[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"])
    return arrays
