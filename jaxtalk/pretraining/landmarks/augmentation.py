"""Frames made to look like those of a generator: moved, recoloured, blurred, noisy, compressed."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.ops.landmarks import MIRRORED
from jaxtalk.ops.warp import grid_sample

_BLOCK = 8  # pixels, of the cosine transform of JPEG


def mirror(which, images, landmarks, pose):
    """The mirrored face where `which` [B] is true; arguments and values as of `augment`."""
    mirrored = landmarks[:, MIRRORED] * jnp.array([-1, 1]) + jnp.array([1, 0])
    return (
        jnp.where(which[:, None, None, None], images[:, :, ::-1], images),
        jnp.where(which[:, None, None], mirrored, landmarks),
        jnp.where(which[:, None], pose * jnp.array([-1, 1, -1]), pose),
    )


def move(images, landmarks, pose, *, angle, scale, shift):
    """The picture scaled and turned about its centre, then shifted; its border is reflected.

    Args:
      images, landmarks, pose: as of `augment`.
      angle: [B] rad, clockwise in the picture.
      scale: [B, 2], of x and y.
      shift: [B, 2], (x, y), in units of the image size.
    """
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.stack([jnp.stack([cos, -sin], -1), jnp.stack([sin, cos], -1)], -2)
    matrix = turn * scale[:, None]
    landmarks = jnp.einsum("bij,bkj->bki", matrix, landmarks - 0.5) + 0.5 + shift[:, None]
    _, height, width, _ = images.shape
    y, x = jnp.meshgrid(centres(height), centres(width), indexing="ij")
    target = jnp.stack([x, y], -1) - 0.5 - shift[:, None, None]
    source = jnp.einsum("bij,bhwj->bhwi", jnp.linalg.inv(matrix), target)
    images = grid_sample(images, 2 * source, padding="reflection")
    # The camera's axis is that of roll, which counts the other way.
    return images, landmarks, pose.at[:, 2].add(-angle)


def centres(size):
    """Middles of the pixels of one axis in [0, 1]."""
    return (jnp.arange(size) + 0.5) / size


def gaussian_blur(images, sigma):
    """Images [B, H, W, C] blurred with standard deviations `sigma` [B] in pixels; 0 leaves one."""

    def weights(size):
        distance = jnp.arange(size)[:, None] - jnp.arange(size)[None, :]
        z = distance / jnp.maximum(sigma, 1e-2)[:, None, None]
        bell = jnp.exp(-0.5 * jnp.square(z))
        return bell / bell.sum(axis=-1, keepdims=True)

    _, height, width, _ = images.shape
    images = jnp.einsum("bij,bjwc->biwc", weights(height), images)
    return jnp.einsum("bij,bhjc->bhic", weights(width), images)


def coarse_cosines(images, step):
    """JPEG's loss of detail: cosine transform of 8 x 8 blocks, rounded to multiples of a step.

    The step of frequency (u, v) is `step` [B] times (1 + u + v) / 4, about as steep as the tables
    that the standard proposes. Colours stay as they are: no luminance, no subsampling.

    Args:
      images: [B, H, W, C] with sides that are multiples of 8.
      step: [B], above 0, in the range of the images.
    """
    batch, height, width, channels = images.shape
    basis = jnp.asarray(_cosine_basis())
    blocks = images.reshape(batch, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, channels)
    frequency = jnp.arange(_BLOCK)
    steps = step[:, None, None] * (1 + frequency[:, None] + frequency) / 4
    steps = steps[:, None, :, None, :, None]
    cosines = jnp.einsum("ui,vj,byixjc->byuxvc", basis, basis, blocks)
    cosines = jnp.round(cosines / steps) * steps
    return jnp.einsum("ui,vj,byuxvc->byixjc", basis, basis, cosines).reshape(images.shape)


def _cosine_basis():
    """Orthonormal cosine transform of a block's side as a matrix [frequency, pixel]."""
    frequency, pixel = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)
    basis = np.cos(np.pi * (pixel + 0.5) * frequency / _BLOCK) * np.sqrt(2 / _BLOCK)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def augment(rng, images, landmarks, pose, *, limits):
    """Random changes of each example of its own.

    Half of the frames are mirrored, three quarters moved: the others stay on their pixels, which
    resampling would blur. Blur, noise and compression are small more often than large.

    Args:
      rng: a key.
      images: [B, H, W, 3] in [-1, 1].
      landmarks: [B, 68, 2] in [0, 1].
      pose: [B, 3], yaw, pitch, roll in rad.
      limits: the largest `shift` (of the image size), `scale` (of an axis, difference
        from 1), `angle` (rad),
        `gain` (of a colour, difference from 1), `blur` (standard deviation in pixels), `noise`
        (standard deviation in the range of the images) and `step` (see `coarse_cosines`).

    Returns:
      The three of them, changed; pixels may lie slightly outside of [-1, 1].
    """
    keys = iter(jax.random.split(rng, 10))
    batch = len(images)

    def either_way(shape, limit):
        return jax.random.uniform(next(keys), (batch, *shape), minval=-limit, maxval=limit)

    def rarely_large(limit):
        return limit * jnp.square(jax.random.uniform(next(keys), (batch,)))

    which = jax.random.bernoulli(next(keys), 0.5, (batch,))
    images, landmarks, pose = mirror(which, images, landmarks, pose)
    moved = move(
        images,
        landmarks,
        pose,
        angle=either_way((), limits.angle),
        scale=1 + either_way((2,), limits.scale),
        shift=either_way((2,), limits.shift),
    )
    stay = jax.random.bernoulli(next(keys), 0.25, (batch,))
    images, landmarks, pose = (
        jnp.where(stay.reshape(-1, *[1] * (old.ndim - 1)), old, new)
        for old, new in zip((images, landmarks, pose), moved)
    )
    images = (images + 1) * (1 + either_way((1, 1, 3), limits.gain)) - 1
    images = gaussian_blur(images, rarely_large(limits.blur))
    sigma = rarely_large(limits.noise)[:, None, None, None]
    images = images + sigma * jax.random.normal(next(keys), images.shape)
    return coarse_cosines(images, rarely_large(limits.step) + 1e-3), landmarks, pose
