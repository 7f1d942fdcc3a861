"""Geometry of the 68 landmarks."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.ops import landmarks as geometry

LEFT_EYE = range(36, 42)


def face():
    """A face with a symmetric mouth, eyes and jaw about x = 0, y down, of height 2."""
    points = np.zeros((68, 2), np.float32)
    angle = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([np.cos(angle), np.sin(angle)], -1)
    points[17:27] = np.stack([np.linspace(-0.8, 0.8, 10), np.full(10, -1.0)], -1)
    points[27:31, 1] = np.linspace(-0.5, 0.0, 4)
    points[31:36] = np.stack([np.linspace(-0.2, 0.2, 5), np.full(5, 0.1)], -1)
    eye = np.array(
        [[-0.2, 0], [-0.1, -0.025], [0.1, -0.025], [0.2, 0], [0.1, 0.025], [-0.1, 0.025]]
    )
    points[36:42], points[42:48] = (eye + np.array([x, -0.5]) for x in (-0.5, 0.5))
    outer = [(-3, 1), (-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0), (3, 1)]
    outer += [(2, 2), (1, 2), (0, 2), (-1, 2), (-2, 2)]
    inner = [(-2, 1), (-1, 0), (0, 0), (1, 0), (2, 1), (1, 2), (0, 2), (-1, 2)]
    points[48:] = np.array(outer + inner) * 0.1 + [0, 0.4]
    return points


def test_mirroring_twice_is_none():
    order = geometry.MIRRORED
    np.testing.assert_array_equal(order[order], np.arange(68))


def test_mirroring_maps_a_symmetric_face_onto_itself():
    points = face()
    assert len(np.unique(points.round(4), axis=0)) > 60, "few points coincide"
    mirrored = points[geometry.MIRRORED] * [-1, 1]
    np.testing.assert_allclose(mirrored, points, atol=1e-6)


def test_openings_and_height_are_distances():
    points = face()
    np.testing.assert_allclose(geometry.face_height(points), 2.0, rtol=1e-6)
    np.testing.assert_allclose(geometry.mouth_opening(points), 0.2, rtol=1e-5)
    np.testing.assert_allclose(geometry.eye_opening(points), 0.05, rtol=1e-5)
    wink = points.copy()
    wink[LEFT_EYE, 1] = -0.5
    np.testing.assert_allclose(geometry.eye_opening(wink), 0.025, rtol=1e-3)


def test_openings_do_not_change_when_the_head_tilts():
    points, angle = face(), 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for measure in (geometry.mouth_opening, geometry.eye_opening):
        np.testing.assert_allclose(measure(points @ turn.T), measure(points), rtol=1e-5)


def test_error_is_a_share_of_the_height():
    true = np.stack([face(), 2 * face()])
    found = true.copy()
    found[:, geometry.MOUTH] += [0.06, 0.08]
    error = geometry.landmark_error(found, true)
    np.testing.assert_allclose(error, np.array([0.05, 0.025]) * 20 / 68, rtol=1e-4)
    of_mouth = geometry.landmark_error(found, true, geometry.MOUTH)
    np.testing.assert_allclose(of_mouth, [0.05, 0.025], rtol=1e-4)
    of_eyes = geometry.landmark_error(found, true, geometry.EYES)
    np.testing.assert_array_equal(of_eyes, [0, 0])


def test_gradient_is_finite_where_the_lips_meet():
    grads = jax.grad(lambda p: geometry.mouth_opening(p))(jnp.zeros((68, 2)))
    assert np.isfinite(grads).all()
