"""The name maps of pSp, ArcFace, VGG16 and LPIPS; the numbers are checked with the networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.vgg import VGG16
from jaxtalk.pretrained import arcface, lpips, psp, vgg
from tests import golden_files

NARROW = 16  # divisor of the reference's channels


def narrow_state(name):
    """Zeros under the names of a golden file's state dict, with a 16th of the channels."""
    state = golden_files.load(name)[1]["state"]
    state = state.get("tensors_[shape,dtype,sum]", state)
    narrow = {}
    for n, (shape, *_) in state.items():
        sizes = [size // NARROW if size >= NARROW else size for size in shape]
        if "fc1.weight" in n:  # squeeze-and-excitation keeps at least one channel
            sizes[0] = max(1, sizes[1] // 16)
        elif "fc2.weight" in n:
            sizes[1] = max(1, sizes[0] // 16)
        narrow[n] = np.zeros(sizes)
    return narrow


def torchvision_names(state):
    return {
        "features." + n.split(".", 2)[2] if n.startswith("net.") else n: a
        for n, a in state.items()
        if not n.startswith("lins.")
    }


def psp_case():
    state = narrow_state("psp_gradual_irse50_n16")
    return psp, state, Encoder(w_dim=32, width=4), [(1, 256, 256, 3)]


def arcface_case():
    state = narrow_state("psp_arcface_irse50_112")
    return arcface, state, IRSE50(width=4, embedding_dim=32), [(1, 112, 112, 3)]


def lpips_case():
    return lpips, narrow_state("lpips_vgg"), LPIPS(width=4), [(1, 16, 16, 3)] * 2


def vgg_case():
    state = torchvision_names(narrow_state("lpips_vgg"))
    state = {n: a for n, a in state.items() if n.startswith("features.")}
    return vgg, state, VGG16(width=4), [(1, 16, 16, 3)]


CASES = pytest.mark.parametrize("case", [psp_case, arcface_case, lpips_case, vgg_case])


@CASES
def test_every_variable_of_the_module_is_there_in_its_shape(case):
    name_map, state, module, shapes = case()
    variables = name_map.from_state_dict(state)
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    expected = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


@CASES
def test_missing_and_unexpected_names(case):
    name_map, state, _, _ = case()
    some = next(n for n in state if n.endswith("weight") and "lins." not in n)
    with pytest.raises(UserError, match=r"1 missing \(|expected three groups"):
        name_map.from_state_dict({n: a for n, a in state.items() if n != some})
    with pytest.raises(UserError, match=r"1 unexpected \('extra\.weight'\)"):
        name_map.from_state_dict({**state, "extra.weight": np.zeros(1)})


def test_encoder_out_of_a_checkpoint_that_also_has_a_decoder():
    _, state, _, _ = psp_case()
    both = {f"encoder.{n}": a for n, a in state.items()} | {"decoder.input": np.zeros(1)}
    variables = psp.from_state_dict(both)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, psp.from_state_dict(state))


def test_lpips_from_torchvision_trunk_and_linear_weights():
    _, state, _, _ = lpips_case()
    rng = np.random.default_rng(0)
    state = {n: rng.standard_normal(a.shape) for n, a in state.items()}
    merged = torchvision_names(state) | {"classifier.0.weight": np.zeros((2, 2))}
    merged = {n: a for n, a in merged.items() if not n.startswith("scaling_layer.")}
    same = jax.tree.map(np.array_equal, lpips.from_state_dict(merged), lpips.from_state_dict(state))
    assert all(jax.tree.leaves(same))


def test_styles_of_other_than_three_depths_are_refused():
    _, state, _, _ = psp_case()
    state = {n: a for n, a in state.items() if ".convs.10." not in n}
    with pytest.raises(UserError, match="expected three groups of styles"):
        psp.from_state_dict(state)
