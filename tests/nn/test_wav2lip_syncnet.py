import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.wav2lip_syncnet import Wav2LipSyncNet
from jaxtalk.pretrained import wav2lip_syncnet
from tests import golden_files, gradients, random_variables, weight_rule

NAME = "wav2lip_syncnet_color"


@pytest.fixture(scope="module")
def reference():
    arrays, meta = golden_files.load(NAME)
    state = weight_rule.from_meta(meta)
    faces = arrays["faces_u8_b_t_h_w_c"].astype(np.float32) / 255
    return arrays, meta, state, faces, arrays["mel"][:, 0].swapaxes(1, 2)


@pytest.fixture(scope="module")
def small():
    module = Wav2LipSyncNet(width=2)
    faces = jax.random.uniform(jax.random.key(0), (2, 5, 48, 96, 3))
    mel = jax.random.normal(jax.random.key(1), (2, 16, 80))
    return module, random_variables.draw(module, faces, mel), faces, mel


@pytest.mark.parametrize("batch", [1, 3])
def test_full_width_matches_reference(reference, batch):
    arrays, meta, state, faces, mel = reference
    variables = wav2lip_syncnet.from_state_dict(state)
    forward = jax.jit(Wav2LipSyncNet().apply)
    video, audio = forward(variables, faces[:batch], mel[:batch])
    noise = meta["f32_vs_f64"]
    golden_files.assert_close(video, arrays["face_emb"][:batch], noise["face"])
    golden_files.assert_close(audio, arrays["audio_emb"][:batch], noise["audio"])
    cosine = np.sum(np.asarray(video) * np.asarray(audio), axis=-1)
    np.testing.assert_allclose(cosine, arrays["cosine"][:batch], atol=1e-5)


def test_every_variable_is_there_in_its_shape(reference):
    _, _, state, faces, mel = reference
    variables = wav2lip_syncnet.from_state_dict(state)
    expected = jax.eval_shape(Wav2LipSyncNet().init, jax.random.key(0), faces, mel)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)


def test_missing_and_unexpected_names(reference):
    state = reference[2]
    name = "face_encoder.16.conv_block.0.weight"
    with pytest.raises(UserError, match=rf"'{name}' is missing"):
        wav2lip_syncnet.from_state_dict({n: a for n, a in state.items() if n != name})
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'face_encoder.17"):
        wav2lip_syncnet.from_state_dict({**state, "face_encoder.17.weight": np.zeros(1)})


def test_gradient_of_the_faces(small):
    module, variables, faces, _ = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, x, method="video"), faces
    )


def test_gradient_is_finite_where_an_embedding_is_zero(small):
    module, variables, faces, _ = small
    bias = variables["params"]["face_encoder"]["layer_16"]["norm"]["bias"]
    params = jax.tree.map(lambda x: x, variables["params"])
    params["face_encoder"]["layer_16"]["norm"]["bias"] = bias - 100
    dead = {**variables, "params": params}
    gradient = jax.jit(jax.grad(lambda x: module.apply(dead, x, method="video").sum()))(faces)
    assert np.isfinite(gradient).all()


def test_other_shapes_are_refused(small):
    module, variables, faces, mel = small
    with pytest.raises(ValueError, match=r"faces: found .2, 4, 48, 96, 3., expected .B, 5, 48, 96"):
        module.apply(variables, faces[:, 1:], method="video")
    with pytest.raises(ValueError, match=r"mel: found .2, 80, 16., expected .B, 16, 80"):
        module.apply(variables, mel.swapaxes(1, 2), method="audio")
