"""Pose boxes by what they must look like; `tests.test_parity` has the reference's pictures."""

import itertools

import numpy as np
import pytest

from jaxtalk.media import pose_box
from jaxtalk.nn import avct

STRAIGHT = (0.0, 0.0, 0.0, 0.0, 0.0, 240.0)


def pose(**changes):
    names = ("rx", "ry", "rz", "x", "y", "z")
    return np.array([{**dict(zip(names, STRAIGHT)), **changes}[name] for name in names])


def test_corners_of_a_straight_head():
    """Half sizes 75 at depth 240 and 100 at depth 340, focal length 233.333, centre 128."""
    points = pose_box.box_points(STRAIGHT)
    back, front = 233.333 * 75 / 240, 233.333 * 100 / 340
    turns = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)])
    np.testing.assert_allclose(points, 128 + np.concatenate([back * turns, front * turns]))


def test_rotations_are_about_the_axes():
    """A quarter turn takes the corners around; a small one moves them as a cross product does."""
    quarter = pose_box.box_points(pose(rz=np.pi / 2))
    np.testing.assert_allclose(quarter[1:5], pose_box.box_points(STRAIGHT)[0:4], atol=1e-9)
    vector = 1e-6 * np.array([0.3, -0.8, 0.5])
    corner = np.array([-75.0, 75.0, 0.0])
    moved = corner + np.cross(vector, corner) + (0, 0, 240)
    expected = 233.333 * moved[:2] / moved[2] + 128
    found = pose_box.box_points([*vector, 0, 0, 240])[1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def distance_to_segment(x, y, start, end):
    start, end = np.asarray(start, float), np.asarray(end, float)
    direction = end - start
    share = ((x - start[0]) * direction[0] + (y - start[1]) * direction[1]) / (direction**2).sum()
    share = np.clip(share, 0, 1)
    return np.hypot(x - start[0] - share * direction[0], y - start[1] - share * direction[1])


@pytest.mark.parametrize(
    "values",
    [
        STRAIGHT,
        (0.2, -0.3, 0.1, 12.5, -8.3, 260.0),
        (-0.5, 0.55, 0.4, 90.0, -60.0, 300.0),  # partly outside
        (0.1, 0.2, -0.6, -120.0, 128.0, 150.0),  # mostly outside
    ],
)
def test_lines_are_near_the_edges_and_nowhere_else(values):
    """Two pixels wide: lit to 0.5 px from an edge, dark from 2.5 px on.

    Edges that leave the picture are cut at whole pixels, which turns them a little.
    """
    points = np.trunc(pose_box.box_points(values))
    loop = [*points, points[0]]
    edges = [*itertools.pairwise(loop), *((points[i], points[i + 5]) for i in (1, 2, 3))]
    edges = [(a, b) for a, b in edges if (a != b).any()]
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    distance = np.min([distance_to_segment(x, y, a, b) for a, b in edges], axis=0)
    (box,) = pose_box.pose_boxes([values])
    assert box.dtype == np.uint8 and set(np.unique(box)) == {0, 255}
    assert (box[distance <= 0.5] == 255).all()
    assert (box[distance >= 2.5] == 0).all()


def test_boxes_do_not_mix_and_keep_their_order():
    poses = np.array([STRAIGHT, pose(rx=0.3, x=20), pose(ry=-0.4, y=10)])
    boxes = pose_box.pose_boxes(poses)
    assert boxes.shape == (3, avct.POSE_MAP_SIZE, avct.POSE_MAP_SIZE)
    for values, box in zip(poses, boxes):
        np.testing.assert_array_equal(pose_box.pose_boxes(values), box)
    assert pose_box.pose_boxes(poses.reshape(1, 3, 6)).shape == (1, 3, 256, 256)


@pytest.mark.parametrize(
    "values",
    [pose(x=1e4), pose(z=0.0), pose(z=-100.0), pose(z=1e-9), pose(z=-50.0, rx=1.0, x=1e6)],
)
def test_no_pose_breaks_a_long_job(values):
    """Outside of the picture, beside the camera and behind it."""
    assert pose_box.pose_boxes(values).shape == (256, 256)
