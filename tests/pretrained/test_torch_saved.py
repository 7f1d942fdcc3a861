"""From files that PyTorch has written, by the command, to the weights that were in them."""

import hashlib
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import psp as psp_config
from configs import styletalker as styletalker_config
from jaxtalk import convert
from jaxtalk.core.errors import UserError
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.nn.wav2lip_syncnet import Wav2LipSyncNet
from jaxtalk.pretrained import (
    conversion,
    iresnet,
    kinds,
    parity,
    psp,
    stylegan3,
    syncnet_cz,
    torch_file,
    wav2lip_syncnet,
)
from jaxtalk.pretrained import lpips as lpips_names
from jaxtalk.talker import Talker
from jaxtalk.training import checkpoint, recipe
from tests import golden_files, tiny_talker, torch_files

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="needs PyTorch: bash launch/venv.sh torch"
)
ROOT = pathlib.Path(__file__).parents[2]
ARGUMENTS = {
    **{"z_dim": 8, "c_dim": 0, "w_dim": torch_files.W_DIM, "img_resolution": 32},
    **{"img_channels": 3, "mapping_kwargs": {"num_layers": 2}, "num_layers": 6},
    **{"channel_base": 256, "channel_max": 8, "margin_size": 4, "num_fp16_res": 4},
}


def generator_shapes():
    """The public names and shapes of the generator with these arguments."""
    z = np.zeros((1, ARGUMENTS["z_dim"]), np.float32)
    module = Generator(**stylegan3.fields(ARGUMENTS))
    variables = jax.eval_shape(module.init, jax.random.key(0), z)
    params, moving = variables["params"], variables["moving"]
    shapes = {"mapping.w_avg": moving["w_avg"].shape}

    def dense(name, layer):
        shapes[f"{name}.weight"] = layer["kernel"].shape[::-1]
        shapes[f"{name}.bias"] = layer["bias"].shape

    for name, layer in params["mapping_network"].items():
        dense(f"mapping.fc{name[-1]}", layer)
    dense("synthesis.input.affine", params["fourier_input"]["affine"])
    shapes["synthesis.input.weight"] = params["fourier_input"]["kernel"].shape[::-1]
    for ours, public in {
        "frequencies": "freqs",
        "phases": "phases",
        "transform": "transform",
    }.items():
        shapes[f"synthesis.input.{public}"] = moving["fourier_input"][ours].shape
    for name in params:
        if name.startswith("layers_"):
            public = f"synthesis.L{name.removeprefix('layers_')}_32_8"
            dense(f"{public}.affine", params[name]["affine"])
            *size, channels_in, channels_out = params[name]["kernel"].shape
            shapes[f"{public}.weight"] = (channels_out, channels_in, *size)
            shapes[f"{public}.bias"] = (channels_out,)
            shapes[f"{public}.magnitude_ema"] = ()
    return shapes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of `tests.torch_files`."""
    folder = tmp_path_factory.mktemp("torch")
    described = {"shapes": generator_shapes(), "arguments": ARGUMENTS}
    (folder / "generator.json").write_text(json.dumps(described))
    command = [sys.executable, "-m", "tests.torch_files", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["zip", "legacy"])
def saved(folder, request):
    """The folder with the files in one of the forms of torch.save."""
    return folder / request.param


def run(output, kind, *inputs):
    """(networks, config, report) that the command makes."""
    flags = [f"--input{i or ''}={path}" for i, path in zip((0, 2), inputs)]
    convert.main([f"--kind={kind}", f"--output={output}", *flags])
    report = json.loads((output / "report.json").read_text())
    digests = [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in inputs]
    assert report["inputs"] == [{"file": name, "sha256": digest} for name, digest in digests]
    assert report["kind"] == kind
    return *checkpoint.load_weights(output), report


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, found, expected)))


def failure(*arguments):
    with pytest.raises(SystemExit) as info:
        convert.main([str(argument) for argument in arguments])
    message = str(info.value)
    assert message.startswith("error: ") and message.isprintable()
    return message


# ------------------------------------------------------------------------------------- networks


def test_the_lip_sync_expert(saved, tmp_path):
    networks, config, report = run(
        tmp_path / "out", "wav2lip_syncnet", saved / "lipsync_expert.pth"
    )
    state = torch_files.reference("wav2lip_syncnet_color")
    assert_same(networks["wav2lip_syncnet"], wav2lip_syncnet.from_state_dict(state))
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert [*report["unused"]] == sorted(counters)
    assert [*report["read"]] == sorted(state.keys() - set(counters))
    assert report["read"]["face_encoder.0.conv_block.0.weight"] == "float32 [32, 15, 7, 7]"
    assert report["missing"] == []

    arrays, meta = golden_files.load("wav2lip_syncnet_color")
    faces = parity.unit_images(arrays["faces_u8_b_t_h_w_c"][:1])
    mel = arrays["mel"][:1, 0].swapaxes(1, 2)
    module = Wav2LipSyncNet(**config.model.wav2lip_syncnet)
    face, audio = jax.jit(module.apply)(networks["wav2lip_syncnet"], faces, mel)
    golden_files.assert_close(face, arrays["face_emb"][:1], meta["f32_vs_f64"]["face"])
    golden_files.assert_close(audio, arrays["audio_emb"][:1], meta["f32_vs_f64"]["audio"])


def test_syncnet(saved, tmp_path):
    networks, _, report = run(tmp_path / "out", "syncnet", saved / "syncnet_v2.model")
    state = torch_files.reference("syncnet_python_lse")
    assert_same(networks["syncnet"], syncnet_cz.from_state_dict(state))
    trained = [n for n in state if not n.endswith(torch_files.BUFFERS)]
    assert report["num_parameters"] == sum(state[name].size for name in trained)


def test_lpips(saved, tmp_path):
    """Of two files, of parameters and in other strides; a recipe takes the result."""
    networks, config, report = run(
        tmp_path / "out", "lpips", saved / "vgg16.pth", saved / "vgg.pth"
    )
    trunk, linear = torch_files.lpips()
    assert_same(networks["lpips"], lpips_names.from_state_dict({**trunk, **linear}))
    assert len(report["read"]) == 2 * 13 + 5
    assert report["unused"] == {"classifier.0.weight": "float32 [2, 2]"}
    # VGG16 without its classifier; 64 + 128 + 256 + 512 + 512 in LPIPS
    assert report["num_parameters"] == 14_714_688 + 1472
    arrays, meta = golden_files.load("lpips_vgg")
    a, b = (golden_files.images(arrays[key][:1]) for key in ("a_u8", "b_u8"))
    distance = jax.jit(LPIPS(width=config.perceptual.model.width).apply)(networks["lpips"], a, b)
    golden_files.assert_close(distance, arrays["dist"][:1], meta["f32_vs_f64"])
    config.pretrained.perceptual = str(tmp_path / "out")
    (job,) = recipe.plan(config, tmp_path / "run")
    assert job.weights == tmp_path / "out"


def test_a_network_that_was_left_in_dataparallel(saved, tmp_path):
    networks, _, _ = run(tmp_path / "out", "iresnet", saved / "backbone.pth")
    assert_same(networks["iresnet"], iresnet.from_state_dict(torch_files.iresnet()))


def test_networks_beside_their_optimizers(saved):
    state, _, _ = conversion.read(kinds.KINDS["first_order"], [saved / "vox-cpk.pth.tar"])
    leaves = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    names = [f"{part}.{n}" for part in ("kp_detector", "generator") for n in leaves]
    assert {n for n in state if not n.endswith("num_batches_tracked")} == set(names)


@pytest.mark.parametrize("name", ["psp.pt", "psp_ffhq_encode.pt"])
def test_psp_with_options_of_all_kinds(saved, tmp_path, name):
    networks, config, report = run(tmp_path / "out", "psp", saved / name)
    assert_same(networks["encoder"], psp.from_state_dict(torch_files.encoder()))
    np.testing.assert_array_equal(networks["generator"]["moving"]["w_avg"], torch_files.MEAN_CODE)
    assert config.psp.model.encoder.num_styles == 8 and config.psp.model.image_size == 32
    assert "decoder.input.input" in report["unused"]
    assert report["missing"] == ["generator"]


# ----------------------------------------------------------------------- StyleGAN3 and its encoder


@pytest.fixture(scope="module")
def pair(folder):
    """Converted directories: (the generator's, the one of encoder and generator)."""
    run(folder / "w/stylegan3", "stylegan3", folder / "stylegan3.pkl")
    run(folder / "w/psp", "psp", folder / "zip/psp.pt", folder / "stylegan3.pkl")
    return folder / "w/stylegan3", folder / "w/psp"


def test_the_generator_of_nvidias_pickle(folder, pair):
    networks, config = checkpoint.load_weights(pair[0])
    state, _ = torch_files.generator(folder)
    expected = stylegan3.from_state_dict(state)
    assert_same(networks, {"generator": expected})
    assert config.stylegan3.model.generator.num_layers == 6
    networks, _ = checkpoint.load_weights(pair[1])
    expected["moving"]["w_avg"] = torch_files.MEAN_CODE
    assert_same(networks["generator"], expected)
    assert_same(networks["encoder"], psp.from_state_dict(torch_files.encoder()))


def test_configs_take_them(folder, pair, tmp_path):
    """The generator alone for the stage psp, both for StyleTalker."""
    models = [checkpoint.load_config(path) for path in pair]
    before_psp = psp_config.get_config("paper")
    before_psp.pretrained.stylegan3 = str(pair[0])
    before_psp.stylegan3.model = models[0].stylegan3.model
    jobs = {job.name: job for job in recipe.plan(before_psp, tmp_path)}
    assert jobs["stylegan3"].weights == pair[0] and jobs["psp"].weights is None

    config = styletalker_config.get_config("paper")
    config.pretrained.psp = str(pair[1])
    config.psp.model = models[1].psp.model
    jobs = {job.name: job for job in recipe.plan(config, tmp_path)}
    assert jobs["psp"].weights == pair[1] and "stylegan3" not in jobs

    run(tmp_path / "alone", "psp", folder / "zip/psp.pt")
    config.pretrained.psp = str(tmp_path / "alone")
    with pytest.raises(UserError, match=r"model\.generator\.channel_base: found 'nothing'"):
        recipe.plan(config, tmp_path)

    config.pretrained.psp = str(pair[0])
    with pytest.raises(UserError, match=r"\.psp: found weights of something else in .* \(generat"):
        recipe.plan(config, tmp_path)
    before_psp.pretrained.stylegan3 = str(pair[1])
    reason = r"\(encoder, generator\), expected those of the stage stylegan3 \(generator\); name"
    with pytest.raises(UserError, match=reason):
        recipe.plan(before_psp, tmp_path)


def test_a_generator_of_other_styles_than_its_encoders(folder, pair):
    model = checkpoint.load_config(pair[1]).psp.model
    model.encoder.num_styles = 18
    state, _ = torch_files.generator(folder)
    with pytest.raises(UserError, match=r"a generator of 8 styles of 16, expected 18 of 16"):
        kinds.KINDS["psp"].others(state, model)


def test_talker_takes_them(pair, tmp_path):
    networks, converted = checkpoint.load_weights(pair[1])
    config = tiny_talker.recipe()
    model = config.styletalker.model
    model.w_dim, model.encoder = torch_files.W_DIM, converted.psp.model.encoder
    model.generator = converted.psp.model.generator
    variables = {**tiny_talker.variables(config), **networks}
    checkpoint.save_weights(tmp_path, variables, config)
    portrait = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    speech = np.random.default_rng(1).integers(-9000, 9000, 5 * 640).astype(np.int16)
    frames = np.concatenate(list(Talker.load(tmp_path).generate(portrait, speech)))
    assert frames.shape == (5, 32, 32, 3) and frames.std() > 1


# ---------------------------------------------------------------------------- tensors, refusals


def test_every_kind_of_tensor(folder, saved):
    found = torch_file.read(saved / "zoo.pt")
    with np.load(folder / "zoo.npz") as expected:
        assert found.keys() == set(expected.files)
        for name in expected.files:
            assert found[name].dtype == expected[name].dtype, name
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("module.pt", "holds the object 'torch.nn.modules.container.Sequential'"),
        ("complex.pt", "holds the object 'torch.ComplexFloatStorage'"),
        ("list.pt", "holds a list, expected a dict of tensors"),
    ],
)
def test_what_is_no_state_dict(saved, tmp_path, name, reason):
    arguments = ("--kind=syncnet", f"--input={saved / name}", f"--output={tmp_path / 'out'}")
    assert reason in failure(*arguments)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match=re.escape(reason)):
        convert.main([*arguments, "--debug"])


def test_other_networks_and_broken_files(folder, saved, tmp_path):
    output = f"--output={tmp_path / 'out'}"
    other = failure("--kind=syncnet", f"--input={saved / 'backbone.pth'}", output)
    assert " missing ('netcnnlip.0.weight', " in other and "expected syncnet_v2.model" in other
    other = failure("--kind=styletalk", f"--input={saved / 'psp.pt'}", output)
    assert "expected a state dict named 'model_state_dict'" in other
    other = failure("--kind=psp", f"--input={folder / 'stylegan3.pkl'}", output)
    assert "expected psp_ffhq_encode.pt" in other
    data = (saved / "psp.pt").read_bytes()
    for size in (0, 1, 300, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.pt").write_bytes(data[:size])
        cut = failure("--kind=psp", f"--input={tmp_path / 'cut.pt'}", output)
        assert "cannot be read" in cut or "expected a file of torch.save" in cut
    assert not (tmp_path / "out").exists()


def test_the_sizes_of_large_archives_are_not_believed(folder, tmp_path):
    """Those in the record for large archives, which PyTorch always writes."""
    data = (folder / "zip/zoo.pt").read_bytes()
    record = data.index(b"PK\6\6")
    for offset, value in ((40, 1 << 40), (40, 1 << 23), (48, 1 << 40)):
        start = record + offset
        broken = data[:start] + value.to_bytes(8, "little") + data[start + 8 :]
        (tmp_path / "a.pt").write_bytes(broken)
        with pytest.raises(UserError, match=r"a\.pt: "):
            torch_file.read(tmp_path / "a.pt")
