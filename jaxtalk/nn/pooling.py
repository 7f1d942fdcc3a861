"""Pooling over windows by strided slices.

The gradient of XLA's window reduction is 10 to 20 times as slow on a CPU as that of slices.
"""

import functools

import jax.numpy as jnp


def max_pool(x, size, stride, padding=(0, 0)):
    """Maximum over windows, as PyTorch's MaxPool2d.

    Args:
      x: [B, H, W, C].
      size, stride, padding: pairs for rows and columns; windows that overhang are left out.

    Returns:
      [B, H', W', C] with H' = (H + 2 padding - size) // stride + 1. Where values tie, the gradient
      is shared among them.
    """
    lowest = jnp.finfo(x.dtype).min
    for axis in (0, 1):
        x = _pool_axis(x, axis + 1, size[axis], stride[axis], padding[axis], lowest, jnp.maximum)
    return x


def mean_pool_2x2(x):
    """[B, H, W, C] -> [B, H // 2, W // 2, C], means of 2x2 blocks; an odd last line is dropped."""
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def mean_pool_3x3(x):
    """Mean over 3x3 windows, stride 1; at the borders over the pixels that are inside.

    [B, H, W, C] -> [B, H, W, C]. PyTorch's AvgPool2d(3, 1, 1, count_include_pad=False).
    """
    counts = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    for axis in (1, 2):
        x = _pool_axis(x, axis, 3, 1, 1, 0.0, jnp.add)
        counts = _pool_axis(counts, axis, 3, 1, 1, 0.0, jnp.add)
    return x / counts


def _pool_axis(x, axis, size, stride, padding, fill, combine):
    pad = [(0, 0)] * x.ndim
    pad[axis] = (padding, padding)
    x = jnp.pad(x, pad, constant_values=fill)
    last = (x.shape[axis] - size) // stride * stride  # start of the last window
    slices = []
    for i in range(size):
        index = [slice(None)] * x.ndim
        index[axis] = slice(i, i + last + 1, stride)
        slices.append(x[tuple(index)])
    return functools.reduce(combine, slices)
