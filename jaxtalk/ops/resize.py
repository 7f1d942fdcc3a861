"""Resizing of images without a filter against aliasing, as PyTorch's `interpolate` does it."""

import jax.numpy as jnp
import numpy as np


def resize_bilinear(x, height, width):
    """[B, h, w, C] -> [B, height, width, C], between pixel centres, the outer ones repeated.

    Matches `interpolate(mode="bilinear", align_corners=False)`, also where the image shrinks.
    """
    if x.shape[1:3] == (height, width):
        return x
    rows = _bilinear_matrix(x.shape[1], height).astype(x.dtype)
    columns = _bilinear_matrix(x.shape[2], width).astype(x.dtype)
    x = jnp.einsum("Hh,bhwc->bHwc", rows, x, precision="highest")
    return jnp.einsum("Ww,bhwc->bhWc", columns, x, precision="highest")


def upsample_nearest(x, factor):
    """[B, H, W, C] -> [B, factor H, factor W, C], each pixel repeated."""
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


def _bilinear_matrix(size_in, size_out):
    """Linear interpolation between pixel centres of one axis, as a float32 [out, in] matrix."""
    position = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    distance = np.clip(position, 0, size_in - 1)[:, None] - np.arange(size_in)
    return np.maximum(0.0, 1.0 - np.abs(distance)).astype(np.float32)
