"""Writes files as torch.save does, without PyTorch.

The pickles are put together from opcodes, so that they can also name what PyTorch never would.
"""

import pickle
import struct
import zipfile

import numpy as np

STORAGES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "u1": "Byte"}
MAGIC = 0x1950A86A20F9469CFC6C


class Stored:
    """A tensor as PyTorch keeps it: a view of a storage.

    Args:
      storage: [N] of numbers; uint16 stands for bfloat16.
    """

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride
        kind = "BFloat16" if storage.dtype == np.uint16 else STORAGES[storage.dtype.str[1:]]
        self.type_name = f"{kind}Storage"


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
            for part in (value.offset, tuple(value.size), tuple(value.stride)):
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
