"""Every network with public weights takes a state dict of the public names and shapes."""

import importlib
import re

import jax
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.pretrained import conversion, kinds
from tests import golden_files, torch_writer

# Kind -> (golden file, its table of shapes, what the names in the public file begin with).
TABLES = {
    "avct": (
        ("avct_audio2kp", "state", "ph2kp."),
        ("avct_audio2kp", "state_kp", "kp_detector."),
        ("fom_vox_full", "state_gen", "generator."),
    ),
    "arcface": (("psp_arcface_irse50_112", "state", ""),),
    "avct_pose": (("avct_audio2pose", "state", ""),),
    "first_order": (
        ("fom_vox_full", "state_kp", "kp_detector."),
        ("fom_vox_full", "state_gen", "generator."),
    ),
    "iresnet": (("arcface_iresnet100", "state", ""),),
    "lpips": (("lpips_vgg", None, ""),),
    "pirenderer": (("pirender_full", "state", ""),),
    "psp": (("psp_gradual_irse50_n16", "state", "encoder."),),
    "resnet50_3dmm": (("resnet50_3dmm", "state", ""),),
    "styletalk": (("styletalk_full", "state", ""),),
    "syncnet": (("syncnet_python_lse", "state", ""),),
    "vgg19": (("vgg19_features", "state", ""),),
    "wav2lip_syncnet": (("wav2lip_syncnet_color", "state", ""),),
}
# Counters, constants that the networks compute themselves, layers without effect.
UNUSED = re.compile(
    r".*(num_batches_tracked|\bdown\.weight|pos_table|down_pose\.weight|res\d\.(conv|norm)1\.[\w.]+)|"
    r"features\.3[0-4]\.\w+|lins\..*|scaling_layer\..*"
)


def zeros(name):
    """Zeros of the public shapes, which take no memory."""
    state = {}
    for golden, table, prefix in TABLES[name]:
        meta = golden_files.load(golden)[1]
        table = meta[table]["tensors_[shape,dtype,sum]"] if table else meta["state"]
        for n, (shape, *_) in table.items():
            state[prefix + n] = np.broadcast_to(np.float32(0), shape)
    if name == "psp":
        state["latent_avg"] = np.zeros(512, np.float32)
    return state


def configured(kind, state):
    """The values of a model as the command sets them."""
    model = kind.fields()
    if kind.stage:
        model = importlib.import_module(f"configs.{kind.stage}").stage_config("paper").model
    kind.configure(model, state, {})
    return model


@pytest.mark.parametrize("name", TABLES)
def test_takes_the_public_names_and_shapes_and_no_others(name):
    kind, state = kinds.KINDS[name], zeros(name)
    networks, unused = conversion.convert(kind, state, configured(kind, state))
    assert networks.keys() - {"generator"} == kind.parts.keys() - {"generator"}
    assert {leaf.dtype for leaf in jax.tree.leaves(networks)} == {np.dtype("float32")}
    for left in unused:
        assert UNUSED.fullmatch(left), left
    for part in kind.parts.values():
        prefix = "encoder." if name == "psp" else part.prefix
        extra = {**state, f"{prefix}extra.weight": np.zeros(1)}
        with pytest.raises(UserError, match=r"1 unexpected \('extra\.weight'\)"):
            conversion.convert(kind, extra, configured(kind, extra))


def narrow(array):
    return np.broadcast_to(np.float32(0), [s // 32 if s >= 64 else s for s in array.shape])


@pytest.mark.parametrize("name", TABLES)
def test_no_array_may_be_missing(name):
    """The last of those whose names differ in numbers only: blocks end at the first missing one."""
    kind, state = kinds.KINDS[name], {n: narrow(a) for n, a in zeros(name).items()}
    state.pop("latent_avg", None)  # not of the encoder; see tests.test_convert
    needed = {re.sub(r"\d+", "0", n): n for n in state if not UNUSED.fullmatch(n)}
    for gone in needed.values():
        part = next(part for part in kind.parts.values() if part.has(gone))
        rest = {n.removeprefix(part.prefix): a for n, a in state.items() if part.has(n)}
        del rest[gone.removeprefix(part.prefix)]
        configured(kind, {n: a for n, a in state.items() if n != gone})
        with pytest.raises(UserError, match=r" missing \(| unexpected \(|three groups"):
            part.from_state_dict(rest)


def test_every_kind_is_tested():
    # StyleGANs are converted in tests.test_convert; the names of the others are in their own tests.
    elsewhere = {"stylegan2", "stylegan3", "inception", "first_order_discriminator"}
    assert kinds.KINDS.keys() - elsewhere == TABLES.keys()


def test_fields_are_those_of_the_public_networks():
    fields = kinds.KINDS["first_order"].fields()
    assert fields["keypoint_detector"]["num_keypoints"] == 10
    assert fields["generator"]["width"] == 64 and "dtype" not in fields["generator"]


def test_files_with_several_state_dicts(tmp_path):
    path = tmp_path / "vox-cpk.pth.tar"
    one = np.ones(2, np.float32)
    tree = {"kp_detector": {"a.weight": one}, "generator": {"a.weight": 2 * one}, "epoch": 100}
    torch_writer.write_zip(path, {**tree, "discriminator": {"b": one}})
    state, _, _ = conversion.read(kinds.KINDS["first_order"], [path])
    assert {name: array.tolist() for name, array in state.items()} == {
        "kp_detector.a.weight": [1, 1],
        "generator.a.weight": [2, 2],
    }
    with pytest.raises(UserError, match=r"vox-cpk.*found discriminator, .*"):
        conversion.read(kinds.KINDS["avct"], [path])
    with pytest.raises(UserError, match="expected a state dict named 'net_recon'"):
        conversion.read(kinds.KINDS["resnet50_3dmm"], [path])
