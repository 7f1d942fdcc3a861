"""Harvest on sounds whose pitch is known; `tests.test_parity` holds it to WORLD's own numbers."""

import numpy as np
import pytest

from jaxtalk.media.pitch import harvest
from jaxtalk.media.pitch_contour import best_contour, smoothed

RATE_HZ = 16000


def voice(pitch_hz):
    """Ten harmonics under a pitch [S] in Hz."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    return sum(np.sin(k * phase + k) / k for k in range(1, 11))


@pytest.mark.parametrize("pitch_hz", [80, 130.0, 333.3, 720])
def test_a_steady_pitch(pitch_hz):
    found = harvest(voice(np.full(8000, pitch_hz)))
    assert found.shape == (51,) and found.dtype == np.float64
    np.testing.assert_allclose(found[5:-5], pitch_hz, rtol=2e-3)


def test_a_glide_is_followed_in_time():
    pitch_hz = np.linspace(110, 220, 16000)
    found = harvest(voice(pitch_hz))
    np.testing.assert_allclose(found[10:90], pitch_hz[1600:14400:160], rtol=2e-3)


def test_voice_between_pauses():
    """Found where it is, to 40 ms; the result is that of any loudness."""
    audio = np.zeros(24000)
    audio[8000:16000] = voice(np.full(8000, 200.0))
    audio += 1e-4 * np.random.default_rng(0).standard_normal(24000)
    found = harvest(audio)
    voiced = np.flatnonzero(found)
    assert abs(voiced[0] - 50) <= 4 and abs(voiced[-1] - 100) <= 4
    np.testing.assert_allclose(found[56:95], 200, rtol=2e-3)
    np.testing.assert_allclose(harvest(1e-3 * audio), found, rtol=1e-6)


def test_neither_noise_nor_silence_has_a_pitch():
    noise = np.random.default_rng(0).standard_normal(8000)
    assert np.count_nonzero(harvest(noise)) <= 10
    assert not harvest(np.zeros(8000)).any()


@pytest.mark.parametrize("num_samples", [3200, 3201, 3359, 3360])
def test_a_value_every_ten_milliseconds(num_samples):
    assert len(harvest(voice(np.full(num_samples, 150.0)))) == num_samples // 160 + 1


def contour(*sections, length=200):
    """Zeros but for (start, end, pitch or pitches), the end excluded."""
    values = np.zeros(length)
    for start, end, pitch in sections:
        values[start:end] = pitch
    return values


def test_short_sections_go_and_short_gaps_are_bridged():
    values = contour((10, 50, 120.0), (55, 100, 130.0), (120, 125, 150.0), (140, 190, 100.0))
    found = best_contour(values[:, None], np.where(values > 0, 9.0, 0.0)[:, None])
    expected = contour((10, 50, 120.0), (55, 100, 130.0), (140, 190, 100.0))
    expected[50:55] = 121 + (129 - 121) * np.arange(1, 6) / 6
    # The two frames behind a pause count as a jump, and are won back by extension.
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_best_candidate_wins_and_is_continued_along_its_neighbours():
    right, wrong = contour((20, 180, 200.0)), contour((20, 180, 100.0))
    candidates = np.stack([wrong, right], axis=1)
    scores = np.where(candidates > 0, [3.0, 8.0], 0.0)
    scores[100:140] = scores[100:140, ::-1]  # an octave error, for a while
    found = best_contour(candidates, scores)
    np.testing.assert_array_equal(found > 0, right > 0)
    np.testing.assert_array_equal(found[20:100], 200)


def test_smoothing_keeps_sections_apart_and_constants_as_they_are():
    values = contour((20, 80, 100.0), (80, 90, 0.0), (90, 150, np.linspace(200, 260, 60)))
    found = smoothed(values)
    np.testing.assert_allclose(found[20:80], 100, rtol=1e-9)
    np.testing.assert_array_equal(found > 0, values > 0)
    np.testing.assert_allclose(found[110:130], values[110:130], rtol=1e-2)
    assert np.abs(np.diff(found[90:150], 2)).max() < 0.1
