import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import styletalker
from jaxtalk.systems.styletalker import generate
from jaxtalk.systems.styletalker.model import frame_noise, make_model

NUM_FRAMES, BLOCK_FRAMES = 11, 4


def small_config():
    config = styletalker.stage_config("demo")
    config.model.w_dim = 7
    config.model.motion_gain = ()
    config.model.audio = ConfigDict({"width": 2, "output_dim": 3})
    config.model.block.update(
        {"z_dim": 4, "motion_width": 8, "motion_dim": 6, "lstm_width": 8, "smoothing_width": 8}
    )
    return config


@pytest.fixture(scope="module")
def clip():
    """The config, variables without zeros, mel, w, key."""
    config = small_config()
    rng = np.random.default_rng(0)
    mel = rng.standard_normal((2, NUM_FRAMES, 20, 80)).astype(np.float32)
    w = rng.standard_normal((2, NUM_FRAMES, 16, 7)).astype(np.float32)
    model, key = make_model(config.model), jax.random.key(3)
    shapes = jax.eval_shape(model.init, jax.random.key(0), w, mel, key)

    def leaf(path, x):
        values = 0.3 * rng.standard_normal(x.shape)
        return jnp.asarray(np.exp(values) if path[-1].key == "var" else values, jnp.float32)

    return config, jax.tree_util.tree_map_with_path(leaf, shapes), mel, w, key


@pytest.fixture(scope="module")
def block_fn(clip):
    config, variables, _, _, key = clip
    block = jax.jit(functools.partial(generate.generate_block, config))
    return lambda inputs, carry: block(variables, inputs, carry, key)


def streamed(block_fn, clip, cuts, *, with_motion, num_frames=NUM_FRAMES):
    config, _, mel, w, _ = clip
    inputs = {"mel": mel[:, :num_frames]}
    if with_motion:
        inputs["motion_w"] = w[:, :num_frames]
    edges = [0, *cuts, num_frames]
    chunks = ({k: v[:, a:b] for k, v in inputs.items()} for a, b in itertools.pairwise(edges))
    pieces = generate.stream(
        block_fn,
        chunks,
        generate.init_carry(config, w[:, 0]),
        block_frames=BLOCK_FRAMES,
        lookahead=generate.lookahead(config),
    )
    return np.concatenate(list(pieces), axis=1)


def test_stream_by_the_posterior_equals_the_training_path(clip, block_fn):
    config, variables, mel, w, key = clip
    whole, _ = jax.jit(make_model(config.model).apply)(variables, w, mel, key)
    found = streamed(block_fn, clip, [5], with_motion=True)
    assert np.abs(whole - w[:, :1]).max() > 0.5
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def test_stream_by_the_prior_equals_the_whole(clip, block_fn):
    config, variables, mel, w, key = clip
    whole = jax.jit(functools.partial(generate.generate_clip, config))(variables, w[:, 0], mel, key)
    found = streamed(block_fn, clip, [], with_motion=False)
    assert found.shape == (2, NUM_FRAMES, 16, 7)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)
    other = jax.jit(functools.partial(generate.generate_clip, config))(
        variables, w[:, 0], mel, jax.random.key(4)
    )
    assert np.abs(found - other).max() > 0.1


def test_lips_do_not_follow_the_motion_source(clip):
    """Its styles for the lips change nothing, any other one does."""
    config, variables, mel, w, key = clip
    assert config.model.lip_styles == (6,)

    @jax.jit
    def driven(motion_w):
        return generate.generate_clip(config, variables, w[:, 0], mel, key, motion_w=motion_w)

    for style, matters in ((6, False), (5, True)):
        other = w.copy()
        other[:, 1:, style] += 1.0
        assert (np.abs(driven(other) - driven(w)).max() > 1e-3) == matters


@pytest.mark.parametrize("with_motion", [False, True])
def test_gain_widens_the_motion_of_its_style_alone(clip, with_motion):
    config, variables, mel, w, key = clip
    config = config.copy_and_resolve_references()
    motion = {"motion_w": w} if with_motion else {}

    def motion_with(gain):
        config.model.motion_gain = gain
        found = generate.generate_clip(config, variables, w[:, 0], mel, key, **motion)
        return np.asarray(found - w[:, :1])

    plain = motion_with(())
    np.testing.assert_allclose(motion_with((1.0,) * 8), plain, rtol=0, atol=1e-5)
    expected = plain.copy()
    expected[:, :, 5] *= 3.0
    assert np.abs(plain[:, :, 5]).max() > 0.1
    np.testing.assert_allclose(motion_with((1, 1, 1, 1, 1, 3, 1, 1)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("with_motion", [False, True])
def test_stream_does_not_depend_on_the_cuts(clip, block_fn, with_motion):
    whole = streamed(block_fn, clip, [], with_motion=with_motion)
    for cuts in ([1, 2, 3, 7], [4, 8], range(1, NUM_FRAMES)):
        found = streamed(block_fn, clip, cuts, with_motion=with_motion)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("num_frames", [1, 4, 8])
def test_short_clips_and_whole_blocks(clip, block_fn, num_frames):
    config, variables, mel, w, key = clip
    found = streamed(block_fn, clip, [], with_motion=True, num_frames=num_frames)
    whole = generate.generate_clip(
        config, variables, w[:, 0], mel[:, :num_frames], key, motion_w=w[:, :num_frames]
    )
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def test_nothing_in_nothing_out(clip, block_fn):
    config, _, _, w, _ = clip
    carry = generate.init_carry(config, w[:, 0])
    assert list(generate.stream(block_fn, [], carry, block_frames=4, lookahead=3)) == []


def test_temperature_scales_the_noise(clip):
    config, variables, mel, w, _ = clip

    @jax.jit
    def sample(seed, temperature):
        rng = jax.random.key(seed)
        return generate.generate_clip(config, variables, w[:, 0], mel, rng, temperature=temperature)

    np.testing.assert_array_equal(sample(0, 0.0), sample(1, 0.0))
    spread = [np.abs(sample(0, t) - sample(0, 0.0)).mean() for t in (0.1, 0.5, 1.0)]
    assert 0 < spread[0] < spread[1] < spread[2]


def test_noise_is_that_of_the_frame():
    rng = jax.random.key(0)
    whole = frame_noise(rng, 0, 9, (3, 2))
    np.testing.assert_array_equal(frame_noise(rng, 4, 3, (3, 2)), whole[4:7])
    assert abs(float(frame_noise(rng, 0, 500, (8,)).std()) - 1) < 0.05
    assert len(np.unique(whole)) == whole.size
