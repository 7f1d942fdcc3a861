"""Sums over sliding windows, which SSIM and the edges of CPBD are made of."""

import functools

import jax
import numpy as np
from jax import lax


def gaussian_taps(radius, sigma):
    """2 radius + 1 weights of sum 1, as a tuple of floats."""
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
    return tuple((weights / weights.sum()).tolist())


@functools.partial(jax.jit, static_argnames=("taps", "axis"))
def _along(maps, taps, axis):
    def weighted(array):
        batch, height, width, channels = array.shape
        # Pixels and channels as one axis, so that the innermost loop is long.
        array = array.reshape(batch, height, width * channels)
        step = 1 if axis == 1 else channels
        size = array.shape[axis] - (len(taps) - 1) * step
        total = sum(
            tap * lax.slice_in_dim(array, k * step, k * step + size, axis=axis)
            for k, tap in enumerate(taps)
        )
        return total.reshape(batch, total.shape[1], total.shape[2] // channels, channels)

    return jax.tree.map(weighted, maps)


def window_sums(maps, taps):
    """Weighted sums over square windows that lie inside of the image.

    Columns and rows are two computations: of one, XLA would make a loop that sums along columns
    anew for each tap of the rows, many times slower. So call it outside of `jax.jit`.

    Args:
      maps: tree of [B, H, W, C].
      taps: tuple of the n weights along each axis; whole numbers keep whole numbers exact.

    Returns:
      tree of [B, H - n + 1, W - n + 1, C].
    """
    return _along(_along(maps, taps, 1), taps, 2)
