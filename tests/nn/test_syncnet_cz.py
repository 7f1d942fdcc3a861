import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.syncnet_cz import SyncNetCZ
from tests import gradients, random_variables


@pytest.fixture(scope="module")
def small():
    module = SyncNetCZ(width=32, embedding_dim=8)
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (3, 6, 224, 224, 3)).astype(np.float32)
    mfcc = 5 * rng.standard_normal((3, 24, 13)).astype(np.float32)
    return module, random_variables.draw(module, frames, mfcc), frames, mfcc


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
        lambda x: wide.apply(variables, x, method="lip"), frames[:, :5], step=1e-4, jit=jax.jit
    )


def test_other_shapes_are_refused(small):
    module, variables, frames, mfcc = small
    with pytest.raises(ValueError, match=r"frames: found .3, 4, 224, 224, 3., expected .B, 5 or"):
        module.apply(variables, frames[:, :4], method="lip")
    with pytest.raises(ValueError, match=r"mfcc: found .3, 13, 24., expected .B, 20 or more, 13"):
        module.apply(variables, mfcc.swapaxes(1, 2), method="audio")
