import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.wav2lip_syncnet import Wav2LipSyncNet
from tests import gradients, random_variables


@pytest.fixture(scope="module")
def small():
    module = Wav2LipSyncNet(width=2)
    rng = np.random.default_rng(0)
    faces = rng.uniform(0, 1, (3, 5, 48, 96, 3)).astype(np.float32)
    mel = rng.standard_normal((3, 16, 80)).astype(np.float32)
    return module, random_variables.draw(module, faces, mel), faces, mel


def test_gradient_of_faces_and_speech(small):
    module, variables, faces, mel = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda faces, mel: wide.apply(variables, faces, mel), faces, mel, jit=jax.jit
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
    with pytest.raises(ValueError, match=r"faces: found .3, 4, 48, 96, 3., expected .B, 5, 48, 96"):
        module.apply(variables, faces[:, 1:], method="video")
    with pytest.raises(ValueError, match=r"mel: found .3, 80, 16., expected .B, 16, 80"):
        module.apply(variables, mel.swapaxes(1, 2), method="audio")
