"""Windows and offsets of the SyncNet stage."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.pretraining.syncnet import windows


def test_random_anchors_stay_apart_and_inside():
    anchors = np.asarray(
        windows.random_anchors(jax.random.key(0), 500, num_frames=32, num_anchors=6, min_gap=2)
    )
    assert anchors.min() == 2
    assert anchors.max() <= 29
    gaps = np.diff(anchors, axis=1)
    assert gaps.min() == 2
    assert set(np.unique(gaps)) == set(range(2, gaps.max() + 1))


def test_a_clip_too_short_for_its_anchors_is_refused():
    with pytest.raises(ValueError, match="clip_frames: found 15, expected at least 16"):
        windows.random_anchors(jax.random.key(0), 1, num_frames=15, num_anchors=6, min_gap=2)


def test_windows_of_frames_and_sound_meet():
    """Window k of the video holds the frames k-2 .. k+2, and of the mel the entry k."""
    frames = jnp.arange(2 * 9).reshape(2, 9, 1, 1, 1)
    mel = jnp.arange(2 * 9).reshape(2, 9, 1, 1)
    anchors = jnp.array([[2, 6], [3, 4]])
    found = windows.frame_windows(frames, anchors)[..., 0, 0, 0]
    np.testing.assert_array_equal(
        found, [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [10, 11, 12, 13, 14], [11, 12, 13, 14, 15]]
    )
    np.testing.assert_array_equal(windows.mel_at(mel, anchors)[:, 0, 0], [2, 6, 12, 13])
    np.testing.assert_array_equal(found[:, 2], windows.mel_at(mel, anchors)[:, 0, 0])


@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_offset_scores_peak_at_the_shift(shift):
    rng = np.random.default_rng(0)
    track = rng.standard_normal((1, 40, 16))
    track /= np.linalg.norm(track, axis=-1, keepdims=True)
    video = track[:, 10:30]
    audio = track[:, 10 - shift : 30 - shift]  # audio t + shift is what video t shows
    scores = windows.offset_scores(video=jnp.asarray(video), audio=jnp.asarray(audio), max_offset=8)
    assert scores.shape == (1, 17)
    assert int(scores.argmax()) - 8 == shift
    assert float(scores.max()) == pytest.approx(1, abs=1e-5)
