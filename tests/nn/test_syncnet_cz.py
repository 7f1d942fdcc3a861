import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.pretrained import syncnet_cz
from tests import golden_files, gradients, random_variables, weight_rule

NAME = "syncnet_python_lse"


@pytest.fixture(scope="module")
def reference():
    arrays, meta = golden_files.load(NAME)
    frames = arrays["frames_u8_28"].astype(np.float32).repeat(8, axis=1).repeat(8, axis=2)
    return arrays, meta, weight_rule.from_meta(meta), frames, arrays["mfcc"].T


@pytest.fixture(scope="module")
def small():
    module = SyncNetCZ(width=32, embedding_dim=8)
    frames = jax.random.uniform(jax.random.key(0), (1, 6, 224, 224, 3), maxval=255)
    mfcc = 5 * jax.random.normal(jax.random.key(1), (2, 24, 13))
    return module, random_variables.draw(module, frames, mfcc), frames, mfcc


def test_full_width_matches_reference(reference):
    """The lips of the first five windows, two clips that overlap: windows must not mix."""
    arrays, meta, state, frames, mfcc = reference
    variables = jax.device_put(syncnet_cz.from_state_dict(state))
    module = SyncNetCZ()
    clips = np.stack([frames[:7], frames[2:9]])
    speech = np.stack([mfcc, mfcc[::-1], mfcc])
    lip = jax.jit(lambda v, x: module.apply(v, x, method="lip"))(variables, clips)
    audio = jax.jit(lambda v, x: module.apply(v, x, method="audio"))(variables, speech)
    noise = meta["f32_vs_f64"]
    expected = np.stack([arrays["lip_emb"][:3], arrays["lip_emb"][2:5]])
    golden_files.assert_close(lip, expected, noise["lip"])
    for row in (0, 2):
        golden_files.assert_close(audio[row, :24], arrays["aud_emb"], noise["aud"])
    shapes = jax.eval_shape(module.init, jax.random.key(0), clips, speech)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, shapes)


def test_missing_and_unexpected_names(reference):
    state = reference[2]
    with pytest.raises(UserError, match=r"'netcnnlip.18.weight' is missing"):
        syncnet_cz.from_state_dict({n: a for n, a in state.items() if n != "netcnnlip.18.weight"})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'netfclip.4.weight'"):
        syncnet_cz.from_state_dict({**state, "netfclip.4.weight": np.zeros(1)})


def test_gradient_of_the_speech(small):
    module, variables, _, mfcc = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, x, method="audio"), mfcc
    )


def test_gradient_of_the_frames(small):
    module, variables, frames, _ = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, x, method="lip"), frames[:, :5], step=1e-4
    )


def test_other_shapes_are_refused(small):
    module, variables, frames, mfcc = small
    with pytest.raises(ValueError, match=r"frames: found .1, 4, 224, 224, 3., expected .B, 5 or"):
        module.apply(variables, frames[:, :4], method="lip")
    with pytest.raises(ValueError, match=r"mfcc: found .2, 13, 24., expected .B, 20 or more, 13"):
        module.apply(variables, mfcc.swapaxes(1, 2), method="audio")
