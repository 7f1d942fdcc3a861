import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.avct import (
    POSE_MAX,
    POSE_MIN,
    AudioToKeypoints,
    AudioToPose,
    head_poses,
)
from tests import gradients, random_variables


def test_head_poses():
    np.testing.assert_allclose(head_poses(jnp.full(6, -1.0)), POSE_MIN, rtol=1e-6)
    np.testing.assert_allclose(head_poses(jnp.full(6, 1.0)), POSE_MAX, rtol=1e-6)


@pytest.fixture(scope="module")
def small():
    module = AudioToKeypoints(
        num_keypoints=2, window=1, width=1, num_heads=2, num_layers=1, hidden=8
    )
    rng = np.random.default_rng(0)
    inputs = (
        rng.integers(0, 41, (2, 3)).astype(np.int32),
        rng.uniform(0, 1, (2, 3, 256, 256)).astype(np.float32),
        rng.standard_normal((2, 3, 4, 41)).astype(np.float32),
        rng.standard_normal((2, 64, 64, 4)).astype(np.float32),
    )
    return module, random_variables.draw(module, *inputs), inputs


def test_gradient_of_poses_speech_and_portrait(small):
    module, variables, (phonemes, *inputs) = small
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda poses, *inputs: wide.apply(variables, phonemes[: len(poses)], poses, *inputs),
        *inputs,
        jit=jax.jit,
    )


def test_gradient_of_the_portraits_pose_and_speech():
    module = AudioToPose(width=2, features=4)
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 1, (3, 32, 32)), rng.standard_normal((3, 2, 4, 41))
    variables = random_variables.draw(module, *inputs)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda *inputs: wide.apply(variables, *inputs), *inputs
    )


def test_other_shapes_are_refused(small):
    module, variables, (phonemes, poses, audio, portrait) = small
    with pytest.raises(ValueError, match=r"found \[B, ...\] of \(\(3,\), \(2, 256, 256\)"):
        module.apply(variables, phonemes, poses[:, 1:], audio, portrait)
