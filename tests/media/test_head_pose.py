"""Poses of meshes that a camera of its own has projected."""

import numpy as np
import pytest

from jaxtalk.media import head_pose as lib
from tfds_builders.procedural_heads.render import rotation_matrix

SIZE, FOCAL = (240, 320), 500.0


def heads(count, seed=0):
    """Canonical meshes [468, 3] with random points beside the rigid ones; true poses [count, 6]."""
    rng = np.random.default_rng(seed)
    mesh = rng.normal(0, 4, (468, 3))
    mesh[lib.RIGID_INDICES] = lib.RIGID_POINTS
    angles = rng.uniform(-1, 1, (count, 3)) * (0.7, 0.4, 0.4)
    places = rng.uniform(-1, 1, (count, 3)) * (8, 6, 20) + (0, 0, -70)
    return mesh, np.concatenate([angles, places], axis=1)


def projected(mesh, poses):
    """What a face mesh sees: px of a perspective camera; depths at the scale of the head's own."""
    turned = np.stack([mesh @ rotation_matrix(*pose[:3]).T for pose in poses])
    seen = turned + poses[:, None, 3:]
    scale = FOCAL / -seen[..., 2:]
    x, y = seen[..., :1] * scale + SIZE[1] / 2, -seen[..., 1:2] * scale + SIZE[0] / 2
    z = -turned[..., 2:] * (FOCAL / -poses[:, None, None, 5]) + 7.0  # its zero is anywhere
    return np.concatenate([x, y, z], axis=-1)


def test_exact_points_give_the_exact_pose():
    mesh, poses = heads(50)
    found = lib.head_pose(projected(mesh, poses), SIZE, focal_px=FOCAL)
    assert found.shape == (50, 6) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, :3], poses[:, :3], atol=1e-4)
    np.testing.assert_allclose(found[:, 3:], poses[:, 3:], atol=0.02)


def test_signs():
    """To the right of the picture, down, and crown to the left are positive."""
    mesh, _ = heads(1)
    ahead, turned = np.zeros((2, 6))
    ahead[5] = turned[5] = -70.0
    turned[:3] = 0.2, 0.1, 0.15
    before, after = (
        projected(mesh, np.array([pose]))[0] for pose in (ahead, [0.2, 0, 0, 0, 0, -70])
    )
    assert after[4, 0] > before[4, 0] + 5  # the tip of the nose, x
    down = projected(mesh, np.array([[0, 0.2, 0, 0, 0, -70]]))[0]
    assert down[4, 1] > before[4, 1] + 5
    tilted = projected(mesh, np.array([[0, 0, 0.2, 0, 0, -70]]))[0]
    assert tilted[10, 0] < before[10, 0] - 5  # the forehead
    found = lib.head_pose(projected(mesh, np.array([turned])), SIZE, focal_px=FOCAL)
    np.testing.assert_allclose(found[0], turned, atol=1e-3)


def test_another_focal_length_changes_the_distance_only():
    mesh, poses = heads(30)
    poses[:, 3:5] = 0
    found = lib.head_pose(projected(mesh, poses), SIZE, focal_px=1.5 * FOCAL)
    np.testing.assert_allclose(found[:, 5], 1.5 * poses[:, 5], rtol=0.1)
    np.testing.assert_allclose(found[:, :3], poses[:, :3], atol=0.06)
    twice = lib.head_pose(projected(mesh, poses), SIZE)
    np.testing.assert_allclose(
        twice, lib.head_pose(projected(mesh, poses), SIZE, focal_px=640.0), atol=1e-5
    )


def test_noise_of_a_pixel_moves_it_little():
    mesh, poses = heads(40)
    noise = np.random.default_rng(1).normal(0, 0.7, (40, 468, 3))
    found = lib.head_pose(projected(mesh, poses) + noise, SIZE, focal_px=FOCAL)
    error = abs(found - poses)[:, :3].mean(0)
    assert (error < 0.012).all(), error


def test_head_frame_takes_the_pose_and_the_size_away():
    mesh, poses = heads(20)
    poses[:, :3] *= 0.5
    far = poses * (1, 1, 1, 0, 0, 100)  # so far away that perspective is none
    seen = projected(mesh, far) * 1000.0
    found = lib.head_frame(seen)
    assert found.shape == (20, 468, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(mesh, found.shape), atol=0.05)


def test_table_is_symmetric():
    assert len(set(lib.RIGID_INDICES.tolist())) == 33
    mirrored = lib.RIGID_POINTS * (-1, 1, 1)
    distance = np.linalg.norm(mirrored[:, None] - lib.RIGID_POINTS[None], axis=-1)
    np.testing.assert_allclose(distance.min(1), 0)
    left = lib.RIGID_POINTS[lib.RIGID_INDICES.tolist().index(33)]
    assert left[0] < 0  # outer corner of the eye on the left of the picture


@pytest.mark.parametrize("shape", [(468, 3), (4, 478, 3), (4, 468, 2)])
def test_other_arrays_are_named(shape):
    with pytest.raises(ValueError, match="meshes: found"):
        lib.head_pose(np.zeros(shape), SIZE)
    with pytest.raises(ValueError, match="finite"):
        lib.head_frame(np.full((2, 468, 3), np.nan))
