"""The command: from files as PyTorch writes them to the numbers of the reference networks."""

import json
import re

import jax
import numpy as np
import pytest

from configs import arcface as arcface_config
from configs import perceptual as perceptual_config
from configs import stylegan3 as stylegan3_config
from jaxtalk import convert
from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.stylegan2_generator import Generator as StyleGAN2Generator
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.pretrained import (
    conversion,
    kinds,
    parity,
    psp,
    stylegan2_generator,
    stylegan3,
    weight_rule,
)
from jaxtalk.pretraining.psp import make_encode
from jaxtalk.training import checkpoint
from tests import golden_files, torch_files, torch_writer


def run(output, kind, *inputs):
    flags = [f"--input{i or ''}={path}" for i, path in zip((0, 2), inputs)]
    convert.main([f"--kind={kind}", f"--output={output}", *flags])
    return json.loads((output / "report.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With the two files of LPIPS."""
    folder = tmp_path_factory.mktemp("lpips")
    trunk, linear = torch_files.lpips()
    torch_writer.write_legacy(folder / "vgg16.pth", trunk)
    torch_writer.write_zip(folder / "vgg.pth", linear)
    return folder


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


STYLEGAN3_BUFFERS = (
    *("freqs", "phases", "transform", "w_avg", "magnitude_ema"),
    *("up_filter", "down_filter"),
)


def write_generator(path, name, **changes):
    """The generator of a golden file as NVIDIA's pickle; returns its state dict.

    Args:
      changes: arguments that it says it was made with, in place of its own.
    """
    arrays, meta = golden_files.load(name)
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    arguments = {**meta["kwargs"], **changes}
    arguments["mapping_kwargs"] = torch_writer.EasyDict(arguments["mapping_kwargs"])
    last = next(key.split(".")[1] for key in state if key.startswith("synthesis.L14_"))
    filters = {f"synthesis.{last}.{key}": None for key in ("up_filter", "down_filter")}
    network = torch_writer.nvidia_module({**state, **filters}, STYLEGAN3_BUFFERS, **arguments)
    path.write_bytes(torch_writer.nvidia_pickle({"G": None, "D": None, "G_ema": network}))
    return state


@pytest.mark.parametrize(
    ("name", "changes", "fields"),
    [
        # As NVIDIA's train.py --fp32 makes it.
        (
            "sg3_t256_cb1024_cm16",
            {"conv_clamp": None, "num_fp16_res": 0},
            {"config": "t", "conv_clamp": None},
        ),
        (
            "sg3_r256_cb1024_cm16",
            {"num_fp16_res": 4},
            {"config": "r", "c_dim": 5, "conv_clamp": 1.5},
        ),
    ],
)
def test_stylegan3_brings_its_architecture(tmp_path, name, changes, fields):
    state = write_generator(tmp_path / "a.pkl", name, **changes)
    report = run(tmp_path / "out", "stylegan3", tmp_path / "a.pkl")
    networks, config = checkpoint.load_weights(tmp_path / "out")
    expected = stylegan3_config.generator_values("paper").to_dict()
    expected |= {"z_dim": 64, "w_dim": 64, "channel_base": 1024, "channel_max": 16, **fields}
    assert config.stylegan3.model.generator.to_dict() == expected
    assert config.stylegan3.model.discriminator.resolution == 256
    assert networks.keys() == {"generator"}
    same = jax.tree.map(np.array_equal, networks["generator"], stylegan3.from_state_dict(state))
    assert all(jax.tree.leaves(same))
    assert report["missing"] == []
    assert report["read"].keys() | report["unused"].keys() == state.keys()
    assert all(name.endswith(("up_filter", "down_filter")) for name in report["unused"])
    Generator(**config.stylegan3.model.generator)


def test_public_sizes_are_those_of_the_paper_preset():
    """So that stylegan3-t-ffhqu-256x256.pkl, made with these arguments, is taken as it is."""
    arguments = {
        **{"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": 256, "img_channels": 3},
        **{"mapping_kwargs": {"num_layers": 2}, "channel_base": 32768, "channel_max": 512},
        "magnitude_ema_beta": 0.9994456359721023,
    }
    config = stylegan3_config.get_config("paper")
    before = config.stylegan3.to_dict()
    kinds.KINDS["stylegan3"].configure(config.stylegan3.model, {}, arguments)
    assert config.stylegan3.to_dict() == before
    wide = {**arguments, "conv_kernel": 1, "use_radial_filters": True, "channel_base": 65536}
    wide |= {"img_resolution": 512, "channel_max": 1024}
    kinds.KINDS["stylegan3"].configure(config.stylegan3.model, {}, wide)
    changes = {"config": "r", "resolution": 512, "channel_base": 65536, "channel_max": 1024}
    before["model"]["generator"] |= changes
    before["model"]["discriminator"]["resolution"] = 512
    assert config.stylegan3.to_dict() == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"img_resolution": 1 << 40}, "img_resolution is 1099511627776, expected 16 to 2048"),
        ({"img_resolution": "256"}, "img_resolution is '256'"),
        ({"z_dim": 64.5}, "z_dim is 64.5, expected a whole number"),
        ({"conv_clamp": "256"}, "conv_clamp is '256', expected 1e-06 to 1000000.0"),
        ({"z_dim": None}, "z_dim is None, expected 1 to 2048"),
        ({"conv_clamp": float("nan")}, "conv_clamp is nan"),
        ({"conv_kernel": 1}, "neither configuration T nor R"),
        ({"num_critical": 3, "num_layers": 3}, "all of its 3 layers are critical"),
        ({"conv_kernel": [3]}, "neither configuration T nor R"),
        ({"mapping_kwargs": {"num_layers": 0}}, "mapping_kwargs.num_layers is 0, expected 1 to 32"),
        ({"mapping_kwargs": {"lr_multiplier": 1}}, "lr_multiplier is 1, expected 0.01"),
        ({"mapping_kwargs": {"freeze": 1}}, "made with 'mapping_kwargs.freeze', 1, which Style"),
        ({"mapping_kwargs": [1]}, "mapping_kwargs is [1], expected a dict"),
        ({"synthesis_kwargs": {}}, "made with 'synthesis_kwargs', {}, which StyleGAN3 does not"),
        ({"a" * 999: "b" * 999}, f"made with '{'a' * 57}...', '{'b' * 49}, which"),
        # What would take long to build.
        ({"num_layers": 64}, "num_layers is 64, expected 3 to 20"),
        ({"margin_size": 64}, "margin_size is 64, expected 0 to 20"),
        ({"lrelu_upsampling": 4}, "lrelu_upsampling is 4, expected 2 to 2"),
        (
            {"num_layers": 4, "first_stopband": 2, "last_stopband_rel": 2},
            "its 4 layers up-sample by 32, expected 4 at most",
        ),
    ],
)
def test_generators_that_are_not_ours(change, reason):
    with pytest.raises(UserError, match=re.escape(reason)):
        stylegan3.fields(change)


def test_generators_of_other_arrays_than_their_arguments_say():
    arrays, meta = golden_files.load("sg3_t256_cb1024_cm16")
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    kind, model = kinds.KINDS["stylegan3"], stylegan3_config.get_config("paper").stylegan3.model
    kind.configure(model, state, {**meta["kwargs"], "channel_max": 8})
    with pytest.raises(UserError, match=r"arrays are not as in the network: .* another size"):
        conversion.convert(kind, state, model)


def stylegan2_state(width):
    """A narrow generator for 16 pixels with random weights, under the public names."""
    mapping = {
        f"mapping.fc{i}.{leaf}": (8, 8)[: 1 + (leaf == "weight")]
        for i in range(2)
        for leaf in ("weight", "bias")
    }
    shapes = {**mapping, "mapping.w_avg": (8,), "synthesis.b4.const": (width, 4, 4)}

    def layer(name, channels, size, noise=None):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (
            (channels, width, size, size),
            (channels,),
        )
        shapes[f"{name}.affine.weight"], shapes[f"{name}.affine.bias"] = (width, 8), (width,)
        if noise:
            shapes[f"{name}.noise_strength"], shapes[f"{name}.noise_const"] = (), (noise, noise)
            shapes[f"{name}.resample_filter"] = (4, 4)

    for size in (4, 8, 16):
        for name in ("conv0", "conv1")[size == 4 :]:
            layer(f"synthesis.b{size}.{name}", width, 3, size)
        layer(f"synthesis.b{size}.torgb", 3, 1)
        shapes[f"synthesis.b{size}.resample_filter"] = (4, 4)
    return weight_rule.weights(shapes, 0)


# Of a network that legacy.py has converted from TensorFlow: ffhq.pkl and the other paper models.
MAPPING_OF_TENSORFLOW = {
    **{"num_layers": 2, "embed_features": None, "layer_features": None},
    **{"activation": "lrelu", "lr_multiplier": 0.01, "w_avg_beta": 0.995},
}
SYNTHESIS_OF_TENSORFLOW = {
    **{"channel_base": 1024, "channel_max": 6, "num_fp16_res": 0, "conv_clamp": None},
    **{"architecture": "skip", "resample_filter": [1, 3, 3, 1], "use_noise": True},
    "activation": "lrelu",
}
# As train.py makes them: of stylegan2-ada-pytorch, and of stylegan3.
SYNTHESIS_OF_ADA = {
    **{"channel_base": 1024, "channel_max": 6, "num_fp16_res": 4, "conv_clamp": 256},
    "fp16_channels_last": True,
}
SYNTHESIS = {"channel_base": 1024, "channel_max": 6, "fused_modconv_default": "inference_only"}


def stylegan2_arguments(mapping, synthesis, of_ada, group=dict):
    return {
        **{"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "img_channels": 3},
        "mapping_kwargs": group(mapping),
        **({"synthesis_kwargs": group(synthesis)} if of_ada else synthesis),
    }


@pytest.mark.parametrize("of_ada", [True, False])
@pytest.mark.parametrize("mapping", [{"num_layers": 2}, MAPPING_OF_TENSORFLOW])
@pytest.mark.parametrize("synthesis", [SYNTHESIS_OF_TENSORFLOW, SYNTHESIS_OF_ADA, SYNTHESIS])
def test_stylegan2_of_every_origin(mapping, synthesis, of_ada):
    found = stylegan2_generator.fields(stylegan2_arguments(mapping, synthesis, of_ada))
    assert found == {
        **{"resolution": 16, "image_channels": 3, "z_dim": 8, "c_dim": 0, "w_dim": 8},
        **{"mapping_layers": 2, "channel_base": 1024, "channel_max": 6},
        "conv_clamp": synthesis.get("conv_clamp", None if of_ada else 256),
        "w_avg_beta": mapping.get("w_avg_beta", 0.995 if of_ada else 0.998),
    }


@pytest.mark.parametrize(
    ("of_ada", "mapping", "synthesis", "clamp", "w_avg_beta"),
    [
        (True, MAPPING_OF_TENSORFLOW, SYNTHESIS_OF_TENSORFLOW, None, 0.995),
        (False, {"num_layers": 2}, SYNTHESIS, 256, 0.998),
    ],
)
def test_stylegan2_becomes_a_network_of_its_own(
    tmp_path, of_ada, mapping, synthesis, clamp, w_avg_beta
):
    """It is no stage's: the config names the network and its fields."""
    arguments = stylegan2_arguments(mapping, synthesis, of_ada, torch_writer.EasyDict)
    state = stylegan2_state(6)
    buffers = ("w_avg", "noise_const", "resample_filter")
    network = torch_writer.nvidia_module(state, buffers, **arguments)
    (tmp_path / "ffhq.pkl").write_bytes(torch_writer.nvidia_pickle({"G_ema": network}))
    report = run(tmp_path / "out", "stylegan2", tmp_path / "ffhq.pkl")
    assert all(name.endswith("resample_filter") for name in report["unused"])
    networks, config = checkpoint.load_weights(tmp_path / "out")
    assert config.network == "stylegan2" and config.model.generator.conv_clamp == clamp
    assert config.model.generator.w_avg_beta == w_avg_beta
    assert config.model.generator.mapping_layers == 2
    expected = stylegan2_generator.from_state_dict(state)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, networks["generator"], expected)))
    gen = StyleGAN2Generator(**config.model.generator)
    images = gen.apply(networks["generator"], np.ones((1, 8), np.float32), noise="const")
    assert images.shape == (1, 16, 16, 3) and np.isfinite(images).all()


def test_stylegan2_without_one_of_its_arrays():
    state = stylegan2_state(6)
    for name in state:
        if not name.endswith("resample_filter"):
            rest = {n: a for n, a in state.items() if n != name}
            with pytest.raises(UserError, match=r"missing|unexpected"):
                stylegan2_generator.from_state_dict(rest)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"img_resolution": 48}, "img_resolution is 48, expected a power of two"),
        ({"architecture": "resnet"}, "architecture is 'resnet', expected 'skip'"),
        ({"conv_clamp": -1}, "conv_clamp is -1"),
        ({"synthesis_kwargs": [1]}, "synthesis_kwargs is [1], expected a dict"),
        ({"synthesis_kwargs": {"use_noise": False}}, "use_noise is False, expected True"),
        ({"resample_filter": [1, 2, 1]}, "resample_filter is [1, 2, 1], expected [1, 3, 3, 1]"),
        ({"activation": "relu"}, "activation is 'relu', expected 'lrelu'"),
        ({"mapping_kwargs": {"layer_features": 256}}, "layer_features is 256, expected 512"),
        ({"mapping_kwargs": {"w_avg_beta": None}}, "w_avg_beta is None, expected 0 to 1"),
        ({"mapping_kwargs": [1], "synthesis_kwargs": {}}, "mapping_kwargs is [1], expected a dict"),
        ({"conv_kernel": 3}, "made with 'conv_kernel', 3, which StyleGAN2 does not have"),
    ],
)
def test_stylegan2_generators_that_are_not_ours(change, reason):
    with pytest.raises(UserError, match=re.escape(reason)):
        stylegan2_generator.fields(change)


def test_iresnet_brings_its_architecture(tmp_path, capsys):
    table = golden_files.load("arcface_iresnet50")[1]["state"]["tensors_[shape,dtype,sum]"]
    shapes = {n: [s // 16 if s >= 64 else s for s in shape] for n, (shape, *_) in table.items()}
    torch_writer.write_zip(tmp_path / "backbone.pth", weight_rule.weights(shapes, 0))
    report = run(tmp_path / "out", "iresnet", tmp_path / "backbone.pth")
    assert all(name.endswith("num_batches_tracked") for name in report["unused"])
    networks, config = checkpoint.load_weights(tmp_path / "out")
    fields = {"num_layers": 50, "width": 4, "embedding_dim": 32, "image_size": 112}
    assert config.to_dict() == {"network": "iresnet", "model": {"iresnet": fields}}
    assert networks.keys() == {"iresnet"}
    assert "pretrained" not in capsys.readouterr().out
    (tmp_path / "other.pth").write_bytes((tmp_path / "backbone.pth").read_bytes())
    wrong = failure(
        "--kind=vgg19", f"--input={tmp_path / 'other.pth'}", f"--output={tmp_path / 'x'}"
    )
    assert "missing ('features.0.weight', " in wrong and not (tmp_path / "x").exists()


def psp_state():
    """A narrow encoder for 64 pixels with random weights, under the names of the public file."""
    table = golden_files.load("psp_gradual_ir50_n18")[1]["state"]["tensors_[shape,dtype,sum]"]
    shapes = {n: [s // 16 if s >= 16 else s for s in shape] for n, (shape, *_) in table.items()}
    last = {4: (4, 6), 5: (6, 8), 6: (8, 10)}  # of coarse, middle and fine styles, left out
    for style in range(18):
        depth = sum(f"styles.{style}.convs." in n and n.endswith("weight") for n in shapes)
        for index in last[depth]:
            for leaf in ("weight", "bias"):
                del shapes[f"styles.{style}.convs.{index}.{leaf}"]
    return weight_rule.weights(shapes, 0)


def test_psp_brings_its_mean_code_and_its_architecture(tmp_path):
    state = psp_state()
    mean = np.linspace(-3, 3, 32, dtype=np.float32)
    tree = {
        "state_dict": {f"encoder.{n}": a for n, a in state.items()}
        | {"decoder.input.input": np.zeros((1, 32, 4, 4), np.float32)},
        "latent_avg": np.tile(mean, (18, 1)),
        "opts": {"output_size": 1024, "learn_in_w": False},
    }
    torch_writer.write_zip(tmp_path / "psp_ffhq_encode.pt", tree)
    report = run(tmp_path / "out", "psp", tmp_path / "psp_ffhq_encode.pt")
    counters = [n for n in report["unused"] if n.endswith("num_batches_tracked")]
    assert sorted(set(report["unused"]) - set(counters)) == ["decoder.input.input"]
    networks, config = checkpoint.load_weights(tmp_path / "out")
    expected = {"num_styles": 18, "w_dim": 32, "width": 4, "coarse": 3, "middle": 7}
    assert config.psp.model.encoder.to_dict() == {**expected, "use_se": False}
    assert config.psp.model.image_size == 64

    encoder = psp.from_state_dict(state)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, networks["encoder"], encoder)))
    encode = jax.jit(make_encode(config.psp))
    images = np.zeros((1, 64, 64, 3), np.uint8)
    offsets = encode({**networks, "generator": {"moving": {"w_avg": 0 * mean}}}, images)
    codes = encode(networks, images)
    np.testing.assert_allclose(codes, offsets + mean, rtol=0, atol=1e-5)


def test_arrays_whose_shapes_do_not_go_together():
    state = psp_state()
    state["styles.0.convs.0.weight"] = state["styles.0.convs.0.weight"][:, :1]
    with pytest.raises(UserError, match=r"shapes do not go together \(all input arrays must have"):
        conversion.convert(kinds.KINDS["psp"], state, None)


def test_psp_without_a_mean_code(tmp_path):
    codes = np.arange(64, dtype=np.float32).reshape(2, 32)
    for found in ({}, {"latent_avg": codes}, {"latent_avg": codes[0, :16]}):
        with pytest.raises(UserError, match="checkpoint: 'latent_avg'"):
            psp.mean_code(found, 32)
    np.testing.assert_array_equal(
        psp.mean_code({"latent_avg": codes[0]}, 32)["moving"]["w_avg"], codes[0]
    )


def failure(*arguments):
    with pytest.raises(SystemExit) as info:
        convert.main([str(argument) for argument in arguments])
    return str(info.value)


def test_faults_are_one_line(folder, tmp_path):
    out = tmp_path / "out"
    wrong = failure("--kind=arcface", f"--input={folder / 'vgg.pth'}", f"--output={out}")
    assert wrong.startswith(
        "error: state dict: 278 missing ('input_layer.1.weight', 'input_layer.1.bias', "
        "'input_layer.1.running_mean', ...), 5 unexpected ('lin0.model.1.weight', "
    )
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
    others = []
    for arguments in (
        ("--kind=arcfase", f"--input={file}", f"--output={out}"),
        ("--kind=lpips", f"--input={folder}", f"--output={out}"),
        ("--kind=stylegan3", f"--input={file}", f"--output={out}"),
        ("--kind=psp", f"--input={file}", f"--output={out}"),
        ("--kind=vgg19", f"--input={file}", f"--input2={file}", f"--output={out}"),
    ):
        others.append(failure(*arguments))
    assert f"found 'arcfase', expected one of {', '.join(kinds.KINDS)}" in others[0]
    assert "is no file" in others[1]
    assert "expected a pickle of stylegan2-ada-pytorch or stylegan3" in others[2]
    assert "expected psp_ffhq_encode.pt" in others[3]
    assert "--input2: found " in others[4] and "expected one file: torchvision's vgg19" in others[4]
    for message in (wrong, cut, taken, *others):
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
    _, unused = conversion.convert(lpips, state, model)
    assert not unused
    with pytest.raises(UserError, match=r"1 unexpected \('extra\.bias'\)"):
        conversion.convert(lpips, {**state, "extra.bias": np.zeros(1)}, model)
    paper = perceptual_config.stage_config("paper").model
    with pytest.raises(UserError, match=r"found \(8,\), expected \(64,\); is it another size"):
        conversion.convert(lpips, state, paper)


def test_list_and_what_is_left_out(capsys):
    convert.main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [*kinds.KINDS]
    for line, kind in zip(lines, kinds.KINDS.values()):
        assert kind.files in line and kind.licence and kind.licence in line
    for arguments, missing in (
        (("--kind=lpips",), "--input, --output"),
        (("--kind=lpips", "--verify"), "--golden"),
    ):
        expected = f"error: missing: {missing} (or --verify and --golden, or --list)"
        assert failure(*arguments) == expected
    assert failure("--kinds=lpips") == "error: unrecognized arguments: --kinds=lpips"
    with pytest.raises(UserError, match="missing: --kind, --input"):
        convert.main(["--debug"])


@pytest.mark.parametrize("report", ['{"kind": "vgg19"}', "[]", "no json", None])
def test_weights_of_another_kind_are_not_replaced(tmp_path, report):
    (tmp_path / "weights.npz").write_bytes(b"of somebody")
    if report is not None:
        (tmp_path / "report.json").write_text(report)
    line = failure("--kind=syncnet", "--input=any.pth", f"--output={tmp_path}")
    found = "vgg19" if "vgg19" in (report or "") else "other weights"
    assert (
        line == f"error: --output: found {found} in {tmp_path}, expected syncnet; name another one"
    )
    assert (tmp_path / "weights.npz").read_bytes() == b"of somebody"


def test_verify(monkeypatch, capsys, tmp_path):
    """The checks themselves run in test_parity; here, what the command makes of their results."""
    arguments = ["--kind=lpips", "--verify", f"--golden={golden_files.FOLDER}"]

    def check(arrays, meta):
        distance = arrays["dist"] + shift
        yield parity.compare("distance", distance, arrays["dist"], meta["f32_vs_f64"])

    monkeypatch.setitem(kinds.KINDS["lpips"].golden, "lpips_vgg", check)
    shift = 0.0
    convert.main(arguments)
    assert "lpips_vgg                    distance" in capsys.readouterr().out
    shift = 1e-3
    assert "error: lpips: 1 tensors are not those of the reference; lpips_vgg" in failure(
        *arguments
    )
    assert "found none of lpips_vgg" in failure(*arguments[:2], f"--golden={tmp_path}")
    assert "found 'x', expected one of" in failure("--kind=x", *arguments[1:])


def test_golden_files_that_are_broken(monkeypatch, tmp_path):
    arguments = ["--kind=lpips", "--verify", f"--golden={tmp_path}"]
    data = (golden_files.FOLDER / "lpips_vgg.npz").read_bytes()
    meta = (golden_files.FOLDER / "lpips_vgg.json").read_text()
    npz, description = tmp_path / "lpips_vgg.npz", tmp_path / "lpips_vgg.json"
    for broken, text in (
        (data[:-100], meta),
        (data[:100], meta),
        (b"", meta),
        (data[:5000] + bytes(100) + data[5100:], meta),
        (data, meta[:-9]),
    ):
        npz.write_bytes(broken)
        description.write_text(text)
        assert f"--golden: {npz} and its .json cannot be read" in failure(*arguments)
    description.unlink()
    assert "lpips_vgg.json" in failure(*arguments)
    description.write_text("{}")
    npz.write_bytes(data)
    assert "lpips_vgg in" in failure(*arguments) and "lacks 'state'" in failure(*arguments)


def test_weights_that_are_not_those_of_the_rule():
    state = weight_rule.weights({"a.weight": (3, 4)}, 5)
    table = {n: [a.shape, "float32", a.sum(dtype=np.float64)] for n, a in state.items()}
    described = {
        "tensors_[shape,dtype,sum]": table,
        "sha256_sorted_name_then_bytes": weight_rule.checksum(state),
    }
    for seed in (5, 6):
        meta = {"state": described, "weight_rule": {"seed": seed, "gain": 1.0}}
        for read in (
            weight_rule.from_meta,
            lambda m: weight_rule.from_table(m["state"], m["weight_rule"]["seed"]),
        ):
            if seed == 5:
                np.testing.assert_array_equal(read(meta)["a.weight"], state["a.weight"])
            else:
                with pytest.raises(UserError, match=r"weight_rule: .*has the file been changed"):
                    read(meta)
