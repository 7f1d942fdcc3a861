"""Mel spectrograms against librosa itself and their own definition."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from jaxtalk.core import batch
from jaxtalk.media.audio import audio_excerpt
from jaxtalk.ops import mel


def speech(num_samples, seed=0):
    rng = np.random.default_rng(seed)
    envelope = np.interp(
        np.arange(num_samples),
        np.arange(0, num_samples + 800, 800),
        rng.random(num_samples // 800 + 2)[: len(np.arange(0, num_samples + 800, 800))],
    )
    return (0.3 * envelope * rng.standard_normal(num_samples)).astype(np.float32)


def whole(audio):
    """Mel of a recording with frame j centred at sample 160 j."""
    return mel.log_mel(jnp.pad(audio, 256))


def test_constants_agree_with_the_batch_schema():
    ours = (mel.FFT, mel.HOP, mel.WINDOW, mel.BINS, mel.MELS_PER_FRAME, mel.WINDOW_MELS)
    assert ours == (
        *(batch.MEL_FFT, batch.MEL_HOP, batch.MEL_WINDOW, batch.MEL_BINS),
        *(batch.MELS_PER_FRAME, batch.MEL_FRAMES),
    )
    assert mel.SAMPLE_RATE_HZ == batch.SAMPLE_RATE_HZ


def test_filters_match_librosa():
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80)
    np.testing.assert_allclose(mel.mel_filters(), theirs, atol=1e-8)


def test_matches_librosa_on_noise():
    audio = speech(16000)
    power = librosa.feature.melspectrogram(
        y=audio, sr=16000, n_fft=512, hop_length=160, win_length=400, n_mels=80, pad_mode="constant"
    )
    np.testing.assert_allclose(whole(audio), np.log(np.maximum(power, 1e-5)).T, atol=1e-4)


@pytest.mark.parametrize("num_samples", [512, 671, 672, 1000])
def test_frames_without_padding(num_samples):
    audio = speech(num_samples)
    got = mel.log_mel(audio)
    assert got.shape == (1 + (num_samples - 512) // 160, 80)
    last = audio[160 * (len(got) - 1) :][:512]
    np.testing.assert_allclose(got[-1], mel.log_mel(last)[0], atol=1e-5)


def test_too_short():
    with pytest.raises(ValueError, match="511"):
        mel.log_mel(np.zeros(511, np.float32))


@pytest.mark.parametrize("start_frame", [-3, 0, 1, 7, 23, 26])
def test_windows_are_slices_of_the_whole(start_frame):
    num_frames = 3
    audio = speech(25 * 640 + 100)
    # Zeros outside the recording, far enough for every window that is asked for.
    outside = 6400
    reference = mel.log_mel(np.pad(audio, outside + 256))
    excerpt = audio_excerpt(audio, start_frame, num_frames)
    windows = mel.mel_windows(jnp.stack([excerpt, 0.5 * excerpt]))
    assert windows.shape == (2, num_frames, 20, 80)
    for t in range(num_frames):
        first = outside // 160 + 4 * (start_frame + t - 2)
        np.testing.assert_allclose(windows[0, t], reference[first : first + 20], atol=1e-5)
    loud = windows[0] > np.log(1e-5) + 2
    np.testing.assert_allclose(
        np.where(loud, windows[0] - windows[1], np.log(4)), np.log(4), atol=1e-3
    )


def test_windows_refuse_another_length():
    with pytest.raises(ValueError, match="640 T"):
        mel.mel_windows(np.zeros((1, batch.excerpt_samples(2) + 160), np.float32))


def test_excerpt_length_of_the_schema():
    for num_frames in (1, 5, 32):
        assert batch.excerpt_samples(num_frames) == len(audio_excerpt(np.zeros(1), 0, num_frames))


def test_is_differentiable():
    audio = jnp.asarray(speech(900))
    direction = jnp.asarray(speech(900, seed=1))
    weights = jnp.asarray(np.random.default_rng(2).standard_normal((3, 80)), jnp.float32)

    def loss(step):
        return (mel.log_mel(audio + step * direction) * weights).mean()

    slope = jax.grad(loss)(0.0)
    numeric = (loss(1e-2) - loss(-1e-2)) / 2e-2
    assert abs(slope) > 1e-3
    np.testing.assert_allclose(slope, numeric, rtol=0.02)
    silence = jax.grad(lambda x: mel.log_mel(x).sum())(jnp.zeros(600))
    assert np.isfinite(silence).all()
