"""The name map of the first-order model's discriminator, on narrow networks of the public names."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.multi_scale_discriminator import MultiScaleDiscriminator
from jaxtalk.pretrained import conversion, kinds, multi_scale_discriminator
from tests import torch_writer

WIDTHS = 5, 4, 8, 8  # 3 + 2 key points, then three blocks of width 2 and at most 8 channels


def public_state(scales=("1", "0-5"), spectral_norm=True):
    """Random arrays under the names of the public network."""
    rng = np.random.default_rng(0)
    state = {}
    for scale in scales:
        convs = {f"discs.{scale}.conv": (1, WIDTHS[-1], 1, 1)}
        for i, (inputs, outputs) in enumerate(itertools.pairwise(WIDTHS)):
            block = f"discs.{scale}.down_blocks.{i}"
            convs[f"{block}.conv"] = (outputs, inputs, 4, 4)
            if i > 0:
                state |= {f"{block}.norm.{n}": rng.random(outputs) for n in ("weight", "bias")}
        for name, shape in convs.items():
            state[f"{name}.bias"] = rng.random(shape[0])
            state[f"{name}.weight{'_orig' if spectral_norm else ''}"] = rng.random(shape)
            if spectral_norm:
                state[f"{name}.weight_u"] = rng.random(shape[0])
                state[f"{name}.weight_v"] = rng.random(np.prod(shape[1:]))
    return state


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_every_variable_of_the_module_is_there_in_its_shape(spectral_norm):
    state = public_state(spectral_norm=spectral_norm)
    fields = multi_scale_discriminator.fields(state)
    assert fields == {
        **{"downscales": (1, 2), "width": 2, "max_width": 8, "num_blocks": 3},
        **{"num_keypoints": 2, "spectral_norm": spectral_norm},
    }
    inputs = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 64, 64, 3), (1, 2, 2)))
    module = MultiScaleDiscriminator(**fields)
    expected = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    variables = multi_scale_discriminator.from_state_dict(state)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


def test_singular_value_is_that_of_the_public_layout():
    state = public_state(("1",))
    variables = multi_scale_discriminator.from_state_dict(state)
    name, ours = "discs.1.down_blocks.1.conv", "scale_1_conv_1"
    matrix = state[f"{name}.weight_orig"].reshape(WIDTHS[2], -1)
    expected = state[f"{name}.weight_u"] @ matrix @ state[f"{name}.weight_v"]
    kernel = variables["params"][ours]["kernel"].reshape(-1, WIDTHS[2])
    vectors = variables["batch_stats"][ours]
    assert vectors["v"] @ kernel @ vectors["u"] == pytest.approx(expected, rel=1e-5)


def test_missing_and_unexpected_names():
    state = public_state()
    for gone in ("discs.1.down_blocks.1.norm.bias", "discs.0-5.conv.weight_v"):
        rest = {n: a for n, a in state.items() if n != gone}
        with pytest.raises(UserError, match=rf"1 missing \('{gone}'\)"):
            multi_scale_discriminator.from_state_dict(rest)
    for extra in ("extra.weight", "discs.1.extra.weight"):
        with pytest.raises(UserError, match=rf"1 unexpected \('{extra}'\)"):
            multi_scale_discriminator.from_state_dict({**state, extra: np.zeros(1)})


@pytest.mark.parametrize("scale", ["0-3", "full", "0"])
def test_other_scales_are_refused(scale):
    for function in (multi_scale_discriminator.from_state_dict, multi_scale_discriminator.fields):
        with pytest.raises(UserError, match=f"found the scales {scale}, expected names like"):
            function(public_state((scale,)))
    with pytest.raises(UserError, match="found the scales none"):
        multi_scale_discriminator.fields({"conv.weight": np.zeros(1)})
    with pytest.raises(UserError, match=r"discs\.1\.down_blocks\.0\.conv\.weight_orig is missing"):
        multi_scale_discriminator.fields({"discs.1.conv.bias": np.zeros(1)})


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_out_of_a_checkpoint_of_the_whole_model(tmp_path, spectral_norm):
    path = tmp_path / "vox-adv-cpk.pth.tar"
    state = public_state(("1",), spectral_norm)
    state = {n: a.astype(np.float32) for n, a in state.items()}
    other = {"a.weight": np.ones(2, np.float32)}
    torch_writer.write_zip(path, {"discriminator": state, "generator": other, "kp_detector": other})
    kind = kinds.KINDS["first_order_discriminator"]
    found, arguments, _ = conversion.read(kind, [path])
    model = kind.fields()
    kind.configure(model, found, arguments)
    networks, unused = conversion.convert(kind, found, model)
    assert not unused and model["discriminator"]["num_keypoints"] == 2
    expected = multi_scale_discriminator.from_state_dict(state)
    same = jax.tree.map(np.array_equal, networks["discriminator"], expected)
    assert all(jax.tree.leaves(same))


def test_public_fields_are_those_of_vox_256():
    fields = kinds.KINDS["first_order_discriminator"].fields()["discriminator"]
    assert fields["width"] == 32 and fields["downscales"] == (1,) and fields["spectral_norm"]
