"""Structural similarity (Wang et al. 2004) and its multi-scale form (Wang et al. 2003).

SSIM is written in the sum s = x + y and the difference d = x - y of two images:

  (2 ux uy + C1) / (ux^2 + uy^2 + C1) = 1 - ud^2 / ((us^2 + ud^2) / 2 + C1)
  (2 vxy + C2) / (vx + vy + C2)       = 1 - vd / ((vs + vd) / 2 + C2)

with means u and variances v of the windows. That takes four filtered images instead of five, and
no small difference of large numbers where two images are alike, so that float32 does. A call holds
about 40 bytes per pixel and channel: give some dozens of frames at a time.
"""

import jax
import jax.numpy as jnp

from jaxtalk.metrics.image import check_images
from jaxtalk.metrics.windows import gaussian_taps, window_sums

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
UNIFORM_SIZE = 7
GAUSSIAN = gaussian_taps(radius=5, sigma=1.5)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@jax.jit
def _whole_moments(fake, real):
    fake, real = fake.astype(jnp.int32), real.astype(jnp.int32)
    total, difference = fake + real, fake - real
    return total, difference, jnp.square(total), jnp.square(difference)


@jax.jit
def _similarities(total, difference, total_variance, difference_variance):
    """Means of SSIM and of its contrast-structure term, [B, C] each.

    What they lack to 1 is averaged, so that equal images have exactly 1.
    """
    squares = (jnp.square(total) + jnp.square(difference)) / 2
    luminance = jnp.square(difference) / (squares + C1)
    structure = difference_variance / ((total_variance + difference_variance) / 2 + C2)
    both = luminance + structure - luminance * structure
    return 1 - jnp.mean(both, (1, 2)), 1 - jnp.mean(structure, (1, 2))


@jax.jit
def _uniform_similarities(total, difference, total_square, difference_square):
    count = UNIFORM_SIZE**2

    def variance(plain, square):
        # Exact: both terms stay below 7^4 x 510^2 < 2^31.
        return (count * square - jnp.square(plain)).astype(jnp.float32) / (count * (count - 1))

    variances = variance(total, total_square), variance(difference, difference_square)
    return _similarities(total / count, difference / count, *variances)


def ssim_uniform7(fake, real):
    """SSIM with a uniform window of 7 x 7 pixels and sample covariances; mean over channels.

    As `skimage.metrics.structural_similarity(..., data_range=255, channel_axis=-1)`: windows inside
    of the image only.

    Args:
      fake, real: [B, H, W, C] uint8, C = 1 or 3; at least 7 x 7 pixels.

    Returns:
      [B], at most 1.

    Raises:
      UserError: see `image.check_images`.
    """
    check_images(UNIFORM_SIZE, fake=fake, real=real)
    sums = window_sums(_whole_moments(fake, real), (1,) * UNIFORM_SIZE)
    return _uniform_similarities(*sums)[0].mean(-1)


@jax.jit
def _centred(fake, real):
    """(sum - 255, difference), [-255, 255]."""
    fake, real = fake.astype(jnp.float32), real.astype(jnp.float32)
    return fake + real - 255, fake - real


@jax.jit
def _with_squares(total, difference):
    return total, difference, jnp.square(total), jnp.square(difference)


@jax.jit
def _gaussian_similarities(total, difference, total_square, difference_square):
    variances = total_square - jnp.square(total), difference_square - jnp.square(difference)
    return _similarities(total + 255, difference, *variances)


def _scale(total, difference):
    """`_similarities` of images in Gaussian windows."""
    return _gaussian_similarities(*window_sums(_with_squares(total, difference), GAUSSIAN))


def ssim_gauss11(fake, real):
    """SSIM with a Gaussian window of 11 x 11 pixels, sigma 1.5; mean over channels.

    As Wang et al., as `skimage.metrics.structural_similarity(..., gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=255, channel_axis=-1)`, and as `pytorch_msssim.ssim`:
    windows inside of the image only. pytorch_msssim rounds its window to float32, to a sum that is
    not quite 1, which moves its values by up to 6e-6.

    Args:
      fake, real: [B, H, W, C] uint8, C = 1 or 3; at least 11 x 11 pixels.

    Returns:
      [B], at most 1.

    Raises:
      UserError: see `image.check_images`.
    """
    check_images(len(GAUSSIAN), fake=fake, real=real)
    return _scale(*_centred(fake, real))[0].mean(-1)


@jax.jit
def _halved(total, difference):
    """Means of 2 x 2 pixels; beyond the first row or column of an odd size, black ones count."""

    def pool(array, black):
        batch, height, width, channels = array.shape
        pad = ((0, 0), (height % 2, 0), (width % 2, 0), (0, 0))
        array = jnp.pad(array, pad, constant_values=black)
        blocks = array.reshape(batch, -1, 2, array.shape[2] // 2, 2, channels)
        return jnp.mean(blocks, (2, 4))

    return pool(total, -255), pool(difference, 0)


def ms_ssim(fake, real):
    """Multi-scale SSIM: five scales, Gaussian windows of 11 x 11 pixels, sigma 1.5.

    As `pytorch_msssim.ms_ssim` 1.0.0: a negative mean of a scale counts as 0, the product is taken
    per channel, then the mean over channels. Its window differs by rounding, see `ssim_gauss11`.

    Args:
      fake, real: [B, H, W, C] uint8, C = 1 or 3; at least 161 x 161 pixels.

    Returns:
      [B] in [0, 1].

    Raises:
      UserError: see `image.check_images`.
    """
    last = len(SCALE_WEIGHTS) - 1
    check_images((len(GAUSSIAN) - 1) * 2**last + 1, fake=fake, real=real)
    images, product = _centred(fake, real), 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        ssim, structure = _scale(*images)
        product *= jnp.maximum(ssim if scale == last else structure, 0) ** weight
        if scale < last:
            images = _halved(*images)
    return product.mean(-1)
