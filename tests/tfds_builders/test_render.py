"""Pictures and their annotations agree; the compiled kernels agree with plain numpy."""

import numpy as np
import pytest

from tests.tfds_builders.drawn_heads import picture, scene_of
from tfds_builders.procedural_heads import hair, identity, locks, raster, render
from tfds_builders.procedural_heads.expression import NUM_EXPRESSION
from tfds_builders.procedural_heads.shape import Surface

SIZE = 64


@pytest.fixture(scope="module")
def scenes():
    return [scene_of(seed, SIZE, style="short") for seed in range(3)]


def grey(image):
    return image.astype(np.float64).mean(axis=2)


def test_dark_pixels_of_the_mouth_follow_the_true_opening(scenes):
    for scene in scenes:
        opening, dark = [], []
        shut = picture(scene)
        low, high = shut.landmarks[48:].min(axis=0), shut.landmarks[48:].max(axis=0)
        columns = slice(int(low[0]) + 1, int(high[0]))
        rows = slice(int(low[1]) - 2, int(high[1]) + 10)
        threshold = 0.55 * np.median(grey(shut.image)[rows, columns])
        for jaw in np.linspace(0.0, 1.8, 10):
            frame = picture(scene, jaw_open=jaw, tongue_up=0.0)
            opening.append(frame.landmarks[66, 1] - frame.landmarks[62, 1])
            dark.append((grey(frame.image)[rows, columns] < threshold).sum())
        assert opening[0] < 0.5 and opening[-1] > 3.0
        assert np.corrcoef(opening, dark)[0, 1] > 0.9


def test_lips_sealed_by_press_whatever_the_jaw_does(scenes):
    frame = picture(scenes[0], jaw_open=0.6, lip_press=1.0)
    assert abs(frame.mesh[62, 1] - frame.mesh[66, 1]) < 0.03  # cm
    frame = picture(scenes[0], jaw_open=0.6)
    assert np.linalg.norm(frame.mesh[62] - frame.mesh[66]) == pytest.approx(0.6, rel=0.15)


def test_lid_landmarks_follow_blink_wide_and_squint(scenes):
    def open_cm(**parameters):
        mesh = picture(scenes[0], **parameters).mesh
        return mesh[37, 1] - mesh[41, 1]

    assert open_cm(blink_left=1.0) < 0.03 < 0.4 < open_cm()
    assert open_cm(eye_wide=1.0) > open_cm() + 0.1
    assert open_cm(squint=1.0) < open_cm() - 0.1
    assert open_cm(blink_right=1.0) == open_cm()


def test_pupils_are_between_the_lids_and_vanish_in_a_blink():
    scene = scene_of(1, 128, style="short")
    seen = picture(scene)
    shut = picture(scene, blink_left=1.0, blink_right=1.0)
    for first in (36, 42):
        centre = seen.landmarks[first : first + 6].mean(axis=0)
        column, row = (int(v) for v in centre)
        window = (slice(row - 2, row + 3), slice(column - 2, column + 3))
        assert grey(seen.image)[window].min() < 0.5 * grey(shut.image)[window].mean()


def test_pose_turns_as_documented(scenes):
    straight = picture(scenes[0]).landmarks
    tip, eyes = 30, slice(36, 48)
    yaw = picture(scenes[0], (0.3, 0.0, 0.0)).landmarks
    assert (yaw[tip] - yaw[eyes].mean(0))[0] > (straight[tip] - straight[eyes].mean(0))[0] + 2
    pitch = picture(scenes[0], (0.0, 0.25, 0.0)).landmarks
    assert (pitch[tip] - pitch[eyes].mean(0))[1] > (straight[tip] - straight[eyes].mean(0))[1]
    roll = picture(scenes[0], (0.0, 0.0, 0.2)).landmarks
    assert roll[27, 0] - roll[8, 0] < straight[27, 0] - straight[8, 0] - 2


def test_a_straight_face_is_symmetrical_and_mesh_has_no_pose(scenes):
    frame = picture(scenes[0])
    mirrored = SIZE - frame.landmarks[:, 0]
    for left, right in ((0, 16), (17, 26), (31, 35), (36, 45), (39, 42), (48, 54), (60, 64)):
        assert mirrored[right] == pytest.approx(frame.landmarks[left, 0], abs=0.02)
    turned = picture(scenes[0], (0.3, 0.1, 0.1))
    np.testing.assert_allclose(turned.mesh, frame.mesh, atol=1e-9)


def test_landmarks_are_the_projected_mesh(scenes):
    rotation, position = (0.2, -0.1, 0.05), np.array([1.0, -2.0, -75.0])
    frame = render.render(scenes[1], np.zeros(NUM_EXPRESSION), rotation, position)
    points = frame.mesh[:68] @ render.rotation_matrix(*rotation).T + position
    focal = scenes[1].camera.focal * SIZE
    expected = SIZE / 2 + focal * points[:, :2] / -points[:, 2:] * (1, -1)
    np.testing.assert_allclose(frame.landmarks, expected, atol=1e-6)


def test_resolutions_show_the_same_picture():
    small, large = (picture(scene_of(5, size, style="bald"), jaw_open=1.0) for size in (64, 128))
    np.testing.assert_allclose(large.landmarks, 2 * small.landmarks, atol=1e-6)
    face = (slice(20, 60), slice(20, 44))
    shrunk = large.image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small.image)[face].mean() < 6.0


@pytest.mark.parametrize("style", list(hair.STYLES))
def test_hair_is_finite_and_leaves_the_face_free(style):
    rng = np.random.default_rng(3)
    person = identity.sample_person(rng)
    person = person._replace(hair=person.hair._replace(style=style, beard="full"))
    surface = Surface(person.shape)
    points, depth = hair.grow(rng, surface, person.hair, density=0.2)
    assert np.isfinite(points).all() and len(points) == len(depth)
    eyes = (np.abs(points[..., 0]) < 4.5) & (np.abs(points[..., 1] - person.shape.eye_y) < 0.8)
    assert not (eyes & (points[..., 2] > 3.0)).any()
    strands = locks.make(rng, surface, person, surface.point(np.zeros(9), np.arange(9.0)), 0.2)
    assert all(np.isfinite(part).all() for part in strands)
    assert (strands.follow >= 0).sum() > 500  # beard and brows move with the face


def test_rasterise_finds_the_nearest_triangle():
    rng = np.random.default_rng(0)
    screen = rng.uniform(-3.0, 19.0, (30, 3))
    triangles = rng.integers(0, 30, (40, 3)).astype(np.int32)
    depth = np.full((16, 16), raster.FAR)
    face = np.full((16, 16), raster.EMPTY, np.int32)
    weight = np.zeros((16, 16, 2))
    raster.rasterise(screen, triangles, depth, face, weight)

    rows, columns = np.mgrid[:16, :16]
    expected, nearest = np.full((16, 16), raster.FAR), np.full((16, 16), raster.EMPTY)
    for index, (a, b, c) in enumerate(screen[triangles]):
        matrix = np.array([b - a, c - a])[:, :2].T
        if np.linalg.det(matrix) >= -1e-9:  # seen from behind
            continue
        offsets = np.stack([columns - a[0], rows - a[1]]).reshape(2, -1)
        u, v = np.linalg.solve(matrix, offsets).reshape(2, 16, 16)
        z = a[2] + u * (b - a)[2] + v * (c - a)[2]
        nearer = (u >= 0) & (v >= 0) & (u + v <= 1) & (z < expected)
        expected[nearer], nearest[nearer] = z[nearer], index
    assert (nearest >= 0).sum() > 50
    np.testing.assert_array_equal(face, nearest)
    np.testing.assert_allclose(depth, expected, rtol=1e-9)


def test_normals_of_a_sphere_point_outwards():
    theta, phi = np.meshgrid(np.linspace(0.2, 2.9, 30), np.linspace(0, 6.0, 40), indexing="ij")
    points = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    index = np.arange(1200).reshape(30, 40)
    a, b, c = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[:-1, 1:].ravel()
    triangles = np.stack([a, b, c], axis=1).astype(np.int32)
    normals = raster.vertex_normals(points.reshape(-1, 3), triangles, np.zeros(len(a), np.uint8))
    inner = index[2:-2, 2:-2].ravel()
    assert (normals[inner] * points.reshape(-1, 3)[inner]).sum(1).min() > 0.98


def test_move_is_a_weighted_sum_of_fields():
    rng = np.random.default_rng(0)
    neutral, fields, values = (
        rng.normal(size=(7, 3)),
        rng.normal(size=(4, 7, 3)),
        rng.normal(size=4),
    )
    values[2] = 0.0
    expected = neutral + np.tensordot(values, fields, axes=1)
    np.testing.assert_allclose(raster.move(neutral, fields, values), expected)


def test_reduce_to_bytes_is_the_mean_of_gamma_coded_light():
    light = np.random.default_rng(0).uniform(-0.1, 1.6, (8, 8, 3))
    out = raster.reduce_to_bytes(light, 2, raster.CURVE)
    curve = np.clip(np.maximum(light, 0) * 1.15 / (1 + 0.2 * np.maximum(light, 0)), 0, 1)
    expected = (curve ** (1 / 2.2) * 255).reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert out.dtype == np.uint8
    assert np.abs(out - expected).max() < 1.0
