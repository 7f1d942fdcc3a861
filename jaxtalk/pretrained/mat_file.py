"""Reader of numeric arrays in MATLAB's files of version 5 to 7, as scipy writes them, too.

Matrices are elements of a type, a length and parts of the same form, each perhaps compressed, which
is inflated no further than it says. Nothing else is read: no structs, cells, sparse matrices or
objects, and no files of version 4 or 7.3.
"""

import math
import struct
import zlib

import numpy as np

MAX_BYTES = 1 << 28  # of a file, all of it inflated; the Basel face model has 200 MB
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_FORMS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_FORMS |= {12: "i8", 13: "u8"}
_NUMERIC = range(6, 16)  # classes of matrices
_COMPLEX = 1 << 11


def read(data, names):
    """Name -> array of those of the names that a file has, in the type that it keeps them in.

    Args:
      data: its bytes.
      names: of matrices; the others are not looked at.

    Raises:
      ValueError: it is no such file, too large, or one of these is no matrix of real numbers.
    """
    if len(data) < _HEADER or 0 in data[:4] or data[124:128] != b"\0\1IM":
        raise ValueError("no file of MATLAB 5 to 7")
    found, start, room = {}, _HEADER, MAX_BYTES
    while start < len(data):
        kind, part, start = _element(data, start, padded=False)
        if kind == _COMPRESSED:
            kind, part = _inflated(part, room)
        room -= len(part)
        if room < 0:
            raise ValueError(f"over {MAX_BYTES} bytes of arrays")
        if kind != _MATRIX:
            raise ValueError(f"an element of the type {kind}")
        name, array = _matrix(part, names)
        if name in found:
            raise ValueError(f"two arrays of the name {name!r}")
        if name in names:
            found[name] = array
    return found


def _inflated(data, room):
    """(type, bytes) of a compressed element."""
    inflate = zlib.decompressobj()
    try:
        kind, length = struct.unpack("<II", inflate.decompress(data, 8))
        if length > room:
            raise ValueError(f"over {MAX_BYTES} bytes of arrays")
        part = inflate.decompress(inflate.unconsumed_tail, length + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(part) != length:
        raise ValueError("an array that is not as long as it says")
    return kind, part


def _element(data, start, padded=True):
    """(type, bytes, where the next one begins); up to 4 bytes stand in place of their length."""
    kind, length = struct.unpack_from("<II", data, start)
    if kind >> 16:
        kind, length, first, after = kind & 0xFFFF, kind >> 16, start + 4, start + 8
    else:
        first = start + 8
        after = first + length + (-length % 8 if padded else 0)
    if length > len(data) - first or (after == start + 8 and length > 4):
        raise ValueError("an array that breaks off")
    return kind, memoryview(data)[first : first + length], after


def _matrix(data, names):
    """(name, array), the latter None if it is not one of the names."""
    _, flags, start = _element(data, 0)
    (flags,) = struct.unpack_from("<I", flags)
    _, shape, start = _element(data, start)
    _, name, start = _element(data, start)
    name = bytes(name).decode("latin-1")
    if name not in names:
        return name, None
    if flags & 0xFF not in _NUMERIC or flags & _COMPLEX:
        raise ValueError(f"{name} is no matrix of real numbers")
    form, numbers, _ = _element(data, start)
    shape = tuple(np.frombuffer(shape, "<i4").tolist())
    if form not in _FORMS or len(shape) > 32 or min(shape, default=-1) < 0:
        raise ValueError(f"{name} is no matrix of real numbers")
    values = np.frombuffer(numbers, f"<{_FORMS[form]}")
    if math.prod(shape) != values.size:
        raise ValueError(f"{name} has {values.size} numbers, announced with {shape}")
    return name, values.reshape(shape, order="F")
