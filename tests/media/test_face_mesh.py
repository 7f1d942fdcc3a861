"""Landmarks, mouth and eyes of meshes whose shape is known."""

import numpy as np
import pytest

from jaxtalk.media import face_mesh


def eyes(heights, width=30.0):
    """Landmarks [T, 68, 2] whose eyes are hexagons of given heights."""
    landmarks = np.zeros((len(heights), 68, 2))
    for first, x in ((36, 50.0), (42, 120.0)):
        landmarks[:, first : first + 6, 0] = x + width * np.array([0, 0.3, 0.7, 1, 0.7, 0.3])
        half = np.array([0, -0.5, -0.5, 0, 0.5, 0.5])
        landmarks[:, first : first + 6, 1] = 90 + np.asarray(heights)[:, None] * half
    return landmarks


def test_landmarks_are_vertices_of_the_mesh():
    indices = face_mesh.LANDMARK_INDICES
    assert len(indices) == 68 == len(set(indices.tolist())) and indices.max() < 468
    mesh = np.random.default_rng(0).normal(size=(2, 3, 468, 3))
    found = face_mesh.landmarks_68(mesh)
    assert found.shape == (2, 3, 68, 2) and found.dtype == np.float32
    # Chin, tip of the nose, corners of eyes and mouth, by MediaPipe's names.
    named = {8: 152, 36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 62: 13, 66: 14}
    for landmark, vertex in named.items():
        np.testing.assert_allclose(found[:, :, landmark], mesh[:, :, vertex, :2], rtol=1e-6)
    with pytest.raises(ValueError, match="meshes: found"):
        face_mesh.landmarks_68(np.zeros((478, 3)))


def test_mouth_box_has_a_quarter_of_its_width_around():
    landmarks = np.zeros((2, 68, 2))
    landmarks[:, 48:] = (100.0, 200.0)
    landmarks[:, 54] = (140.0, 200.0)
    landmarks[1, 57] = (120.0, 212.0)
    np.testing.assert_allclose(
        face_mesh.mouth_box(landmarks), [[90, 190, 150, 210], [90, 190, 150, 222]]
    )


def test_eye_aspect_ratio():
    np.testing.assert_allclose(face_mesh.eye_aspect_ratio(eyes([9.0, 0.0])), [[0.3] * 2, [0.0] * 2])
    np.testing.assert_allclose(face_mesh.eye_aspect_ratio(3 * eyes([9.0])[0]), [0.3] * 2)


def test_blinks_are_relative_to_the_open_eye():
    for open_height in (10.0, 5.0):
        heights = np.full(50, open_height)
        heights[[10, 11, 12, 40]] = 0.2 * open_height
        heights[20] = 0.8 * open_height
        np.testing.assert_array_equal(
            np.flatnonzero(face_mesh.blinks(eyes(heights))), [10, 11, 12, 40]
        )
    assert not face_mesh.blinks(eyes(np.full(20, 1.0))).any()
    assert face_mesh.blinks(eyes([])).shape == (0,)
