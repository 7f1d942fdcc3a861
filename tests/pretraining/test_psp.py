"""Codes, pairs and the mask of the psp stage."""

import jax
import numpy as np

from jaxtalk.ops.landmarks import EYES, MIRRORED, MOUTH
from jaxtalk.pretraining.psp.anchors import MEASURES, measure, motion_errors, places
from jaxtalk.pretraining.psp.autoencoder import changes, mirrored, swap_styles
from jaxtalk.pretraining.psp.model import feature_mask


def test_half_of_the_pairs_are_mirrored_with_their_landmarks():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (40, 2, 4, 6, 3), np.uint8)
    landmarks = rng.uniform(-1, 1, (40, 2, 68, 2)).astype(np.float32)
    pose = rng.normal(size=(40, 2, 6)).astype(np.float32)
    turned, points, turned_pose = mirrored(jax.random.key(0), video, landmarks, pose)
    flipped = [not np.array_equal(a, b) for a, b in zip(turned, video)]
    assert 10 < sum(flipped) < 30
    for i, flip in enumerate(flipped):
        np.testing.assert_array_equal(turned[i], video[i][:, :, ::-1] if flip else video[i])
        expected = landmarks[i][:, MIRRORED] * (-1, 1) if flip else landmarks[i]
        np.testing.assert_array_equal(points[i], expected)
        sides = (-1, 1, -1, -1, 1, 1) if flip else 1
        np.testing.assert_array_equal(turned_pose[i], pose[i] * np.float32(sides))


ANCHORS = {"yaw": 1, "eye_opening": 2, "x": 0, "mouth_opening": 2}


def test_measures_of_one_style_take_its_first_entries():
    styles, entries = places(ANCHORS)  # eye_opening, mouth_opening, x, yaw
    np.testing.assert_array_equal(styles, [2, 2, 0, 1])
    np.testing.assert_array_equal(entries, [0, 1, 0, 0])


def test_measures_see_what_moves():
    """A face to the right, a jaw that drops, lids that close and a head that turns."""
    rng = np.random.default_rng(0)
    points, pose = rng.uniform(-0.5, 0.5, (68, 2)), np.zeros(6)
    upper, lower = [61, 62, 63, 37, 38, 43, 44], [67, 66, 65, 41, 40, 47, 46]
    points[lower] = points[upper] + (0.0, 0.2)
    names = sorted(ANCHORS)
    unit = np.array([MEASURES[name][1] for name in names])

    def change(moved, pose_moved):
        before, after = (
            np.asarray(measure(ANCHORS, p.astype(np.float32), q.astype(np.float32))) * unit
            for p, q in ((points, pose), (moved, pose_moved))
        )
        return dict(zip(names, after - before))

    right, dropped, closed, turned = (
        points + np.array([0.1, 0]),
        points.copy(),
        points.copy(),
        pose.copy(),
    )
    dropped[lower[:3]] += (0.0, 0.1)
    closed[upper[3:]] = closed[lower[3:]]
    turned[0] = 0.3
    still = dict.fromkeys(names, 0.0)
    for found, expected in (
        (change(right, pose), {"x": 0.1}),
        (change(dropped, pose), {"mouth_opening": 0.1}),
        (change(closed, pose), {"eye_opening": -0.2}),
        (change(points, turned), {"yaw": 0.3}),
    ):
        expected = still | expected
        for name in names:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


def test_motion_has_no_error_where_it_belongs():
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(-1, 1, (3, 2, 68, 2)).astype(np.float32)
    pose = rng.normal(size=(3, 2, 6)).astype(np.float32)
    styles, entries = places(ANCHORS)
    offsets = np.zeros((3, 2, 5, 4), np.float32)
    offsets[:, :, styles, entries] = 0.2 * np.asarray(measure(ANCHORS, landmarks, pose))
    offsets += rng.normal(size=(3, 1, 5, 4)).astype(np.float32)  # who it is does not count
    offsets[:, 0, 4] += 1.0  # nor what the styles beyond `num_styles` do

    def errors(offsets):
        arguments = {"landmarks": landmarks, "pose": pose, "num_styles": 4}
        return motion_errors(ANCHORS, 0.2, offsets=offsets, **arguments)

    found = errors(offsets)
    np.testing.assert_allclose(found["anchor"], 0, atol=1e-6)
    np.testing.assert_allclose(found["stray"], 0, atol=1e-9)
    moved = offsets.copy()
    moved[0, 0, 1, 0] += 0.4  # yaw, two standard deviations
    moved[1, 0, 1, 1] += 0.4
    found = errors(moved)
    np.testing.assert_allclose(found["anchor"], [4 / 4, 0, 0], atol=1e-4)
    np.testing.assert_allclose(found["stray"], [0, 4 / (4 * 4 - 4), 0], atol=1e-5)


def test_mask_is_where_eyes_and_mouth_are():
    size, rng = 32, np.random.default_rng(0)
    landmarks = rng.uniform(-1, 1, (2, 68, 2)).astype(np.float32)
    mask = np.asarray(feature_mask(landmarks[:, 36:], size))
    np.testing.assert_array_equal(feature_mask(np.full_like(landmarks, np.nan), size), 0)
    y, x = np.mgrid[:size, :size] + 0.5
    for i in range(2):
        points = (landmarks[i, 36:].astype(float) + 1) * size / 2  # px
        squares = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
        np.testing.assert_allclose(mask[i], np.exp(-squares / 2).max(axis=0), atol=1e-5)


def test_changes_are_seen_apart_from_what_is_always_wrong():
    points = np.zeros((4, 68, 2), np.float32)
    points[:, EYES, 1], points[:, MOUTH, 1] = -0.5, 0.5
    real = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    fake = real + 0.3
    found = changes(real, fake, points)
    assert set(found) == {"eyes_change", "mouth_change"}
    for value in found.values():
        np.testing.assert_allclose(value, np.zeros(2), atol=1e-10)
    fake[2, :16] += 0.2  # the second pair: the first frame's upper half
    found = changes(real, fake, points)
    np.testing.assert_allclose(found["eyes_change"], [0, 0.04], atol=1e-5)
    np.testing.assert_allclose(found["mouth_change"], [0, 0], atol=1e-5)


def test_swap_styles_exchanges_the_later_styles_of_a_pair():
    styles = np.arange(4 * 5).reshape(4, 5, 1)
    found = np.asarray(swap_styles(styles, num_own=2))[..., 0]
    np.testing.assert_array_equal(
        found, [[0, 1, 7, 8, 9], [5, 6, 2, 3, 4], [10, 11, 17, 18, 19], [15, 16, 12, 13, 14]]
    )
