"""Motion metrics on poses, blinks, spectra and pauses that are known."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import motion as metrics


def projected(angles, scale=4.0):
    """[T, 68, 2] px of the mean head's rigid points at angles [T, 3], orthographic."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(angles).T, np.sin(angles).T
    zero, one = np.zeros_like(cy), np.ones_like(cy)
    about_y = np.array([[cy, zero, sy], [zero, one, zero], [-sy, zero, cy]])
    about_x = np.array([[one, zero, zero], [zero, cp, -sp], [zero, sp, cp]])
    about_z = np.array([[cr, -sr, zero], [sr, cr, zero], [zero, zero, one]])
    turned = np.einsum("abt,bct,cdt,nd->tna", about_z, about_y, about_x, metrics.RIGID_CM)
    points = np.zeros((len(angles), 68, 2))
    points[:, metrics.RIGID] = 100 + scale * turned[..., :2] * (1, -1)
    return points


def test_head_pose_of_an_exact_projection():
    angles = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    np.testing.assert_allclose(metrics.head_pose(projected(angles)), angles, atol=1e-9)


def test_a_nose_to_the_right_is_a_positive_yaw():
    points = projected(np.zeros((1, 3)))
    points[:, 27:36, 0] += 5
    yaw, pitch, roll = metrics.head_pose(points)[0]
    assert yaw > 0.1 and abs(pitch) < 1e-9 and abs(roll) < 0.1


def test_head_pose_bears_noise_and_another_size():
    angles = np.random.default_rng(0).uniform(-0.4, 0.4, (200, 3))
    points = projected(angles, scale=2.0)  # a head of 64 px pictures
    points += np.random.default_rng(1).normal(0, 0.3, points.shape)
    found = metrics.head_pose(points)
    assert metrics.pose_correlation(found, angles, "yaw") > 0.95
    assert metrics.pose_correlation(found, angles, "pitch") > 0.9


def test_pose_correlation():
    source = np.random.default_rng(0).standard_normal((80, 6))
    fake = 0.5 * source[:, :3] + 2
    fake[:, 1] *= -1
    assert metrics.pose_correlation(fake, source, "yaw") == pytest.approx(1)
    assert metrics.pose_correlation(fake, source, "pitch") == pytest.approx(-1)
    still = np.ones((80, 3))
    for angle in ("yaw", "pitch"):
        assert metrics.pose_correlation(still, source, angle) == 0
        with pytest.raises(UserError, match="found a constant"):
            metrics.pose_correlation(fake, still, angle)
    with pytest.raises(UserError, match="found shapes"):
        metrics.pose_correlation(fake[:70], source, "yaw")
    with pytest.raises(UserError, match="expected yaw and pitch"):
        metrics.pose_correlation(fake[:, :1], source, "yaw")


def test_an_angle_of_the_source_that_does_not_move_is_no_fault_of_the_other():
    source = np.random.default_rng(0).standard_normal((80, 3))
    source[:, 0] = 0.2
    assert metrics.pose_correlation(source, source, "pitch") == pytest.approx(1)
    with pytest.raises(UserError, match="found a constant"):
        metrics.pose_correlation(source, source, "yaw")


def spectra(clips):
    return np.stack([metrics.pose_spectrum(clip) for clip in clips])


def test_variance_and_spectrum_of_a_motion_made_larger():
    real = np.random.default_rng(0).standard_normal((12, 100, 3)) * (1, 1e-3, 100)
    fake = 1.5 * real + 7
    variance = [np.stack([metrics.pose_variance(c) for c in clips]) for clips in (fake, real)]
    np.testing.assert_allclose(metrics.variance_ratio(*variance), np.full(3, 2.25))
    assert spectra(real).shape == (12, 5, 3)
    distance = metrics.spectrum_distance(spectra(fake), spectra(real))
    assert distance == pytest.approx(20 * np.log10(1.5))
    assert metrics.spectrum_distance(spectra(real), spectra(real)) == 0
    still = metrics.spectrum_distance(spectra(np.ones_like(real)), spectra(real))
    assert still == pytest.approx(30, abs=1)


def test_spectrum_of_white_noise_is_flat_and_in_units_per_hz():
    """Of variance 1 at 25 fps, the density up to 12.5 Hz is 1 / 12.5."""
    spectrum = metrics.pose_spectrum(np.random.default_rng(0).standard_normal((40_000, 1)))
    np.testing.assert_allclose(spectrum[1:], 0.08, rtol=0.1)


@pytest.mark.parametrize(("hz", "octave"), [(0.6, 0), (2.2, 2), (4.5, 3), (9.0, 4)])
def test_spectrum_finds_the_octave_of_a_tone(hz, octave):
    tone = np.sin(2 * np.pi * hz * np.arange(128) / 25)[:, None]
    assert metrics.pose_spectrum(tone).argmax() == octave


def test_spectrum_distance_does_not_depend_on_lengths():
    rng = np.random.default_rng(0)
    long, short = rng.standard_normal((20, 400, 2)), rng.standard_normal((200, 80, 2))
    assert metrics.spectrum_distance(spectra(long), spectra(short)) < 0.5


def test_noise_of_the_measurement_is_no_motion():
    time = np.arange(100) / 25
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 7, (10, 1))
    real = 0.1 * np.sin(2 * np.pi * 0.5 * time + phases)[..., None]
    noisy = real + rng.normal(0, 0.002, real.shape)
    assert metrics.spectrum_distance(spectra(noisy), spectra(real)) < 0.5
    shaking = real + rng.normal(0, 0.05, real.shape)
    assert metrics.spectrum_distance(spectra(shaking), spectra(real)) > 5


def eyes(blink_frames, num_frames=250, length=7, noise=0.0, seed=0):
    """Eye opening with blinks of a few frames around given ones, on a slow change."""
    opening = 0.3 + 0.05 * np.sin(np.arange(num_frames) / 40)
    for frame in blink_frames:
        away = np.abs(np.arange(num_frames) - frame)
        opening *= np.clip(away / (length / 2), 0.08, 1)
    return opening + np.random.default_rng(seed).normal(0, noise, num_frames)


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("length", [4, 7, 12])
def test_finds_blinks(length, noise):
    expected = [2, 40, 61, 150, 248]
    found = metrics.blinks(eyes(expected, length=length, noise=noise))
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() <= 2


def test_blink_rate_does_not_depend_on_the_unit_of_the_opening():
    opening = eyes([40, 61, 150])
    assert metrics.blink_rate(opening) == pytest.approx(3 / 10 * 60)
    assert metrics.blink_rate(100 * opening) == metrics.blink_rate(opening)


def test_what_is_no_blink():
    wrong = np.full(250, 0.3)
    wrong[[30, 90]] = 0.0  # single frames
    squint = np.full(250, 0.3)
    squint[60:180] = 0.18
    asleep = np.full(250, 0.3)
    asleep[60:85] = 0.0
    narrow = eyes([], 250)
    narrow[100:103] *= 0.6
    for opening in (np.full(250, 0.3), np.zeros(250), wrong, squint, asleep, narrow):
        assert metrics.blink_rate(opening) == 0
    noise = 0.3 + np.random.default_rng(0).normal(0, 0.04, 5000)
    assert metrics.blink_rate(noise) == 0


def test_seed_diversity():
    base = np.random.default_rng(0).standard_normal((10, 3))
    poses = np.stack([base, base + np.array([3, 0, 4]), base])
    assert metrics.seed_diversity(poses) == pytest.approx({"mean": 10 / 3, "closest": 0})
    landmarks = np.zeros((2, 10, 68, 2))
    landmarks[1, :, :34] = (0.3, 0.4)
    assert metrics.seed_diversity(landmarks) == pytest.approx({"mean": 0.25, "closest": 0.25})
    with pytest.raises(UserError, match="found length 1, expected at least 2"):
        metrics.seed_diversity(poses[:1])


def speech(spoken, noise=1e-3, seed=0):
    """[640 T] noise that is loud where bool [T] `spoken` is."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(640 * len(spoken)) * np.repeat(np.where(spoken, 0.3, noise), 640)


def test_pauses():
    spoken = np.ones(60, bool)
    spoken[20:30] = spoken[40:44] = spoken[57:] = False  # 0.4 s; a closure; the clip's end
    expected = ~spoken
    expected[40:44] = False
    audio = speech(spoken)
    for scaled in (audio, (32767 * 0.5 * audio).astype(np.int16), audio[:-300]):
        np.testing.assert_array_equal(metrics.pauses(scaled, 60), expected)


def test_silence_score():
    spoken = np.repeat([True, False, True, False], 15)
    audio = speech(spoken)
    swing = np.sin(np.arange(60) * 2.0)
    assert metrics.silence_score(swing, audio) == pytest.approx(1, rel=0.3)
    quiet = np.where(spoken, swing, 0.0)
    # It closes during the first two frames of a pause.
    quiet[[15, 45]] = 0.3
    assert metrics.silence_score(quiet, audio) == pytest.approx(0, abs=1e-12)
    half = np.where(spoken, swing, 0.5 * swing)
    expected = 0.25 * metrics.silence_score(swing, audio)
    assert metrics.silence_score(half, audio) == pytest.approx(expected)
    assert metrics.silence_score(np.stack([half, half], 1), audio) == pytest.approx(expected)


def test_a_mouth_that_is_still_in_speech_scores_one():
    spoken = np.repeat([True, False, True, False], 15)
    audio = speech(spoken)
    time = np.arange(60)
    rounding = np.where(spoken, 1e-8 * np.sin(time), 0.0)
    only_in_pauses = np.where(spoken, 0.0, np.sin(time))
    for mouth in (np.zeros(60), np.full((60, 2), 0.05), 0.05 + rounding, only_in_pauses):
        assert metrics.silence_score(mouth, audio) == 1
    assert metrics.silence_score(0.05 + 1e4 * rounding, audio) < 0.1, "small, but it moves"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.pauses(np.zeros(640 * 9), 9), "found only zeros"),
        (lambda: metrics.pauses(np.ones(640 * 8), 9), "expected at least 5121"),
        (lambda: metrics.silence_score(np.arange(30.0), speech(np.ones(30, bool))), "0 of 30"),
        (lambda: metrics.silence_score(np.ones(30), speech(np.ones(30, bool))), "0 of 30"),
        (lambda: metrics.pose_spectrum(np.zeros((63, 3))), "found length 63, expected at least 64"),
        (lambda: metrics.variance_ratio(np.ones((2, 3)), np.zeros((4, 3))), "found none"),
        (lambda: metrics.pose_variance(np.zeros((1, 3))), "found length 1"),
        (lambda: metrics.head_pose(np.zeros((4, 5, 2))), r"expected \[T, 68, 2\]"),
        (lambda: metrics.blinks(np.array([0.3, np.nan, 0.3])), "found NaN"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(UserError, match=message):
        call()
