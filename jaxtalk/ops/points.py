"""Points of images: found under heat maps, and painted for previews."""

import jax
import jax.numpy as jnp


def expected_position(logits):
    """Spatial softmax: mean position under each map's softmax.

    Args:
      logits: [B, H, W, K].

    Returns:
      [B, K, 2] (x, y) float32 or wider, -1 left or top edge of the image, 1 right or bottom.
    """
    _, height, width, _ = logits.shape
    p = jax.nn.softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)), axis=(1, 2))

    def centres(size):
        return (jnp.arange(size) * 2 + 1) / size - 1

    x = jnp.einsum("bhwk,w->bk", p, centres(width))
    y = jnp.einsum("bhwk,h->bk", p, centres(height))
    return jnp.stack([x, y], axis=-1)


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
