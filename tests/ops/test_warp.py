import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxtalk.ops import warp

CONVENTIONS = pytest.mark.parametrize("align_corners", [False, True])
SAMPLE = jax.jit(warp.grid_sample, static_argnames=("align_corners", "padding"))
PADDINGS = pytest.mark.parametrize("padding", ["zeros", "reflection"])


@pytest.fixture(scope="module")
def case():
    """An image of 5 x 7 pixels, and coordinates of which many are outside it."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 5, 7, 3)), rng.uniform(-3, 3, (2, 8, 6, 2))


def reflect(position, first, last):
    while not first <= position <= last:
        position = 2 * first - position if position < first else 2 * last - position
    return position


def reference(images, grid, align_corners, padding):
    """float64: each pixel of the image is a tent over its neighbourhood."""

    def pixels(coordinates, size):
        edge = 0.0 if align_corners else 0.5  # how far -1 and 1 are outside the outer centres
        positions = (coordinates + 1) / 2 * (size - 1 + 2 * edge) - edge
        if padding == "reflection":
            folded = [reflect(p, -edge, size - 1 + edge) for p in positions.ravel()]
            positions = np.clip(folded, 0, size - 1).reshape(positions.shape)
        return np.maximum(0, 1 - np.abs(positions[..., None] - np.arange(size)))

    height, width = images.shape[1:3]
    rows, columns = pixels(grid[..., 1], height), pixels(grid[..., 0], width)
    return np.einsum("bhwi,bhwj,bijc->bhwc", rows, columns, images)


@CONVENTIONS
@PADDINGS
def test_sampling_matches_tents(case, align_corners, padding):
    images, grid = (jnp.asarray(array, jnp.float32) for array in case)
    sampled = SAMPLE(images, grid, align_corners=align_corners, padding=padding)
    expected = reference(*case, align_corners, padding)
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=1e-5)


@CONVENTIONS
@PADDINGS
def test_gradients_match_finite_differences(case, align_corners, padding):
    with jax.enable_x64(True):
        sample = functools.partial(SAMPLE, align_corners=align_corners, padding=padding)
        inputs = tuple(jnp.asarray(array) for array in case)
        expected = reference(*case, align_corners, padding)
        np.testing.assert_allclose(sample(*inputs), expected, rtol=0, atol=1e-13)
        check_grads(sample, inputs, order=1, modes=["rev"], rtol=1e-6, eps=1e-7)


def test_gradient_at_pixel_centres_is_towards_the_next_pixel(case):
    """PyTorch's choice; the derivative does not exist there."""
    image = case[0][:1].astype(np.float32)
    grid = np.zeros((1, 1, 1, 2), np.float32)  # the centre of pixel (2, 3)

    def sample(grid):
        return warp.grid_sample(image, grid, align_corners=True)[0, 0, 0, 0]

    grad = jax.jit(jax.grad(sample))(grid)[0, 0, 0]
    here, right, below = (image[0, i, j, 0] for i, j in ((2, 3), (2, 4), (3, 3)))
    np.testing.assert_allclose(grad, [3 * (right - here), 2 * (below - here)], rtol=1e-5)


@CONVENTIONS
def test_far_outside_is_zero(case, align_corners):
    grid = np.float32([1e30, -1e30, np.inf, -np.inf]).reshape(1, 2, 1, 2)
    sampled = SAMPLE(case[0][:1].astype(np.float32), grid, align_corners=align_corners)
    assert np.all(np.asarray(sampled) == 0)


def test_the_grid_is_the_identity_of_aligned_corners(case):
    images = case[0].astype(np.float32)
    grid = np.broadcast_to(warp.coordinate_grid(5, 7), (2, 5, 7, 2))
    sampled = SAMPLE(images, grid, align_corners=True)
    np.testing.assert_allclose(sampled, images, rtol=0, atol=2e-6)
    # One pixel has no extent: the border is its centre.
    grid = case[1].astype(np.float32)
    alone = SAMPLE(images[:, :1, :1], grid, align_corners=True, padding="reflection")
    np.testing.assert_array_equal(alone, np.broadcast_to(images[:, :1, :1], alone.shape))


def test_half_precision_keeps_coordinates(case):
    images, grid = (jnp.asarray(array, jnp.float32) for array in case)
    sampled = SAMPLE(images.astype(jnp.bfloat16), grid)
    assert sampled.dtype == jnp.bfloat16
    exact = SAMPLE(images, grid)
    np.testing.assert_allclose(sampled.astype(jnp.float32), exact, rtol=0, atol=0.03)


def test_wrong_arguments_are_named(case):
    images, grid = case
    with pytest.raises(ValueError, match="padding: found 'border', expected"):
        warp.grid_sample(images, grid, padding="border")
    with pytest.raises(ValueError, match=r"found \(1, 5, 7, 3\) and \(2, 8, 6, 2\)"):
        warp.grid_sample(images[:1], grid)


def test_jacobians_are_the_derivatives():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, 4, 2))
    affine, control = rng.standard_normal((2, 2, 3)), rng.standard_normal((2, 25))
    with jax.enable_x64(True):
        transform = jax.jit(warp.transform_coordinates)
        jacobians = jax.jit(warp.transform_jacobians)(x, affine, control)
        for axis, step in enumerate(1e-6 * np.eye(2)):
            slope = transform(x + step, affine, control) - transform(x - step, affine, control)
            np.testing.assert_allclose(jacobians[..., axis], slope / 2e-6, rtol=0, atol=1e-7)


def test_transforms_are_drawn_around_the_identity():
    affine, control = warp.draw_transform(jax.random.key(1), 4000)
    assert affine.shape == (4000, 2, 3) and control.shape == (4000, 25)
    np.testing.assert_allclose(affine.mean(axis=0), np.eye(2, 3), atol=0.005)
    np.testing.assert_allclose(affine.std(axis=0), 0.05, rtol=0.05)
    np.testing.assert_allclose(control.std(), 0.005, rtol=0.02)
    still = warp.draw_transform(jax.random.key(1), 2, sigma_affine=0.0, sigma_tps=0.0)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 2)).astype(np.float32)
    moved = jax.jit(warp.transform_coordinates)(x, *still)
    np.testing.assert_allclose(moved, x, atol=1e-6)
