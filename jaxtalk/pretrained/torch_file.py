"""Weights out of files that others wrote: torch.save (both forms), safetensors and npz.

PyTorch is not needed, and nothing that a file holds is called: its pickles are read by
`jaxtalk.pretrained.pickle_machine`. Sizes that a file declares are checked against its length
before memory is asked for, so compressed archives, which neither torch.save nor safetensors
writes, are refused as well. A file is what its first bytes say; no reader tries what another one
has refused.
"""

import ast
import contextlib
import io
import json
import math
import os
import re
import stat
import struct
import zipfile

import numpy as np

from jaxtalk.core.errors import UserError, shortened
from jaxtalk.pretrained import torch_tensors

START = 64  # bytes that tell what a file is
MAX_HEADER_BYTES = 1 << 22  # of safetensors, and the directory of an archive
MAX_NPY_HEADER = 1000  # characters; it is Python text, for whose parser more would be hard
_FAULTS = (
    *(zipfile.BadZipFile, struct.error, OSError, EOFError, MemoryError, RuntimeError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, SyntaxError),
)
_ARCHIVES = (b"PK\3\4", b"PK\5\6")  # with members, and without
_OTHERS = {
    **dict.fromkeys(_ARCHIVES, "an archive"),
    b"<": "a web page (is it the download?)",
    b"version https://git-lfs": "a pointer of git-lfs (get the file itself by git lfs pull)",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a compressed file (unpack it)",
    b"\x80": "a pickle",
}
_SAFETENSORS = dict(
    zip(
        ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"),
        torch_tensors.STORAGES.values(),
    )
)


def read(path):
    """Nested dicts of numpy arrays under the file's own names, everything else left out.

    bfloat16 comes as float32; arrays may be views that cannot be written to.

    Raises:
      UserError: no such file, none of the three forms, truncated or otherwise inconsistent, or it
        names an object that is neither part of a tensor nor of plain values beside them.
    """
    with opened(path) as file:
        start = file.read(START)
        file.seek(0)
        if start.startswith(_ARCHIVES):
            return _read_zip(file)
        if start.startswith(torch_tensors.LEGACY_START):
            return _arrays(torch_tensors.read_legacy(file.read()))
        if str(path).endswith(".safetensors") and start[8:9] == b"{":
            return _read_safetensors(file)
        raise UserError(
            f"found {described(start)}, expected a file of torch.save, .safetensors or .npz"
        )


def described(start):
    """What a file seems to be that begins with these bytes, in words."""
    if not start:
        return "an empty file"
    found = (words for first, words in _OTHERS.items() if start.lstrip().startswith(first))
    return next(found, "something else")


def read_state_dict(path):
    """Name -> array: the arrays at the top of a file, or of its dict "state_dict".

    Raises:
      UserError: see `read`.
    """
    tree = read(path)
    return arrays_of(tree["state_dict"] if isinstance(tree.get("state_dict"), dict) else tree)


def arrays_of(tree):
    """Name -> array of a dict of `read`, without a "module." that DataParallel put before all."""
    arrays = {name: array for name, array in tree.items() if isinstance(array, np.ndarray)}
    wrapped = all(name.startswith("module.") for name in arrays)
    return {n.removeprefix("module.") if wrapped else n: array for n, array in arrays.items()}


@contextlib.contextmanager
def opened(path):
    """The file, open for reading; what goes wrong inside is told as a fault of it.

    Raises:
      UserError: one line that begins with the path.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError("is no file; give the path of downloaded weights")
        with open(path, "rb") as file:
            yield file
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the path of downloaded weights") from None
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = "nested too deeply" if isinstance(error, RecursionError) else reason
        raise UserError(
            f"{path}: cannot be read ({reason[:200]}); is it complete? Download it again"
        ) from None


def _length(file):
    return os.fstat(file.fileno()).st_size


def _arrays(tree):
    if type(tree) is not dict:
        raise UserError(f"holds a {type(tree).__name__}, expected a dict of tensors")
    return torch_tensors.arrays(tree)


# ------------------------------------------------------------------------------- torch.save, npz


def _read_zip(file):
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
            raise UserError(
                "found a TorchScript archive, a program, expected tensors; take another file, or "
                "save the state_dict() of what PyTorch loads from it"
            )
        _check_members(archive, _length(file))
        pickled = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if len(pickled) > 1:
            raise UserError(
                f"holds {len(pickled)} pickles, expected the one that torch.save writes"
            )
        if not pickled:
            return _read_npz(archive)
        folder = pickled[0].removesuffix("data.pkl")
        order = "<"
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big":
            order = ">"
        storages, data = {}, archive.read(pickled[0])
        pickle = io.BytesIO(data)
        tree = torch_tensors.unpickle(pickle, storages)
        if pickle.tell() != len(data):
            raise ValueError("something behind the end of its pickle")
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"), order)
        return _arrays(tree)


def _check_directory(file):
    """The list of members, at the end of an archive, must not be a bomb itself."""
    end, wide_locator = struct.Struct("<4s4H2IH"), struct.Struct("<4sIQI")
    wide_end = struct.Struct("<4sQ2H2I4Q")
    file.seek(max(0, _length(file) - end.size - wide_locator.size - wide_end.size))
    tail = file.read()
    if tail[-end.size :][:4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise ValueError("an archive that does not end as torch.save and np.savez write it")
    size = end.unpack(tail[-end.size :])[5]
    if tail[wide_end.size :].startswith(b"PK\6\7"):  # one for large files, in front of it
        size = wide_end.unpack(tail[: wide_end.size])[8]
    if size > MAX_HEADER_BYTES:
        raise ValueError(f"an archive with a list of members of {size} bytes")


def _check_members(archive, length):
    """Names that stay inside, sizes that fit, nothing compressed, encrypted or hidden."""
    members = archive.infolist()
    names = [member.filename for member in members]
    for name in names:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            raise UserError(f"holds the path {name[:100]!r}, which leaves its archive")
    if len(set(names)) != len(names):
        raise UserError("holds two members of the same name; download it again")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise UserError("a compressed archive, expected one as torch.save or np.savez writes")
    if any(member.flag_bits & 1 for member in members):
        raise UserError("an encrypted archive, expected one as torch.save or np.savez writes")
    if any(member.file_size != member.compress_size for member in members):
        raise UserError("holds a member of two sizes; download it again")
    if min((member.header_offset for member in members), default=0) != 0:
        raise UserError("something stands before its archive; download it again")
    if sum(member.file_size for member in members) > length:
        raise UserError("its members claim more bytes than the file has; download it again")


def _read_npz(archive):
    arrays = {}
    for name in archive.namelist():
        if not name.endswith(".npy"):
            raise UserError(f"holds {name[:100]!r}, expected a pickle of torch.save or .npy arrays")
        arrays[torch_tensors.checked_name(name.removesuffix(".npy"))] = _npy(archive.read(name))
    return arrays


def _npy(data):
    """The array of an .npy file, a view of its bytes.

    Magic number, version, length of the header; a dict as Python text; the numbers.
    """
    form = {b"\x93NUMPY\1\0": "<H", b"\x93NUMPY\2\0": "<I"}.get(data[:8])
    if form is None:
        raise ValueError("a member that is no array of numpy")
    start = 8 + struct.calcsize(form)
    end = start + struct.unpack(form, data[8:start])[0]
    if end - start > MAX_NPY_HEADER or end > len(data):
        raise ValueError(f"an array with a header of {end - start} bytes")
    header = ast.literal_eval(data[start:end].decode("ascii"))
    dtype, shape = header["descr"], header["shape"]
    if type(dtype) is not str or not re.fullmatch(r"[<>|][biuf][1248]", dtype):
        raise ValueError(f"an array of {dtype!r:.50}, expected numbers")
    _check_shape(shape)
    if math.prod(shape) * np.dtype(dtype).itemsize != len(data) - end:
        raise ValueError(f"an array of shape {shape} in {len(data) - end} bytes")
    values = np.frombuffer(data, dtype, offset=end)
    values = values.reshape(shape, order="F" if header["fortran_order"] else "C")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_shape(shape):
    lengths = shape if type(shape) in (list, tuple) else [None]
    limit = torch_tensors.MAX_AXES
    if len(lengths) > limit or any(type(n) is not int or not 0 <= n < 1 << 62 for n in lengths):
        raise ValueError("an array of an impossible shape")


# ----------------------------------------------------------------------------------- safetensors


def _read_safetensors(file):
    """Length of a JSON header, the header, the numbers."""
    (length,) = struct.unpack("<Q", file.read(8))
    size = _length(file) - 8 - length
    if length > MAX_HEADER_BYTES or size < 0:
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(file.read(length), object_pairs_hook=_without_twins)
    header.pop("__metadata__", None)
    spans = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        if type(first) is not int or type(last) is not int or not 0 <= first <= last <= size:
            raise ValueError(f"{shortened(name)} is outside of the file")
        spans[torch_tensors.checked_name(name)] = first, last
    end, arrays = 0, {}
    for name, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        if first != end:
            raise ValueError(f"{shortened(name)} does not begin where the one before it ends")
        end = last
        arrays[name] = _numbers(name, header[name], file.read(last - first))
    if end != size:
        raise ValueError("something behind the last array")
    return arrays


def _numbers(name, entry, data):
    dtype, shape = entry["dtype"], entry["shape"]
    if type(dtype) is not str or dtype not in _SAFETENSORS:
        dtype = str(dtype)[:20]
        raise ValueError(f"{shortened(name)} has the type {dtype!r}, which is not known here")
    values = torch_tensors.numbers(data, _SAFETENSORS[dtype])
    _check_shape(shape)
    return values.reshape(shape)


def _without_twins(pairs):
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a header with two entries of the same name")
    return entries
