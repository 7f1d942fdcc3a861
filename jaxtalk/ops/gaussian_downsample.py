"""Band-limited down-sampling by a whole factor."""

import jax.numpy as jnp
import numpy as np


def gaussian_matrix(size, factor):
    """Gaussian filter and decimation of one axis, as a float32 [size // factor, size] matrix.

    Standard deviation (factor - 1) / 2, cut after four of them on each side, zeros around the
    axis; output i is centred on input i * factor.
    """
    sigma = (factor - 1) / 2
    radius = round(4 * sigma)
    distance = np.arange(size) - factor * np.arange(size // factor)[:, None]
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weight = np.exp(-0.5 * (distance / sigma) ** 2) / bell.sum()
    return np.where(np.abs(distance) <= radius, weight, 0).astype(np.float32)


def gaussian_downsample(images, factor):
    """[B, H, W, C] -> [B, H // factor, W // factor, C]; the images themselves for factor 1.

    Matches the anti-aliased interpolation of the public first-order model.
    """
    if factor == 1:
        return images
    rows = gaussian_matrix(images.shape[1], factor).astype(images.dtype)
    columns = gaussian_matrix(images.shape[2], factor).astype(images.dtype)
    images = jnp.einsum("Hh,bhwc->bHwc", rows, images, precision="highest")
    return jnp.einsum("Ww,bhwc->bhWc", columns, images, precision="highest")
