"""NVIDIA's StyleGAN pickles: the tensors and arguments of their networks, and nothing run."""

import os
import pickle

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.pretrained import nvidia_pickle, pickle_machine, torch_tensors
from tests import torch_writer

RNG = np.random.default_rng(0)
STATE = {
    "mapping.fc0.weight": RNG.standard_normal((4, 3)).astype("f4"),
    "mapping.w_avg": RNG.standard_normal(4).astype("f4"),
    "synthesis.L0_36_4.weight": RNG.standard_normal((4, 4, 3, 3)).astype("f4"),
    "synthesis.L0_36_4.magnitude_ema": np.array(0.25, "f4"),
    "synthesis.L1_36_4.weight": np.asfortranarray(RNG.standard_normal((2, 5)).astype("f4")),
}
BUFFERS = ("w_avg", "magnitude_ema")
ARGUMENTS = {
    "z_dim": 3,
    "img_resolution": 36,
    "mapping_kwargs": torch_writer.EasyDict(num_layers=2),
    "first_stopband": 2**2.1,
    "use_radial_filters": False,
}


def networks(**changes):
    state = {**STATE, "synthesis.L0_36_4.up_filter": None}
    return {
        "G": torch_writer.nvidia_module({}),
        "D": torch_writer.nvidia_module({"b4.out.weight": np.ones((1, 2), "f4")}, (), "D"),
        "G_ema": torch_writer.nvidia_module(state, BUFFERS, **ARGUMENTS),
        "augment_pipe": None,
        "training_set_kwargs": torch_writer.EasyDict(class_name="x.Y", resolution=36),
        **changes,
    }


def written(path, tree, protocol=4):
    path.write_bytes(torch_writer.nvidia_pickle(tree, protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_tensors_and_arguments(tmp_path, protocol):
    path = written(tmp_path / "a.pkl", networks(), protocol)
    network = nvidia_pickle.read(path)
    assert network.class_name == "Generator"
    assert network.arguments == ARGUMENTS
    assert type(network.arguments["mapping_kwargs"]) is dict
    assert network.state_dict.keys() == STATE.keys()
    for name, expected in STATE.items():
        np.testing.assert_array_equal(network.state_dict[name], expected)
        assert network.state_dict[name].dtype == np.float32
    other = nvidia_pickle.read(path, "D")
    assert other.class_name == "D"
    np.testing.assert_array_equal(other.state_dict["b4.out.weight"], np.ones((1, 2)))


def test_the_stand_ins_pickle_under_the_public_names(tmp_path):
    """What is tested is what public files hold: the names, and the code that would be run."""
    data = torch_writer.nvidia_pickle(networks(), 3)
    for name in (
        *(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", b"cdnnlib.util\nEasyDict\n"),
        *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch.storage\n_load_from_bytes\n"),
        *(b"ctorch._utils\n_rebuild_parameter\n", b"ccollections\nOrderedDict\n"),
        *(b"cnumpy._core.multiarray\n_reconstruct\n", b"raise SystemExit"),
    ):
        assert name in data, name


def refusal(path, data=None):
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as info:
        nvidia_pickle.read(path)
    message = str(info.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


@pytest.mark.parametrize("protocol", [3, 4])
def test_nothing_is_executed(tmp_path, protocol):
    evil = torch_writer.Call(os.system, f"mkdir {tmp_path / 'ran'}")
    places = [
        {"G_ema": evil},
        networks(D=evil),
        networks(G_ema=torch_writer.nvidia_module(STATE, BUFFERS, z_dim=evil)),
    ]
    for tree in places:
        message = refusal(written(tmp_path / "a.pkl", tree, protocol))
        assert "holds the object 'posix.system', expected tensors only" in message
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(evil, protocol))  # it is armed
    assert (tmp_path / "ran").exists()


def test_storages_within_are_read_as_strictly(tmp_path):
    evil = torch_writer.Call(os.system, f"mkdir {tmp_path / 'ran'}")
    storage = torch_writer.legacy_storage(np.ones(3, "f4"))
    start = b"".join(pickle.dumps(v, 2) for v in (torch_writer.MAGIC, 1001, {}))
    cases = {
        start + pickle.dumps(evil, 2): "holds the object 'posix.system'",
        storage[:-1]: "a storage that claims 3 numbers",
        storage + b"x": "something behind the last storage",
        storage.replace(b"K\x03N", b"K\x04N"): "a storage that claims 3 numbers",
        storage.replace(b"FloatStorage", b"Float8Storage"): "holds the object",
        start + pickle.dumps(1, 2) + pickle.dumps([], 2): "a storage that is something else",
        b"PK\3\4": "a storage that is no file of torch.save",
    }
    for data, reason in cases.items():
        tensor = torch_writer.Call(
            torch_writer._TENSOR, torch_writer.Call(torch_writer._STORAGE, data), 0, (3,), (1,)
        )
        message = refusal(written(tmp_path / "a.pkl", {"G_ema": tensor}))
        assert reason in message, data
    assert not (tmp_path / "ran").exists()


def record(**changes):
    call = torch_writer.nvidia_module({"w": np.ones(2, "f4")})
    (found,) = call.call[1]
    return torch_writer.Call(torch_writer.RECONSTRUCT, {**found, **changes})


def of_groups(**groups):
    state = {"_parameters": {}, "_buffers": {}, "_modules": {}, "_init_kwargs": {}, **groups}
    return record(state=state)


def twice():
    part = record()
    return of_groups(_modules={"a": part, "b": part})


def tower():
    part = record()
    for _ in range(20):
        part = of_groups(_modules={"a": part, "b": part})
    return part


def long_names():
    """Each of a length that one may have, together too long."""
    part = record()
    for _ in range(10):
        part = of_groups(_modules={"\U0001f600" * 30: part})
    return part


def many_tensors():
    tensor = torch_writer.nvidia_tensor(np.ones(1, "f4"))
    return of_groups(_parameters={f"p{i}": tensor for i in range(20000)})


def many_arguments():
    value = [1] * 10
    for _ in range(9):
        value = [value] * 10
    return of_groups(_init_kwargs={"a": value})


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (record(version=5), "version 5 of NVIDIA's format, expected 'class', 6"),
        (record(type="function"), "holds 'function'"),
        (record(state=[]), "a module without class name and state"),
        (record(class_name="a\nb"), "the name 'a\\nb'..., which no network has"),
        (torch_writer.Call(torch_writer.RECONSTRUCT), "cannot be read"),
        (torch_writer.Call(torch_writer.RECONSTRUCT, 1), "a module without class name"),
        (of_groups(_modules=[]), "a module whose _modules are no dict"),
        (of_groups(_modules={"a": 1}), "a int for a part"),
        (of_groups(_parameters={"a": 1}), "a int for the tensor"),
        (of_groups(_init_args=(1,)), "made with arguments that have no names"),
        (of_groups(_init_kwargs={"a": record()}), "an argument that is a _Module"),
        (many_arguments(), "over 1000 arguments"),
        (twice(), "twice"),
        (tower(), "twice"),
        (long_names(), "which no network has"),
        (of_groups(_modules={"\U0001f600" * 1000: record()}), "which no network has"),
        (many_tensors(), "over 16384 tensors"),
        (of_groups(_parameters={"a\x1b[2J": torch_writer.nvidia_tensor(np.ones(1))}), "the name"),
        (1, "holds the networks none, expected one named G_ema"),
    ],
)
def test_impossible_networks(tmp_path, module, reason):
    assert reason in refusal(written(tmp_path / "a.pkl", {"G_ema": module}))


def test_parts_nested_without_end(tmp_path):
    def text(value):
        return pickle.dumps(value, 3)[2:-1]

    fields = {"type": "class", "version": 6, "module_src": "", "class_name": "A"}
    start = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}"
    start += b"".join(text(key) + text(value) + b"s" for key, value in fields.items())
    start += text("state") + b"}" + text("_modules") + b"}" + text("a")
    data = b"\x80\3}" + text("G_ema") + start * 2000 + b"N" + b"sss\x85R" * 2000 + b"s."
    assert "nested too deeply" in refusal(tmp_path / "a.pkl", data.replace(b"q\0", b""))


def test_storages_share_the_opcodes_of_their_file(tmp_path, monkeypatch):
    """Each of them, and each of its pickles, has fewer than a file may have."""
    storage, start = torch_writer.legacy_storage(np.ones(1, "f4")), torch_tensors.LEGACY_START
    tensors = {}
    for i in range(10):
        padded = storage.replace(start, start + b"\x80\2" * (900 + i))
        found = torch_writer.Call(torch_writer._STORAGE, padded)
        tensors[f"p{i}"] = torch_writer.Call(torch_writer._TENSOR, found, 0, (1,), (1,))
    path = written(tmp_path / "a.pkl", {"G_ema": of_groups(_parameters=tensors)})
    assert nvidia_pickle.read(path).state_dict.keys() == tensors.keys()
    monkeypatch.setattr(pickle_machine, "MAX_OPCODES", 5000)
    assert "pickles of over 5000 opcodes" in refusal(path)


def test_networks_of_tensorflow(tmp_path):
    pickled = b"\x80\3cdnnlib.tflib.network\nNetwork\n)\x81."
    assert "holds a network of TensorFlow, expected those of PyTorch; convert it" in refusal(
        tmp_path / "a.pkl", pickled
    )


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "a.pkl"
    assert "expected one named G_ema" in refusal(path, torch_writer.nvidia_pickle([1]))
    assert "holds the networks G, D, expected" in refusal(
        written(path, {"G": record(), "D": record()})
    )
    for data in (b"", b"PK\3\4", b"<html>", b"\x89HDF", b"\x80\x06."):
        assert "expected a pickle of stylegan2-ada-pytorch or stylegan3" in refusal(path, data)
    whole = torch_writer.nvidia_pickle(networks())
    assert "something behind the end of its pickle" in refusal(path, whole + whole)
    for share in (0.001, 0.3, 0.9, 0.9999):
        assert "cannot be read" in refusal(path, whole[: int(len(whole) * share)])
    assert "is no file" in refusal(tmp_path)
