"""The command: from files as PyTorch writes them to the numbers of the reference networks."""

import hashlib
import json

import jax
import numpy as np
import pytest

from configs import arcface as arcface_config
from configs import perceptual as perceptual_config
from jaxtalk import convert
from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.pretrained import kinds
from jaxtalk.training import checkpoint, recipe
from tests import golden_files, torch_writer, weight_rule


def run(output, kind, *inputs):
    flags = [f"--input{i or ''}={path}" for i, path in zip((0, 2), inputs)]
    convert.main([f"--kind={kind}", f"--output={output}", *flags])
    return json.loads((output / "report.json").read_text())


def lpips_states(arrays, meta):
    """Golden LPIPS as the two public files: (torchvision's VGG16, linear layers)."""
    shapes = {n: shape for n, (shape, *_) in meta["state"].items() if n.startswith("net.")}
    rule = meta["weight_rule"]
    trunk = weight_rule.weights(shapes, rule["seed"], rule["gain"])
    trunk = {"features." + n.split(".", 2)[2]: a for n, a in trunk.items()}
    trunk["classifier.0.weight"] = np.zeros((2, 2), np.float32)
    return trunk, {
        f"lin{i}.model.1.weight": arrays[f"lin{i}"].reshape(1, -1, 1, 1) for i in range(5)
    }


@pytest.fixture(scope="module")
def lpips(tmp_path_factory):
    """(folder with the two files and the result `out`, the report)."""
    folder = tmp_path_factory.mktemp("lpips")
    trunk, linear = lpips_states(*golden_files.load("lpips_vgg"))
    torch_writer.write_legacy(folder / "vgg16.pth", trunk)
    torch_writer.write_zip(folder / "vgg.pth", linear)
    return folder, run(folder / "out", "lpips", folder / "vgg16.pth", folder / "vgg.pth")


def test_lpips_gives_the_distances_of_the_reference(lpips):
    folder, report = lpips
    arrays, meta = golden_files.load("lpips_vgg")
    variables, _ = checkpoint.load_weights(folder / "out")
    a, b = (golden_files.images(arrays[key][:1]) for key in ("a_u8", "b_u8"))
    distance = jax.jit(LPIPS().apply)(variables["lpips"], a, b)
    golden_files.assert_close(distance, arrays["dist"][:1], meta["f32_vs_f64"])
    assert report == {
        "kind": "lpips",
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("vgg16.pth", "vgg.pth")
        },
        "num_tensors_read": 2 * 13 + 5,
        "unused": ["classifier.0.weight"],
        "missing": [],
        "num_parameters": 14_714_688 + 1472,  # VGG16 without its classifier; 64 + 128 + 256 + 1024
    }


def test_the_recipe_takes_the_result(lpips, tmp_path):
    folder, _ = lpips
    config = perceptual_config.get_config("paper")
    config.pretrained.perceptual = str(folder / "out")
    (job,) = recipe.plan(config, tmp_path)
    assert job.weights == folder / "out"


def test_arcface_gives_the_embeddings_of_the_reference(tmp_path):
    """As the public file, with scale and offset behind the last layer; here they do nothing."""
    arrays, meta = golden_files.load("psp_arcface_irse50_112")
    state = weight_rule.from_meta(meta)
    state["output_layer.4.weight"] = np.ones(512, np.float32)
    state["output_layer.4.bias"] = np.zeros(512, np.float32)
    torch_writer.write_zip(tmp_path / "model_ir_se50.pth", state)
    report = run(tmp_path / "out", "arcface", tmp_path / "model_ir_se50.pth")
    assert all(name.endswith("num_batches_tracked") for name in report["unused"])
    variables, config = checkpoint.load_weights(tmp_path / "out")
    assert config.arcface.model == arcface_config.stage_config("paper").model
    crops = face_crop(golden_files.images(arrays["img_u8_nhwc"][:1]), 112)
    embedding = jax.jit(IRSE50().apply)(variables["arcface"], crops)
    golden_files.assert_close(embedding, arrays["embedding"][:1], meta["f32_vs_f64"])


def failure(*arguments):
    with pytest.raises(SystemExit) as info:
        convert.main([str(argument) for argument in arguments])
    return str(info.value)


def test_faults_are_one_line(lpips, tmp_path):
    folder, _ = lpips
    out = tmp_path / "out"
    wrong = failure("--kind=arcface", f"--input={folder / 'vgg.pth'}", f"--output={out}")
    assert wrong.startswith("error: state dict: 'input_layer.1.running_mean' is missing")
    assert "found 5 arrays (lin0.model.1.weight, " in wrong
    assert "expected model_ir_se50.pth" in wrong
    (tmp_path / "cut.pth").write_bytes((folder / "vgg16.pth").read_bytes()[:-1000])
    cut = failure("--kind=lpips", f"--input={tmp_path / 'cut.pth'}", f"--output={out}")
    assert "cut.pth: cannot be read" in cut
    file = folder / "vgg.pth"
    taken = failure(
        "--kind=lpips", f"--input={folder / 'vgg16.pth'}", f"--input2={file}", f"--output={file}"
    )
    assert "vgg.pth" in taken
    for message in (wrong, cut, taken):
        assert "\n" not in message
    assert not out.exists()


def test_unexpected_names_and_other_widths_are_refused():
    shapes = [(8, 3), (8, 8), (16, 8), (16, 16), (32, 16), *[(32, 32)] * 2]
    shapes += [(64, 32), *[(64, 64)] * 5]
    indices = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    state = {
        f"lin{i}.model.1.weight": np.ones((1, 8 * m, 1, 1)) for i, m in enumerate((1, 2, 4, 8, 8))
    }
    for index, shape in zip(indices, shapes):
        state[f"features.{index}.weight"] = np.zeros((*shape, 3, 3))
        state[f"features.{index}.bias"] = np.zeros(shape[0])
    lpips, model = kinds.KINDS["lpips"], perceptual_config.stage_config("demo").model
    _, unused = kinds.convert(lpips, state, model)
    assert not unused
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'extra\.bias'"):
        kinds.convert(lpips, {**state, "extra.bias": np.zeros(1)}, model)
    paper = perceptual_config.stage_config("paper").model
    with pytest.raises(UserError, match=r"found \(8,\), expected \(64,\); is it another size"):
        kinds.convert(lpips, state, paper)


def test_list_and_what_is_left_out(capsys):
    convert.main(["--list"])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [*kinds.KINDS]
    assert failure("--kind=lpips") == "2"
    assert "give --kind, --input and --output, or --list" in capsys.readouterr().err
