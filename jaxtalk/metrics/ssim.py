"""Structural similarity (Wang et al. 2004) and its multi-scale form (Wang et al. 2003).

SSIM is written in the sum s = x + y and the difference d = x - y of two images:

  (2 ux uy + C1) / (ux^2 + uy^2 + C1) = 1 - ud^2 / ((us^2 + ud^2) / 2 + C1)
  (2 vxy + C2) / (vx + vy + C2)       = 1 - vd / ((vs + vd) / 2 + C2)

with means u and variances v of the windows. That takes four filtered images instead of five, and
no small difference of large numbers where two images are alike, so that float32 does.
"""

import jax.numpy as jnp

from jaxtalk.metrics.image import check_images
from jaxtalk.metrics.stages import over_frames
from jaxtalk.metrics.windows import column_sums, gaussian_taps, joined, row_sums

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
UNIFORM_SIZE = 7
GAUSSIAN = gaussian_taps(radius=5, sigma=1.5)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _similarities(stage, lacking, taps, total, difference, channels):
    """Means of SSIM and of its contrast-structure term over the windows of a frame, [C] each.

    What they lack to 1 is averaged, so that equal images have exactly 1.

    Args:
      stage: see `stages.over_frames`.
      lacking: function of the weighted sums of s, d, s^2 and d^2 in each window -> what the two
        terms lack to 1.
      taps: weights of the window.
      total, difference: s and d, [H, W C].
      channels: C.
    """

    def columns(total, difference):
        moments = (total, difference, jnp.square(total), jnp.square(difference))
        return tuple(column_sums(moment, taps) for moment in moments)

    def windows(*moments):
        return lacking(*(row_sums(moment, taps, channels) for moment in moments))

    maps = stage(windows, *stage(columns, total, difference))
    sums = stage(lambda *maps: tuple(jnp.sum(x, 0) for x in maps), *maps)
    count = maps[0].size // channels
    return tuple(1 - jnp.sum(x.reshape(-1, channels), 0) / count for x in sums)


def _lacking(total, difference, total_variance, difference_variance):
    squares = (jnp.square(total) + jnp.square(difference)) / 2
    luminance = jnp.square(difference) / (squares + C1)
    structure = difference_variance / ((total_variance + difference_variance) / 2 + C2)
    return luminance + structure - luminance * structure, structure


def _lacking_uniform(total, difference, total_square, difference_square):
    count = UNIFORM_SIZE**2

    def variance(plain, square):
        # Exact: both terms stay below 7^4 x 510^2 < 2^31.
        return (count * square - jnp.square(plain)).astype(jnp.float32) / (count * (count - 1))

    variances = variance(total, total_square), variance(difference, difference_square)
    return _lacking(total / count, difference / count, *variances)


@over_frames
def _uniform(stage, fake, real):
    def signed(fake, real):
        fake, real = (joined(x).astype(jnp.int32) for x in (fake, real))
        return fake + real, fake - real

    images, channels = stage(signed, fake, real), fake.shape[-1]
    taps = (1,) * UNIFORM_SIZE
    return _similarities(stage, _lacking_uniform, taps, *images, channels)[0].mean()


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
    return _uniform(fake, real)


def _centred(fake, real):
    """(sum - 255, difference) as [H, W C], in [-255, 255]."""
    fake, real = (joined(x).astype(jnp.float32) for x in (fake, real))
    return fake + real - 255, fake - real


def _lacking_gaussian(total, difference, total_square, difference_square):
    variances = total_square - jnp.square(total), difference_square - jnp.square(difference)
    return _lacking(total + 255, difference, *variances)


@over_frames
def _gaussian(stage, fake, real):
    images, channels = stage(_centred, fake, real), fake.shape[-1]
    return _similarities(stage, _lacking_gaussian, GAUSSIAN, *images, channels)[0].mean()


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
    return _gaussian(fake, real)


def _halved(array, black, channels):
    """Means of 2 x 2 pixels; beyond the first row or column of an odd size, black ones count."""
    height, width = array.shape[0], array.shape[1] // channels
    pad = ((height % 2, 0), (width % 2 * channels, 0))
    array = jnp.pad(array, pad, constant_values=black)
    blocks = array.reshape(array.shape[0] // 2, 2, -1, 2, channels)
    return joined(jnp.mean(blocks, (1, 3)))


@over_frames
def _multi_scale(stage, fake, real):
    images, channels = stage(_centred, fake, real), fake.shape[-1]
    product, last = 1.0, len(SCALE_WEIGHTS) - 1

    def halved(total, difference):
        return _halved(total, -255, channels), _halved(difference, 0, channels)

    for scale, weight in enumerate(SCALE_WEIGHTS):
        ssim, structure = _similarities(stage, _lacking_gaussian, GAUSSIAN, *images, channels)
        product *= jnp.maximum(ssim if scale == last else structure, 0) ** weight
        if scale < last:
            images = stage(halved, *images)
    return product.mean()


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
    check_images((len(GAUSSIAN) - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1, fake=fake, real=real)
    return _multi_scale(fake, real)
