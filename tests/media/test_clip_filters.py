"""Measures of clips made to be good or bad."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageFilter

from jaxtalk.media import clip_filters as lib

GOOD = lib.ClipMeasures(120.0, 0.3, 3.0, 0.0, -23.0, 0.8)


def texture(size, seed=0):
    """Soft noise whose grain is a 32nd of the picture, as a sharp face's detail."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (size // 4, size // 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))


def test_sharpness_falls_with_blur_and_not_with_size_or_contrast():
    image = texture(256)
    box = (0, 0, 256, 256)
    values = []
    for radius in (0, 2, 4, 8):
        blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))
        values.append(lib.sharpness(np.asarray(blurred), box))
    assert all(sharp > 1.5 * blurred for sharp, blurred in itertools.pairwise(values))
    twice = np.asarray(Image.fromarray(image).resize((512, 512), Image.Resampling.BICUBIC))
    assert lib.sharpness(twice, (0, 0, 512, 512)) == pytest.approx(values[0], rel=0.1)
    pale = (image // 2 + 60).astype(np.uint8)
    assert lib.sharpness(pale, box) == pytest.approx(values[0], rel=0.05)
    assert lib.sharpness(np.full_like(image, 90), box) == 0.0


def test_sharpness_of_the_face_alone():
    image = np.full((256, 256, 3), 90, np.uint8)
    image[:128, :128] = texture(128)
    assert lib.sharpness(image, (0, 0, 128, 128)) > 0.1
    assert lib.sharpness(image, (140, 140, 240, 240)) < 1e-6


def test_face_px():
    boxes = np.array([[0, 0, 10, 20], [0, 0, 30, 24], [0, 0, 300, 100]], np.float32)
    assert lib.face_px(boxes) == 30.0


def test_loudness():
    time_s = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 200 * time_s)
    assert lib.loudness_db(tone) == pytest.approx(-3.01, abs=0.01)
    assert lib.loudness_db((0.1 * tone * 32767).astype(np.int16)) == pytest.approx(-23.01, abs=0.01)
    assert lib.loudness_db(np.zeros(100, np.int16)) == lib.loudness_db(np.zeros(0)) == -100.0


def bursts(spans, seconds=4.0, noise=0.001):
    rng = np.random.default_rng(0)
    audio = rng.normal(0, noise, round(16000 * seconds))
    for start, stop in spans:
        part = slice(round(16000 * start), round(16000 * stop))
        audio[part] += rng.normal(0, 0.1, part.stop - part.start)
    return audio


def test_speech_frames():
    # The break from 1.40 to 1.46 s is a closure.
    audio = bursts([(0.8, 1.4), (1.46, 2.0), (3.0, 3.2)])
    expected = np.zeros(100, bool)
    expected[20:50] = expected[75:80] = True
    np.testing.assert_array_equal(lib.speech_frames(audio), expected)
    np.testing.assert_array_equal(
        lib.speech_frames(np.round(audio * 32768).astype(np.int16)), expected
    )


@pytest.mark.parametrize("noise", [0.0, 1e-5, 0.1])
def test_silence_and_steady_noise_are_no_speech(noise):
    assert not lib.speech_frames(bursts([], noise=noise)).any()


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (640, 1), (641, 2), (16000, 25)])
def test_frames_cover_the_recording(samples, frames):
    assert lib.speech_frames(np.zeros(samples, np.int16)).shape == (frames,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"face_px": 40.0}, "face too small: found face_px 40, expected at least 64"),
        ({"sharpness": 0.001}, "blurred: found sharpness 0.001"),
        ({"sharpness": float("nan")}, "blurred: found sharpness nan"),
        ({"duration_s": 0.4}, "too short: found duration_s 0.4"),
        ({"padding": 0.5}, "face at the border: found padding 0.5, expected at most 0.25"),
        ({"loudness_db": None}, "no audio"),
        ({"loudness_db": -80.0}, "silent: found loudness_db -80"),
        ({"speech_part": 0.1}, "no speech: found speech_part 0.1"),
    ],
)
def test_reasons(change, reason):
    found = lib.reject_reason(GOOD._replace(**change))
    assert found is None if reason is None else found.startswith(reason)


def test_limits_can_be_set():
    assert lib.reject_reason(GOOD, lib.ClipLimits(min_face_px=200)).startswith("face too small")
