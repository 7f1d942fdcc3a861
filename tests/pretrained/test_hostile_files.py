"""Files made to harm: each is refused by one line, in seconds, in the memory of its size."""

import io
import json
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.pretrained import basel, nvidia_pickle, pickle_machine, torch_file
from tests import torch_writer


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def write(route, path, pickled):
    """A file in which a pickle stands where that route reads one."""
    if route == "zip":
        torch_writer.write_archive(path, pickled)
    elif route == "legacy":
        start = b"".join(pickle.dumps(v, 2) for v in (torch_writer.MAGIC, 1001, {}))
        path.write_bytes(start + pickled + pickle.dumps([], 2))
    else:
        path.write_bytes(pickled)


def refused(path, read=torch_file.read, memory=None):
    """The line that says why; `memory` bounds what was asked for, in bytes."""
    before = sorted(path.parent.iterdir())
    start = time.perf_counter()
    if memory is not None:
        tracemalloc.start()
    try:
        with pytest.raises(UserError) as info:
            read(path)
        if memory is not None:
            assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < 10
    assert sorted(path.parent.iterdir()) == before
    message = str(info.value)
    assert message.startswith(str(path))
    assert message.isprintable() and len(message) < 600
    return message


def frame(length, body):
    return b"\x95" + struct.pack("<Q", length) + body


def named(module, name):
    return text(module) + text(name) + b"\x93"


EMPTY = named("collections", "OrderedDict")
COLLIDING = b"".join(
    b"\x8a\x10" + (i * (2**61 - 1)).to_bytes(16, "little") + b"N" for i in range(1, 1000)
)

PAIRS = b"".join(b"J" + struct.pack("<i", i) + b"N\x86" for i in range(999))
ITEMS = b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(999))

PICKLES = {
    # What names or calls an object.
    "global": (b"cposix\nsystem\n.", "holds the object 'posix.system'"),
    "stack global": (named("builtins", "eval") + b".", "holds the object 'builtins.eval'"),
    "dotted": (named("torch._utils", "_rebuild_tensor_v2.__globals__") + b".", "holds the object"),
    "dotted module": (named("torch", "_utils._rebuild_tensor_v2") + b".", "holds the object"),
    "numbers for a name": (b"K\1K\2\x93.", "takes a int for a str"),
    "line break in a name": (named("os\nb", "system") + b".", r"'os\nb.system'"),
    "getattr": (named("builtins", "getattr") + b".", "holds the object"),
    "import": (b"cbuiltins\n__import__\n" + text("os") + b"\x85R.", "holds the object"),
    "reconstructor": (b"ccopyreg\n_reconstructor\n.", "holds the object"),
    "another's name": (b"ctorch.storage\n_load_from_bytes2\n.", "holds the object"),
    "inst": (b"(iposix\nsystem\n.", "the opcode INST"),
    "obj": (b"(No.", "the opcode OBJ"),
    "reduce of text": (text("a") + b")R.", "takes a str for a named"),
    "reduce of a dict": (b"})R.", "takes a dict for a named"),
    "reduce without tuple": (EMPTY + b"]R.", "takes a list for a tuple"),
    "reduce of a result": (EMPTY + b")R)R.", "takes a dict for a named"),
    "newobj": (b"N)\x81.", "takes a NoneType for a named"),
    "newobj_ex": (EMPTY + b")}\x92.", "the opcode NEWOBJ_EX"),
    "call of what is ignored": (named("argparse", "Namespace") + b")R)R.", "takes a Ignored for a"),
    "state of what is ignored": (
        named("argparse", "Namespace") + b")\x81}" + text("a") + b"cposix\nsystem\nsb.",
        "holds the object 'posix.system'",
    ),
    "parameter without tensor": (
        b"}" + text("a") + named("torch.nn.parameter", "Parameter") + b")\x81s.",
        "a parameter that is no tensor|holds the networks none",
    ),
    "parameter of text": (
        b"}" + text("a") + named("torch.nn.parameter", "Parameter") + text("b") + b"\x85Rs.",
        "a parameter that is no tensor|holds the networks none",
    ),
    "build of a list": (b"]}b.", "sets attributes of a list"),
    "build of a name": (EMPTY + b"}b.", "sets attributes of a Named"),
    "build of slots": (EMPTY + b"N}\x86b.", "sets attributes of a Named"),
    "ext1": (b"\x82\1.", "the opcode EXT1"),
    "ext2": (b"\x83\1\0.", "the opcode EXT2"),
    "ext4": (b"\x84\1\0\0\0.", "the opcode EXT4"),
    "persistent text": (b"Pabc\n.", "the opcode PERSID"),
    "persistent of text": (text("a") + b"Q.", "takes a str for a tuple|persistent id"),
    "persistent of one": (b"N\x85Q.", "a reference of 1 parts|persistent id"),
    "persistent module": (b"(NNNNNtQ.", "no storage|persistent id"),
    "buffers": (b"\x97.", "the opcode NEXT_BUFFER"),
    # Opcodes that do not fit together.
    "append to a dict": (b"}Na.", "takes a dict for a list"),
    "appends to a dict": (b"}(Ne.", "takes a dict for a list"),
    "additems to text": (text("a") + b"(N\x90.", "takes a str for a list"),
    "setitem of a list": (b"]NNs.", "takes a list for a dict"),
    "setitems of a name": (EMPTY + b"(NNu.", "takes a Named for a dict"),
    "a key without value": (b"}(Nu.", "no value"),
    "a list for a key": (b"}]Ns.", "a key that is a list"),
    "tuples for a key": (b"})" + b"\x85" * 99999 + b"Ns.", "a key that is a tuple"),
    "keys that collide": (b"}(" + COLLIDING + b"u.", "or too large"),
    "no items": (EMPTY + text("ab") + b"\x85R.", "a dict of the items of a str"),
    "items of a dict": (EMPTY + b"}" + text("ab") + b"Ns\x85R.", "a dict of the items of a dict"),
    "items of text": (EMPTY + b"]" + text("ab") + b"a\x85R.", "a dict of items that are no pairs"),
    "a number and its text": (b"}(K\1N" + text("1") + b"Nu.", "a dict with the key '1' twice"),
    "a long key twice": (b"}(" + (text("a" * 999) + b"N") * 2 + b"u.", "a...' twice"),
    "nothing to take": (b"R.", "an empty stack"),
    "too few": (b"N\x87.", "an empty stack"),
    "no mark": (b"t.", "a mark where there is none"),
    "no value": (b".", "no single value"),
    "two values": (b"NN.", "no single value"),
    "an open mark": (b"(N.", "no single value"),
    "pop": (b"NN0.", "the opcode POP"),
    "unknown opcode": (b"\xff.", "cannot be read"),
    "no memo": (b"h\5.", "refers to a value that it does not have"),
    "memo far away": (b"}r\xff\xff\xff\x7f.", "impossible memo entries"),
    # Lengths.
    "long bytes": (b"\x8e" + b"\xff" * 7 + b"\x3f.", "cannot be read"),
    "long text": (b"\x8d" + b"\xff" * 7 + b"\x3f.", "cannot be read"),
    "4 GB": (b"X\xff\xff\xff\xff.", "cannot be read"),
    "2 GB": (b"B\xff\xff\xff\x7f.", "cannot be read"),
    "negative": (b"\x8b\xff\xff\xff\xff.", "cannot be read"),
    "long integer": (b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b".", "integer"),
    "digits": (b"I" + b"9" * 99999 + b"\n.", "cannot be read"),
    "long digits": (b"L" + b"9" * 99999 + b"L\n.", "cannot be read"),
    "float digits": (b"F" + b"9" * 99999 + b"\n.", "the opcode FLOAT"),
    "text without end": (b"c" + b"a" * 99999, "cannot be read"),
    "frame beyond": (frame(1 << 62, b"}."), "longer than the pickle"),
    "frame longer": (frame(3, b"}."), "longer than the pickle|behind|keys"),
    "frame within": (frame(11, frame(2, b"}.")), "a frame inside of a frame"),
    "frame inside of text": (frame(3, text("abc") + b"."), "ends inside of a value"),
    # Bombs.
    "lists within": (b"]" * 99999 + b"a" * 99998 + b".", "holds a list|holds the networks none"),
    "tuples within": (b")" + b"\x85" * 99999 + b".", "holds a tuple|holds the networks none"),
    "dicts within": (
        (b"}" + text("a")) * 5000 + b"N" + b"s" * 5000 + b".",
        "nested too deeply|holds the networks none",
    ),
    "marks": (b"(" * 99999 + b".", "no single value"),
    "opcodes": (b"N" * (pickle_machine.MAX_OPCODES + 10) + b".", "pickles of over"),
    "the same list often": (
        b"](" + PAIRS + b"eq\0" + (EMPTY + b"h\0\x85R") * 999 + b".",
        "again and again",
    ),
    "the same tuple often": (
        b"(" + PAIRS + b"t\x85q\0" + (EMPTY + b"h\0R") * 999 + b".",
        "again and again",
    ),
    "the same dict often": (
        b"}(" + ITEMS + b"u\x85q\0" + (named("argparse", "Namespace") + b"h\0R") * 999 + b".",
        "again and again",
    ),
    "the same arguments often": (
        b"(" + b"N" * 9999 + b"tq\0" + (EMPTY + b"h\0R") * 999 + b".",
        "again and again|cannot be read",
    ),
}


@pytest.mark.parametrize("route", ["zip", "legacy", "nvidia"])
@pytest.mark.parametrize("case", PICKLES)
def test_pickles(tmp_path, route, case):
    pickled, reason = PICKLES[case]
    path = tmp_path / "a.pkl"
    write(route, path, b"\x80\4" + pickled)
    message = refused(path, nvidia_pickle.read if route == "nvidia" else torch_file.read)
    assert any(part in message for part in reason.split("|")), message


def test_lengths_are_not_believed(tmp_path):
    """Nothing is asked for that the file does not have."""
    for case in ("long bytes", "long text", "4 GB", "2 GB", "frame beyond"):
        for route, read in (("zip", torch_file.read), ("nvidia", nvidia_pickle.read)):
            write(route, tmp_path / "a.pkl", b"\x80\4" + PICKLES[case][0])
            refused(tmp_path / "a.pkl", read, memory=1 << 20)


def test_two_pickles_in_a_row(tmp_path):
    pickled = b"\x80\4}."
    write("zip", tmp_path / "a.pt", pickled + pickled)
    assert "something behind the end of its pickle" in refused(tmp_path / "a.pt")
    write("legacy", tmp_path / "b.pt", pickled + pickled)
    assert "keys of storages that are no list" in refused(tmp_path / "b.pt")
    write("nvidia", tmp_path / "c.pkl", pickled + pickled)
    assert "something behind the end of its" in refused(tmp_path / "c.pkl", nvidia_pickle.read)


def test_no_other_reader_takes_what_one_has_refused(tmp_path):
    torch_writer.write_archive(tmp_path / "a.safetensors", b"\x80\4cposix\nsystem\n.")
    assert "holds the object" in refused(tmp_path / "a.safetensors")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\4cposix\nsystem\n.")
        archive.writestr("x.npy", npy(np.ones(2)))
    assert "holds the object" in refused(tmp_path / "a.npz")


# ------------------------------------------------------------------------------------- archives


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


@pytest.fixture
def whole(tmp_path):
    """A good archive, which each test breaks in another way."""
    path = tmp_path / "a.pt"
    torch_writer.write_zip(path, {"x": np.arange(100, dtype="f4")})
    assert torch_file.read(path)["x"].shape == (100,)
    return path


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x", "..", "archive/../archive/data/1"]
)
def test_members_that_leave_the_archive(whole, name):
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(name, b"x")
    assert "which leaves its archive" in refused(whole)


def test_members_twice(whole):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("archive/data/0", bytes(400))
    assert "two members of the same name" in refused(whole)


def test_two_pickles_in_an_archive(whole):
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\2}.")
    assert "holds 2 pickles" in refused(whole)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_bombs(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("x.npy", npy(np.zeros(1 << 22, "u1")))
    assert "a compressed archive" in refused(tmp_path / "a.npz", memory=1 << 20)


def patched(path, signature, offset, form, value):
    """Overwrites a number in the structure with that signature that belongs to the numbers."""
    data, member = bytearray(path.read_bytes()), b"archive/data/0"
    starts = {b"PK\1\2": data.rindex(member) - 46, b"PK\3\4": data.index(member) - 30}
    start = starts.get(signature, data.rindex(signature))
    assert data[start:].startswith(signature)
    struct.pack_into(form, data, start + offset, value)
    path.write_bytes(data)


def test_bad_checksum(whole):
    data = whole.read_bytes()
    assert data.count(np.arange(100, dtype="f4").tobytes()) == 1
    broken = data.replace(np.float32(99).tobytes(), np.float32(98).tobytes())
    whole.write_bytes(broken)
    assert "Bad CRC-32" in refused(whole)


@pytest.mark.parametrize(
    ("signature", "offset", "form", "value"),
    [
        (b"PK\1\2", 24, "<I", 1 << 31),  # sizes of a member
        (b"PK\1\2", 20, "<I", 1 << 31),
        (b"PK\1\2", 24, "<I", 1),
        (b"PK\1\2", 42, "<I", 1 << 30),  # where it begins
        (b"PK\1\2", 8, "<H", 1),  # encrypted
        (b"PK\1\2", 28, "<H", 60000),  # length of its name
        (b"PK\5\6", 12, "<I", 1 << 30),  # size of the list of members
        (b"PK\5\6", 16, "<I", 1 << 30),  # where it begins
        (b"PK\5\6", 20, "<H", 5),  # a comment
        (b"PK\3\4", 26, "<H", 60000),  # length of the name, beside the data
    ],
)
def test_archives_that_lie(whole, signature, offset, form, value):
    patched(whole, signature, offset, form, value)
    refused(whole, memory=1 << 20)


def test_archives_within_the_wrong_place(whole):
    whole.write_bytes(whole.read_bytes() + whole.read_bytes())
    assert "something stands before its archive" in refused(whole)
    whole.write_bytes(b"PK" + whole.read_bytes()[2:] + b"comment")
    assert "does not end as" in refused(whole)


# -------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    ("offset", "size", "stride", "reason"),
    [
        (1 << 62, (2,), (1,), "a tensor of shape"),
        (0, (1 << 62, 1 << 62), (0, 0), "a tensor of shape"),
        (0, (4,), (1 << 62,), "a tensor of shape"),
        (0, (1,) * 33, (1,) * 33, "do not go together"),
        (0, (1, 1), (1,), "do not go together"),
        (0, "a", (1,), "do not go together"),
        (0, (True,), (1,), "no whole numbers"),
        (0, (2.0,), (1,), "no whole numbers"),
        (None, (2,), (1,), "no whole numbers"),
    ],
)
def test_views_that_leave_their_storage(tmp_path, offset, size, stride, reason):
    tree = {"x": torch_writer.Stored(np.zeros(16, "f4"), offset, size, stride)}
    torch_writer.write_zip(tmp_path / "a.pt", tree)
    torch_writer.write_legacy(tmp_path / "b.pt", tree)
    for name in ("a.pt", "b.pt"):
        assert reason in refused(tmp_path / name)


def test_views_of_the_same_numbers_without_end(tmp_path):
    pickled, storages = torch_writer.dict_pickle({f"x{i}": np.zeros(4096, "f4") for i in range(64)})
    for i in range(64):
        pickled = pickled.replace(text(str(i)) + text("cpu"), text("0") + text("cpu"))
    torch_writer.write_archive(tmp_path / "a.pt", pickled, storages[:1])
    assert "tensors of 1048576 bytes in storages of 16384" in refused(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (text("0") + text("cpu"), text("7") + text("cpu"), "cannot be read"),
        (text("0") + text("cpu"), text("../0") + text("cpu"), "cannot be read"),
        (text("0") + text("cpu"), b"K\0" + text("cpu"), "no storage"),
        (text("storage"), text("module0"), "no storage"),
        (b"K\x64Nt", b"K\x63Nt", "announced with 396"),
        (b"K\x64Nt", b"\x8a\7" + b"\xff" * 6 + b"\x7fNt", "a storage of"),
        (b"K\x64Nt", b"K\x64Kt", "cannot be read"),
        (b"FloatStorage", b"DoubleStorage", "announced with 800"),
        (b"FloatStorage", b"ComplexFloatStorage", "holds the object"),
        (text("x"), text("x\x1b[2J"), "which no network has"),
        (text("x"), text("x" * 2000), "which no network has"),
    ],
)
def test_storages_that_are_not_there_or_of_another_size(tmp_path, old, new, reason):
    pickled, storages = torch_writer.dict_pickle({"x": np.ones(100, "f4")}, legacy=True)
    assert old in pickled
    torch_writer.write_archive(tmp_path / "a.pt", pickled.replace(old, new), storages)
    assert reason in refused(tmp_path / "a.pt")


# ------------------------------------------------------------------------------- npz, safetensors


def header(text):
    start = f"{text}".encode() + b" " * 8 + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(start)) + start


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"", "cannot be read"),
        (b"\x93NUMPY\3\0" + bytes(9), "no array of numpy"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "expected numbers"),
        (header("{'descr': '<U4', 'fortran_order': False, 'shape': (0,)}"), "expected numbers"),
        (header("{'descr': [('a', 'O')], 'fortran_order': False, 'shape': (0,)}"), "numbers"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 40,)}"), "cannot be"),
        (header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 40},)}}"), "in 0 by"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "impossible shape"),
        (header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(0,) * 40}}}"), "impossibl"),
        (header("__import__('os').system('true')"), "cannot be read"),
        (header("(" * 9000), "cannot be read"),
        (header("1" * 9000), "cannot be read"),
        (header("-" * 3000 + "1"), "cannot be read"),
        (header("{'descr': '<f4', 'fortran_order': False}"), "cannot be read"),
        (header("{'descr': ',' * 9, 'fortran_order': False, 'shape': ()}"), "cannot be read"),
    ],
)
def test_arrays_of_numpy(tmp_path, member, reason):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", member)
    assert reason in refused(tmp_path / "a.npz", memory=1 << 22)


def test_other_members_of_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], object))
    assert "expected numbers" in refused(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("code.py", b"")
    assert "expected a pickle of torch.save or .npy arrays" in refused(tmp_path / "b.npz")


def entry(first, last, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"a": entry(0, 8), "b": entry(4, 12)}, "does not begin where"),
        ({"a": entry(0, 8), "b": entry(12, 20)}, "does not begin where"),
        ({"a": entry(0, 8)}, "something behind"),
        ({"a": entry(0, 8), "b": entry(8, 24)}, "outside of the file"),
        ({"a": entry(0, 8), "b": entry(8, 1 << 70)}, "outside of the file"),
        ({"a": entry(-8, 0)}, "outside of the file"),
        ({"a": entry(0.0, 20)}, "outside of the file"),
        ({"a": entry(0, True)}, "outside of the file"),
        ({"a": entry(0, 20, [1 << 62, 1 << 62])}, "cannot be read"),
        ({"a": entry(0, 20, [-1])}, "impossible shape"),
        ({"a": entry(0, 20, [6])}, "cannot be read"),
        ({"a": entry(0, 20, [1] * 40)}, "impossible shape"),
        ({"a": entry(0, 20, [5], "F8_E4M3")}, "'F8_E4M3', which is not known here"),
        ({"a": entry(0, 20, [5], ["F32"])}, "not known here"),
        ({"a": 1}, "cannot be read"),
        ([], "found something else, expected a file of torch.save, .safetensors or .npz"),
        ({"a\n": entry(0, 20, [5])}, "which no network has"),
        (b'{"a":' + b"[" * 99999, "nested too deeply"),
        (b'{"a":' + b"9" * 9999 + b"}", "cannot be read"),
        (b'{"a":{},"a":{}}', "two entries of the same name"),
        (b"{\xff\xfe", "cannot be read"),
        ({"a" * 999: entry(0, 20, [5])}, "which no network has"),
        ({"a" * 200: entry(0, 24)}, f"({'a' * 57}... is outside of the file)"),
    ],
)
def test_safetensors(tmp_path, head, reason):
    data = head if isinstance(head, bytes) else json.dumps(head).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(data)) + data + bytes(20))
    assert reason in refused(path, memory=1 << 23)


def test_headers_of_safetensors_that_lie(tmp_path):
    for length in (1 << 20, 1 << 40, (1 << 64) - 1):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
        assert f"a header of {length} bytes" in refused(tmp_path / "a.safetensors", memory=1 << 20)


def test_safetensors_that_begin_like_an_archive(tmp_path):
    """Its first two bytes, the lower ones of the length of its header, may be any."""
    head = json.dumps({"a": entry(0, 8)}).encode()
    length = int.from_bytes(b"PK", "little")
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + head.ljust(length) + np.ones(2, "f4").tobytes())
    np.testing.assert_array_equal(torch_file.read(path)["a"], [1, 1])


# ------------------------------------------------------------------------------------ other files


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"\n <!DOCTYPE html><html>Quota exceeded</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of git-lfs"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x1f\x8b\x08", "a compressed file"),
        (b"weights", "something else"),
    ],
)
def test_what_was_not_downloaded(tmp_path, data, words):
    for name in ("a.pth", "a.safetensors", "a.pkl"):
        (tmp_path / name).write_bytes(data)
        assert f": found {words}" in refused(tmp_path / name)
    assert f": found {words}" in refused(tmp_path / "a.pkl", nvidia_pickle.read)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_programs_of_torchscript(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", compression) as archive:
        archive.writestr("a/data.pkl", b"\x80\2c__torch__.torch.nn\nModule\n)\x81.")
        archive.writestr("a/code/__torch__/torch/nn.py", "class Module(Module): pass")
        archive.writestr("a/constants.pkl", b"\x80\2).")
    assert "found a TorchScript archive, a program, expected tensors" in refused(tmp_path / "a.pt")


@pytest.mark.parametrize("read", [torch_file.read, nvidia_pickle.read])
def test_what_is_no_file(tmp_path, read):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        assert "is no file; give the path of downloaded weights" in refused(tmp_path / name, read)
    assert "no such file" in refused(tmp_path / "nothing", read)


def matrix(name=b"meanshape", kind=6, shape=(1, 3), form=9, numbers=bytes(24), flags=0):
    """A matrix of a MATLAB file: flags and class, shape, name, numbers."""
    parts = (6, struct.pack("<II", kind | flags, 0)), (5, struct.pack("<2i", *shape))
    data = b""
    for tag, part in (*parts, (1, name), (form, numbers)):
        data += struct.pack("<II", tag, len(part)) + part + bytes(-len(part) % 8)
    return struct.pack("<II", 14, len(data)) + data


def compressed(data):
    data = zlib.compress(data)
    return struct.pack("<II", 15, len(data)) + data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        # 480 MB, so it says; zeros of which it says nothing.
        (compressed(struct.pack("<II", 14, 480_000_000) + bytes(1 << 23)), "over 268435456 b"),
        (compressed(struct.pack("<II", 14, 0) + bytes(1 << 23)), "not as long as it says"),
        (compressed(matrix() + bytes(1 << 23)), "not as long as it says"),
        (compressed(matrix())[:-1], "breaks off"),
        (compressed(matrix())[:-3] + b"abc", "incorrect data check"),
        (compressed(b"\x0e\0"), "cannot be read"),
        (matrix()[:-8], "breaks off"),
        (matrix(shape=(1 << 30, 1 << 30)), "has 3 numbers, announced with"),
        (matrix(shape=(-1, -3)), "is no matrix of real numbers"),
        (matrix(kind=1, shape=(1 << 30, 1)), "is no matrix of real numbers"),
        (matrix(kind=5), "is no matrix of real numbers"),
        (matrix(flags=1 << 11), "is no matrix of real numbers"),
        (matrix(form=16), "is no matrix of real numbers"),
        (matrix() + matrix(), "two arrays of the name 'meanshape'"),
        (struct.pack("<II", 1, 0), "an element of the type 1"),
        (matrix(shape=(1, 300_000), form=2, numbers=bytes(300_000)), "expected finite numbers"),
    ],
)
def test_arrays_of_matlab(tmp_path, data, reason):
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    (tmp_path / "a.mat").write_bytes(header + data)
    assert reason in refused(tmp_path / "a.mat", basel.load, memory=1 << 22)


def test_files_of_matlab_4_and_of_hdf5(tmp_path):
    four = struct.pack("<5i", 0, 1 << 30, 1 << 30, 0, 10) + b"meanshape\0"
    for data in (four, four + bytes(200), b"\x89HDF\r\n" + bytes(200), b""):
        (tmp_path / "a.mat").write_bytes(data)
        assert "no file of MATLAB 5 to 7" in refused(tmp_path / "a.mat", basel.load)


@pytest.mark.parametrize(
    ("read", "form"),
    [(torch_file.read, "zip"), (torch_file.read, "legacy"), (nvidia_pickle.read, "nvidia")],
)
def test_another_byte_in_every_place(tmp_path, read, form):
    """Either refused or read; nothing else, whichever byte is another one."""
    path, tree, refusals = tmp_path / "a.pt", {"x": np.ones(2, "f4")}, 0
    if form == "nvidia":
        module = torch_writer.nvidia_module(tree)
        path.write_bytes(torch_writer.nvidia_pickle({"G_ema": module}))
    else:
        getattr(torch_writer, f"write_{form}")(path, tree)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.permutation(len(data))[:300]:
        broken = bytearray(data)
        broken[place] = rng.integers(256)
        path.write_bytes(broken)
        try:
            read(path)
        except UserError as error:
            refusals += 1
            assert str(error).isprintable()
    assert refusals > 100
