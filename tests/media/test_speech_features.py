"""AVCT's features of speech against their definition; `tests.test_parity` has the reference's."""

import itertools

import numpy as np
import pytest
import scipy.fft

from jaxtalk.core.errors import UserError
from jaxtalk.media import speech_features
from jaxtalk.media.speech_features import (
    cepstra_and_bands,
    feature_windows,
    frame_features,
    interpolated_pitch,
)
from jaxtalk.nn import avct


def speech(num_samples, seed=0):
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.cumsum(150 + 20 * np.sin(np.arange(num_samples) / 3000)) / 16000
    audio = sum(np.sin(k * phase) / k for k in range(1, 15))
    audio[: num_samples // 3] = 0
    return 0.1 * audio + 1e-3 * rng.standard_normal(num_samples)


def plain_spectra(audio):
    """Power spectra window by window."""
    emphasized = [audio[0], *(b - 0.97 * a for a, b in itertools.pairwise(audio))]
    starts = range(0, max(1, len(audio) - 400 + 160), 160)
    for start in starts:
        window = np.zeros(512)
        samples = emphasized[start : start + 400]
        window[: len(samples)] = samples
        yield np.abs(np.fft.fft(window)[:257]) ** 2 / 512


def plain_filters():
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    corners = [int(513 * 700 * (10 ** (m / 2595) - 1) / 16000) for m in mel]
    filters = np.zeros((26, 257))
    for i, (low, middle, high) in enumerate(zip(corners, corners[1:], corners[2:])):
        for k in range(low, middle):
            filters[i, k] = (k - low) / (middle - low)
        for k in range(middle, high):
            filters[i, k] = (high - k) / (high - middle)
    return filters


@pytest.mark.parametrize("num_samples", [100, 400, 401, 3360, 3361])
def test_cepstra_and_bands(num_samples):
    audio = speech(num_samples, seed=1)
    cepstra, bands = cepstra_and_bands(audio)
    spectra = list(plain_spectra(audio))
    assert len(cepstra) == len(bands) == len(spectra)
    filters = plain_filters()
    for power, row, energies in zip(spectra, cepstra, bands):
        logs = np.log(np.maximum(filters @ power, 2.0**-52))
        np.testing.assert_allclose(energies, logs, rtol=1e-9)
        expected = scipy.fft.dct(logs, norm="ortho")[:13]
        expected *= 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
        expected[0] = np.log(power.sum())
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-9)


def test_digital_silence_has_a_finite_logarithm():
    cepstra, bands = cepstra_and_bands(np.zeros(800))
    np.testing.assert_allclose(bands, np.log(2.0**-52))
    np.testing.assert_allclose(cepstra[:, 0], np.log(2.0**-52))


@pytest.mark.parametrize("num_samples", [8000, 8081])
def test_columns_of_a_recording(num_samples):
    audio = speech(num_samples)
    features = speech_features.speech_features(audio)
    assert features.shape == (1 + -(-(num_samples - 400) // 160), 41)
    assert features.dtype == np.float64
    pitch, flag = features[:, 39], features[:, 40]
    assert set(flag) == {0.0, 1.0}
    assert not flag[: num_samples // 160 // 3 - 4].any() and flag[-10:-4].all()
    # Lines through unvoiced parts: the pause before the voice has the pitch that it starts with.
    np.testing.assert_array_equal(pitch[: np.argmax(flag)], pitch[np.argmax(flag)])
    centred = audio - audio.mean()
    cepstra, bands = cepstra_and_bands(centred / np.abs(centred).max())
    np.testing.assert_allclose(features[:, :39], np.hstack([cepstra, bands]), rtol=1e-12)


def test_loudness_and_offset_make_no_difference():
    audio = np.round(30000 * speech(8000)).astype(np.int16)
    expected = speech_features.speech_features(audio)
    found = speech_features.speech_features(audio / 32768 + 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_interpolated_pitch():
    pitch = np.array([0, 0, 100.0, 0, 0, 0, 180, 90, 0])
    expected = [100, 100, 100, 120, 140, 160, 180, 90, 90]
    np.testing.assert_allclose(interpolated_pitch(pitch), expected)
    assert not interpolated_pitch(np.zeros(4)).any()


def test_frames_and_windows():
    features = np.random.default_rng(0).standard_normal((27, 41))
    frames = frame_features(features)
    assert frames.dtype == np.float32 and frames.shape == (6, 4, 41)
    np.testing.assert_array_equal(frames.reshape(24, 41), features[:24].astype(np.float32))
    windows = feature_windows(frames, [0, 3, 5], radius=2)
    assert windows.shape == (3, 5, 4, 41) and windows.dtype == np.float32
    assert not windows[0, :2].any() and not windows[2, 3:].any()
    np.testing.assert_array_equal(windows[0, 2:], frames[:3])
    np.testing.assert_array_equal(windows[1], frames[1:])
    np.testing.assert_array_equal(windows[2, :3], frames[3:])
    assert feature_windows(frames, [0]).shape[1:] == (11, 4, 41)


def test_sizes_are_those_of_the_networks():
    assert speech_features.STEPS_PER_FRAME == avct.AUDIO_STEPS
    assert speech_features.NUM_FEATURES == avct.AUDIO_FEATURES


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.ones(3199), r"found samples of shape \(3199,\), expected one channel of at least 3200"),
        (np.ones((2, 8000)), r"found samples of shape \(2, 8000\), expected one channel"),
        (np.full(8000, 0.5), "found silence or samples that are not finite"),
        (np.full(8000, np.nan), "found silence or samples that are not finite"),
    ],
)
def test_bad_recordings(audio, message):
    with pytest.raises(UserError, match=message):
        speech_features.speech_features(audio)
