"""Files of others: what they hold, and what of it is refused."""

import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.pretrained import torch_file, torch_tensors
from tests import torch_writer

RNG = np.random.default_rng(0)
TREE = {
    "epoch": 7,
    "state_dict": {
        "single": RNG.standard_normal((3, 4)).astype("f4"),
        "double": RNG.standard_normal((2, 1, 2)),
        "half": RNG.standard_normal(5).astype("f2"),
        "long": np.arange(6).reshape(2, 3),
        "scalar": np.array(3, "i8"),
        "empty": np.zeros((0, 2), "f4"),
    },
}


def write_safetensors(path, arrays, shift=0):
    names = {"float32": "F32", "int64": "I64", "uint16": "BF16"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        span = [len(data) + shift, len(data) + shift + array.nbytes]
        dtype = names[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": span}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("write", [torch_writer.write_zip, torch_writer.write_legacy])
def test_both_forms_of_torch_save(tmp_path, write):
    write(tmp_path / "a.pth", TREE)
    assert list(torch_file.read(tmp_path / "a.pth")) == ["state_dict"]
    found = torch_file.read_state_dict(tmp_path / "a.pth")
    assert found.keys() == TREE["state_dict"].keys()
    for name, expected in TREE["state_dict"].items():
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


def test_the_legacy_start_is_that_of_the_pickled_magic_number():
    assert pickle.dumps(torch_writer.MAGIC, 2) == torch_tensors.LEGACY_START


def test_parameters_and_tensors_of_old_versions(tmp_path):
    array = np.arange(6, dtype="f4").reshape(2, 3)
    pickled, storages = torch_writer.dict_pickle({"x": array})
    name, rest = b"ctorch._utils\n_rebuild_tensor_v2\n", b"\x89ccollections\nOrderedDict\n)RtR"
    parameter = b"ctorch._utils\n_rebuild_parameter\n("
    oldest = b"ctorch.nn.parameter\nParameter\n"  # the tensor is an argument, or in the state
    forms = [
        pickled.replace(name, parameter + name).replace(rest, rest + rest),
        pickled.replace(name, b"ctorch._utils\n_rebuild_tensor\n").replace(rest, b"tR"),
        pickled.replace(name, oldest + name).replace(rest, rest + b"\x85R\x88\x89N\x87b"),
        pickled.replace(name, oldest + b")\x81(" + name).replace(rest, rest + b"NN\x88\x89tb"),
    ]
    for form in forms:
        assert form != pickled
        torch_writer.write_archive(tmp_path / "a.pt", form, storages)
        np.testing.assert_array_equal(torch_file.read(tmp_path / "a.pt")["x"], array)


@pytest.mark.parametrize("write", [torch_writer.write_zip, torch_writer.write_legacy])
def test_optimizers_that_number_their_tensors_by_address(tmp_path, write):
    """As PyTorch before 1.5 does, in the public checkpoints that were trained with it."""
    addresses = {140234567890123: {"step": 3}, (1 << 63) - 1: {"step": 4}, -(1 << 62): {}}
    optimizer = {"state": addresses, "param_groups": ({"params": (140234567890123,)},)}
    array = np.ones(3, "f4")
    write(tmp_path / "a.pth", {"state_dict": {"x": array}, "optimizer": optimizer})
    np.testing.assert_array_equal(torch_file.read_state_dict(tmp_path / "a.pth")["x"], array)


def test_safetensors_and_npz(tmp_path):
    arrays = {name: TREE["state_dict"][name] for name in ("single", "long")}
    write_safetensors(tmp_path / "a.safetensors", arrays)
    np.savez(tmp_path / "a.npz", **arrays)
    for name in ("a.safetensors", "a.npz"):
        found = torch_file.read(tmp_path / name)
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[n], arrays[n]) for n in arrays)
    write_safetensors(tmp_path / "a.safetensors", {"x": np.array([0x3FC0], "u2")})
    assert torch_file.read(tmp_path / "a.safetensors")["x"] == 1.5


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_nothing_is_executed(tmp_path, protocol, form):
    pickled = pickle.dumps({"a": Evil(os.system, f"mkdir {tmp_path / 'ran'}")}, protocol)
    if form == "zip":
        torch_writer.write_archive(tmp_path / "a.pt", pickled)
    else:
        torch_writer.write_legacy(tmp_path / "a.pt", {})
        start = b"".join(pickle.dumps(v, 2) for v in (torch_writer.MAGIC, 1001, {}))
        (tmp_path / "a.pt").write_bytes(start + pickled)
    with pytest.raises(UserError, match=r"a\.pt: holds the object 'posix\.system'"):
        torch_file.read(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickled)  # it is armed
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["posix.system", "torch._utils._rebuild_qtensor", "torch.FloatTensor", "torch.load"]
)
def test_other_objects_are_refused_by_name(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    pickled = f"c{module}\n{attribute}\n.".encode()
    torch_writer.write_archive(tmp_path / "a.pt", pickled)
    with pytest.raises(UserError, match=f"holds the object '{name}'"):
        torch_file.read(tmp_path / "a.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "npz"])
def test_truncated_files(tmp_path, form, share):
    arrays = {"a": np.ones((40, 40), "f4"), "b": np.ones((7, 3), "f4")}
    path = tmp_path / f"a.{form}"
    if form == "safetensors":
        write_safetensors(path, arrays)
    elif form == "npz":
        np.savez(path, **arrays)
    else:
        getattr(torch_writer, f"write_{form}")(path, arrays)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=r"cannot be read|expected a file of torch\.save"):
        torch_file.read(path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5, 5), (5, 1)),
        (8, (4, 4), (4, 1)),
        (0, (1 << 40,), (0,)),  # a number repeated without end
        (-1, (2,), (1,)),
        (3, (4,), (-1,)),
        (0, (4, 4), (4,)),
        (0, ("a",), (1,)),
    ],
)
def test_tensors_that_leave_their_storage(tmp_path, offset, size, stride):
    tensor = torch_writer.Stored(np.zeros(16, "f4"), offset, size, stride)
    torch_writer.write_zip(tmp_path / "a.pt", {"x": tensor})
    with pytest.raises(UserError, match=r"cannot be read \(a tensor of shape"):
        torch_file.read(tmp_path / "a.pt")


def test_what_claims_more_than_it_has(tmp_path):
    path = tmp_path / "a.pt"
    zeros = {"x": np.zeros(1 << 16, "f4")}
    torch_writer.write_zip(path, zeros, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="a compressed archive"):
        torch_file.read(path)
    torch_writer.write_archive(path, b"\x80\x02}r\xff\xff\xff\x7f.")  # memo entry 2**31
    with pytest.raises(UserError, match="impossible memo entries"):
        torch_file.read(path)
    torch_writer.write_archive(path, b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.")  # 2**63 bytes
    with pytest.raises(UserError, match="cannot be read"):
        torch_file.read(path)
    write_safetensors(tmp_path / "a.safetensors", zeros, shift=8)
    with pytest.raises(UserError, match="x is outside of the file"):
        torch_file.read(tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    with pytest.raises(UserError, match="cannot be read"):
        torch_file.read(tmp_path / "a.npz")


def test_dicts_within_themselves_or_doubled_often(tmp_path):
    own = {}
    own["self"] = own
    torch_writer.write_archive(tmp_path / "a.pt", pickle.dumps(own, 2))
    assert list(torch_file.read(tmp_path / "a.pt")) == ["self"]
    tower = {}
    for _ in range(60):
        tower = {"a": tower, "b": tower}
    torch_writer.write_archive(tmp_path / "a.pt", pickle.dumps(tower, 2))
    assert list(torch_file.read(tmp_path / "a.pt")) == ["a", "b"]


def test_what_is_no_dict_or_no_file(tmp_path):
    torch_writer.write_archive(tmp_path / "a.pt", pickle.dumps([1], 2))
    with pytest.raises(UserError, match="holds a list, expected a dict of tensors"):
        torch_file.read(tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"b\.pt: no such file"):
        torch_file.read(tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"c\.pt: found a web page .*, expected a file of"):
        torch_file.read(tmp_path / "c.pt")
