"""The equivariance losses against their definition, written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses.first_order import jacobian_equivariance, position_equivariance
from jaxtalk.nn.keypoint_detector import Keypoints
from jaxtalk.ops import warp
from tests import gradients

BATCH, COUNT = 3, 4


@pytest.fixture(scope="module")
def drawn():
    """((affine, control), key points of frames, key points of transformed frames)."""
    rng = np.random.default_rng(0)
    affine = np.eye(2, 3) + 0.1 * rng.standard_normal((BATCH, 2, 3))
    control = 0.02 * rng.standard_normal((BATCH, 25))

    def keypoints():
        position = rng.uniform(-0.8, 0.8, (BATCH, COUNT, 2))
        return Keypoints(position, np.eye(2) + 0.2 * rng.standard_normal((BATCH, COUNT, 2, 2)))

    drawn = (affine, control), keypoints(), keypoints()
    return jax.tree.map(lambda x: np.asarray(x, np.float32), drawn)


def plain_transform(points, affine, control):
    """[N, 2] -> [N, 2], one example in float64."""
    grid = np.linspace(-1, 1, 5)
    moved = []
    for x, y in points:
        spline = 0.0
        for i, weight in enumerate(control):
            distance = abs(x - grid[i % 5]) + abs(y - grid[i // 5])
            spline += weight * distance**2 * np.log(distance + 1e-6)
        moved.append(affine[:, :2] @ (x, y) + affine[:, 2] + spline)
    return np.array(moved)


def test_match_their_definition(drawn):
    transform, keypoints, transformed = drawn
    arguments = dict(zip(("affine", "control"), transform))
    arguments |= {"keypoints": keypoints, "transformed": transformed}
    positions, jacobians = position_equivariance(**arguments), jacobian_equivariance(**arguments)
    assert positions.shape == jacobians.shape == (BATCH,)
    for b in range(BATCH):
        affine, control = (np.asarray(x[b], np.float64) for x in transform)
        points = np.asarray(transformed.position[b], np.float64)
        moved = plain_transform(points, affine, control)
        expected = np.abs(keypoints.position[b] - moved).mean()
        np.testing.assert_allclose(positions[b], expected, rtol=1e-5)
        products = []
        for k in range(COUNT):
            step = 1e-6
            slopes = [
                plain_transform(points[k : k + 1] + sign * step * axis, affine, control)[0]
                for axis in np.eye(2)
                for sign in (1, -1)
            ]
            own = np.stack([slopes[0] - slopes[1], slopes[2] - slopes[3]], axis=1) / (2 * step)
            inverse = np.linalg.inv(np.asarray(keypoints.jacobian[b, k], np.float64))
            products.append(np.eye(2) - inverse @ own @ transformed.jacobian[b, k])
        np.testing.assert_allclose(jacobians[b], np.abs(products).mean(), rtol=1e-4)


def test_vanish_where_key_points_move_with_the_frame(drawn):
    transform, _, transformed = drawn
    own = warp.transform_jacobians(transformed.position, *transform)
    moved = warp.transform_coordinates(transformed.position, *transform)
    keypoints = Keypoints(moved, jnp.matmul(own, transformed.jacobian, precision="highest"))
    arguments = dict(zip(("affine", "control"), transform))
    arguments |= {"keypoints": keypoints, "transformed": transformed}
    np.testing.assert_array_equal(position_equivariance(**arguments), 0)
    np.testing.assert_allclose(jacobian_equivariance(**arguments), 0, atol=1e-6)


def test_gradients_reach_both_sets_of_key_points(drawn):
    with jax.enable_x64(True):
        transform, *pair = jax.tree.map(lambda x: np.asarray(x, np.float64), drawn)
        pair = tuple(pair)

        @jax.jit
        def value_and_grad(*pair):
            def total(keypoints, transformed):
                arguments = dict(zip(("affine", "control"), transform))
                arguments |= {"keypoints": keypoints, "transformed": transformed}
                positions = position_equivariance(**arguments)
                return jnp.sum(positions + jacobian_equivariance(**arguments))

            return jax.value_and_grad(total, argnums=(0, 1))(*pair)

        grads = gradients.assert_matches_differences(value_and_grad, pair)
    for leaf in jax.tree.leaves(grads):
        assert np.abs(leaf).min() > 0
