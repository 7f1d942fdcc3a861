"""Points painted on images, for previews."""

import jax.numpy as jnp


def draw_points(images, points, *, color, radius=0.6):
    """Discs of `radius` pixels with soft edges.

    Args:
      images: [B, H, W, 3] in [-1, 1].
      points: [B, K, 2] (x, y), -1 left or top edge, 1 right or bottom.
      color: three values in [-1, 1].
    """
    _, height, width, _ = images.shape
    x = (points[..., 0] + 1) * width / 2 - 0.5
    y = (points[..., 1] + 1) * height / 2 - 0.5
    distance = jnp.hypot(
        jnp.arange(width)[None, None, :, None] - x[:, None, None, :],
        jnp.arange(height)[None, :, None, None] - y[:, None, None, :],
    ).min(axis=-1, keepdims=True)
    cover = jnp.clip(radius + 0.5 - distance, 0, 1)
    return images * (1 - cover) + jnp.asarray(color, images.dtype) * cover
