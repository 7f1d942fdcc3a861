"""Landmark metrics on points whose distances are known."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import landmarks as metrics

DISTANCES = [metrics.lmd, metrics.mouth_lmd, metrics.face_lmd, metrics.normalised_lmd]


def faces(num_frames=6, seed=0):
    """[T, 68, 2] px of a face that moves a little at random."""
    rng = np.random.default_rng(seed)
    return rng.uniform(40, 200, (68, 2)) + rng.standard_normal((num_frames, 68, 2))


def test_lmd_absolute_is_in_px():
    real = faces()
    np.testing.assert_allclose(
        metrics.lmd_absolute(real + np.array([3, -4]), real), np.full(6, 5.0)
    )


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_do_not_see_shifts(distance):
    fake, real = faces(seed=1), faces(seed=2)
    shift = np.random.default_rng(3).uniform(-20, 20, (6, 1, 2))
    assert distance(fake, real).shape == (6,)
    np.testing.assert_allclose(distance(real + shift, real), 0, atol=1e-12)
    np.testing.assert_allclose(distance(fake + shift, real), distance(fake, real))
    np.testing.assert_allclose(distance(fake, real), distance(real, fake))


def test_known_distances():
    """Half of a set of points moves right by 2, half left: each is 2 off its place."""
    real = faces()
    fake = real.copy()
    fake[:, 48:58] += (2, 0)
    fake[:, 58:68] -= (2, 0)
    np.testing.assert_allclose(metrics.mouth_lmd(fake, real), 2)
    np.testing.assert_allclose(metrics.face_lmd(fake, real), 0, atol=1e-12)
    np.testing.assert_allclose(metrics.lmd(fake, real), 2 * 20 / 68)


def test_each_set_is_centred_on_its_own_mean():
    real = faces()
    fake = real.copy()
    fake[:, 48:] += (6, 0)
    np.testing.assert_allclose(metrics.mouth_lmd(fake, real), 0, atol=1e-12)
    # The mean of all points moves by 6 * 20 / 68.
    expected = (48 * 6 * 20 / 68 + 20 * 6 * 48 / 68) / 68
    np.testing.assert_allclose(metrics.lmd(fake, real), expected)


def test_normalised_lmd_does_not_see_the_resolution():
    fake, real = faces(seed=1), faces(seed=2)
    expected = metrics.normalised_lmd(fake, real)
    np.testing.assert_allclose(metrics.normalised_lmd(4 * fake, real), expected)


def test_normalised_lmd_is_in_face_sizes():
    """All of a face within a box of 160 x 90 px, of size 120."""
    real = np.clip(faces(), (60, 80), (170, 150))
    real[:, :2] = (20, 60), (180, 150)
    fake = real.copy()
    fake[:, 48:58] += (2, 0)
    fake[:, 58:68] -= (2, 0)
    np.testing.assert_allclose(metrics.normalised_lmd(fake, real), 2 / 120)


def portrait(opening=0.0, eye=1.0):
    """[68, 2]: face height 100, eyes of width 10, lips and lids at a distance."""
    points = np.zeros((68, 2))
    points[8] = (0, 100)
    points[48:68, 1] = 60
    points[[61, 62, 63], 1] -= opening / 2
    points[[65, 66, 67], 1] += opening / 2
    for first, x in ((36, -20), (42, 10)):
        points[first : first + 6, 0] = x + np.array([0, 3, 7, 10, 7, 3])
        points[first : first + 6, 1] = 20 + np.array([0, -eye, -eye, 0, eye, eye])
    return points


def test_openings():
    clip = np.stack([portrait(0, 2), portrait(10, 0), portrait(5, 1)])
    turned = clip @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 3 + 50
    for points in (clip, turned):
        np.testing.assert_allclose(metrics.mouth_opening(points), [0, 0.10, 0.05], atol=1e-12)
        np.testing.assert_allclose(metrics.eye_opening(points), [0.4, 0, 0.2], atol=1e-12)
        assert metrics.face_height(points[:1]) == pytest.approx(metrics.face_height(points))


def test_jerk_of_a_cubic():
    """All points at t^3 px: third difference 6 px a frame^3."""
    shift = np.arange(8.0)[:, None, None] ** 3 * (1, 0)
    np.testing.assert_allclose(metrics.jerk(portrait() + shift, fps=25), np.full(5, 0.06 * 25**3))


def test_acceleration_ratio():
    swing = np.sin(np.arange(40) / 3)[:, None, None] * (2, 1)
    real = portrait() + swing
    assert metrics.acceleration_ratio(real, real) == pytest.approx(1)
    assert metrics.acceleration_ratio(portrait() + 1.3 * swing[:30], real) == pytest.approx(
        1.3, rel=0.1
    )
    assert metrics.acceleration_ratio(5 * real, real) == pytest.approx(1)  # another resolution
    drift = np.arange(40.0)[:, None, None] * (1, 1)
    assert metrics.acceleration_ratio(real + drift, real) == pytest.approx(1)
    jitter = np.random.default_rng(0).normal(0, 0.5, real.shape)
    assert metrics.acceleration_ratio(real + jitter, real) > 2
    assert metrics.acceleration_ratio(np.repeat(real[:1], 9, axis=0), real) == 0


@pytest.mark.parametrize("distance", [*DISTANCES, metrics.lmd_absolute])
def test_refuses_lengths_that_differ(distance):
    with pytest.raises(UserError, match="fake and real: found shapes"):
        distance(faces(5), faces(6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mouth_opening(np.zeros((3, 67, 2))), r"expected \[T, 68, 2\]"),
        (lambda: metrics.mouth_opening(np.zeros((3, 68, 2))), "face height of 0"),
        (lambda: metrics.eye_opening(np.zeros((3, 68, 2))), "width of an eye of 0"),
        (lambda: metrics.jerk(faces(3)), "found length 3, expected at least 4"),
        (lambda: metrics.acceleration_ratio(faces(), np.stack([portrait()] * 5)), "acceleration"),
        (lambda: metrics.lmd(np.full((2, 68, 2), np.inf), faces(2)), "fake: found NaN or infinity"),
        (lambda: metrics.lmd(np.zeros((0, 68, 2)), faces(2)), "found length 0"),
        (lambda: metrics.normalised_lmd(np.zeros((2, 68, 2)), faces(2)), "fake: found a face size"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(UserError, match=message):
        call()
