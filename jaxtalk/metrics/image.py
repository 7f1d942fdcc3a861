"""Frames as the image metrics take them, and PSNR.

All take uint8 frames [B, H, W, 3] in 0..255 (or [B, H, W, 1], see `gray`), as decoded from a video,
and give one float32 value per frame. Table of their names: `jaxtalk.metrics.protocols`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.core.errors import UserError


def check_images(smallest, **images):
    """Refuses what the metrics cannot measure.

    Args:
      smallest: the least height and width, in pixels.
      **images: name -> array; all of one shape.

    Raises:
      UserError: not uint8, not [B, H, W, 3] or [B, H, W, 1], too small, or of several sizes.
    """
    for name, array in images.items():
        shape = tuple(np.shape(array))
        if getattr(array, "dtype", None) != np.uint8:
            raise UserError(
                f"{name}: found {getattr(array, 'dtype', type(array).__name__)}, expected uint8 in "
                "0..255; round and clip frames of another range first"
            )
        if len(shape) != 4 or shape[3] not in (1, 3):
            raise UserError(
                f"{name}: found an array of {shape}, expected [B, H, W, 3] or [B, H, W, 1]; "
                "give a batch of RGB or grey frames"
            )
        if min(shape[1:3]) < smallest:
            raise UserError(
                f"{name}: found frames of {shape[1]} x {shape[2]} pixels, expected at least "
                f"{smallest} x {smallest} for this metric; give larger frames or leave it out"
            )
    if len({np.shape(array) for array in images.values()}) > 1:
        found = " and ".join(f"{name} of {np.shape(array)}" for name, array in images.items())
        raise UserError(f"images: found {found}, expected one shape; crop or resize one of them")


@jax.jit
def _luma(images):
    red, green, blue = jnp.moveaxis(images.astype(jnp.int32), -1, 0)
    thousandths = 299 * red + 587 * green + 114 * blue
    odd = (thousandths // 1000) % 2
    return ((thousandths + 499 + odd) // 1000).astype(jnp.uint8)[..., None]


def gray(images):
    """Luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded in whole numbers, ties to even.

    Implementations in floating point disagree on ties among themselves, by one level in about one
    pixel of 6,000.

    Args:
      images: [B, H, W, 3] uint8; [B, H, W, 1] is returned as it is.

    Returns:
      [B, H, W, 1] uint8.

    Raises:
      UserError: see `check_images`.
    """
    check_images(1, images=images)
    return images if images.shape[-1] == 1 else _luma(images)


@jax.jit
def _mean_square(fake, real):
    difference = fake.astype(jnp.int32) - real.astype(jnp.int32)
    # Of a row, the sum is exact: below 2^32 for up to 22,000 RGB pixels.
    rows = jnp.sum(jnp.square(difference).astype(jnp.uint32), axis=(2, 3))
    pixels = fake.shape[2] * fake.shape[3]
    return jnp.mean(rows.astype(jnp.float32), axis=1) / pixels


def psnr(fake, real):
    """Peak signal-to-noise ratio of each frame over all its pixels and channels, in dB.

    As `skimage.metrics.peak_signal_noise_ratio` with data range 255. Equal frames give infinity.

    Args:
      fake, real: [B, H, W, C] uint8, C = 1 or 3.

    Returns:
      [B].

    Raises:
      UserError: see `check_images`.
    """
    check_images(1, fake=fake, real=real)
    return 10 * jnp.log10(255.0**2 / _mean_square(fake, real))
