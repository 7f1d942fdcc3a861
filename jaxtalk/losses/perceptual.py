"""Perceptual distance of images and frames."""

import jax.numpy as jnp

from jaxtalk.nn.pooling import mean_pool_2x2


def multi_scale_lpips(*, real, fake, distance, num_extra_scales):
    """LPIPS summed over a pyramid of scales (StyleTalker, eq. 13).

    The paper writes one norm ||P(X) - P(X')||_2. With `num_extra_scales` 0 this is LPIPS itself;
    each extra scale halves both images by 2x2 averages once more and adds their LPIPS, with the
    same weight. Deviation: LPIPS averages squared differences, it takes no root.

    Args:
      real, fake: [B, H, W, 3] in [-1, 1]; the smallest scale must suit `distance`.
      distance: (images, images) -> [B], e.g. `jaxtalk.nn.lpips.LPIPS` with its weights bound.
      num_extra_scales: how many scales besides the full resolution.

    Returns:
      [B] float32.
    """
    total = distance(real, fake)
    for _ in range(num_extra_scales):
        real, fake = mean_pool_2x2(real), mean_pool_2x2(fake)
        total += distance(real, fake)
    return total.astype(jnp.float32)
