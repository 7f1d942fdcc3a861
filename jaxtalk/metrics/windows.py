"""Sums over sliding windows, which SSIM and the edges of CPBD are made of.

Of a frame [H, W C], pixels and channels as one axis, so that the innermost loop is long. Columns
and rows are two stages, see `jaxtalk.metrics.stages`.
"""

import numpy as np
from jax import lax


def gaussian_taps(radius, sigma):
    """2 radius + 1 weights of sum 1, as a tuple of floats."""
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
    return tuple((weights / weights.sum()).tolist())


def joined(image):
    """[H, W, C] -> [H, W C]."""
    return image.reshape(image.shape[0], -1)


def column_sums(array, taps):
    """Weighted sums of neighbours in a column; whole numbers keep whole numbers exact.

    Args:
      array: [H, W].
      taps: tuple of the n weights.

    Returns:
      [H - n + 1, W].
    """
    return _sums(array, taps, axis=0, step=1)


def row_sums(array, taps, channels=1):
    """Weighted sums of neighbours in a row: [H, W C] -> [H, (W - n + 1) C]."""
    return _sums(array, taps, axis=1, step=channels)


def _sums(array, taps, *, axis, step):
    size = array.shape[axis] - (len(taps) - 1) * step
    return sum(
        tap * lax.slice_in_dim(array, k * step, k * step + size, axis=axis)
        for k, tap in enumerate(taps)
    )
