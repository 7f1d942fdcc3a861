"""Classification with a margin between the angles of the classes."""

import math

import jax
import jax.numpy as jnp


def additive_angular_margin(*, embedding, class_centers, label, scale=64.0, margin=0.5):
    """ArcFace (Deng et al. 2019, eq. 3): softmax cross-entropy over s * cos(theta_j), with
    theta + m in place of theta for the true class.

    Where theta + m would pass pi, cos(theta + m) rises again; there it is replaced by
    cos(theta) - m sin(m), as in the public code, which keeps the loss falling in cos(theta).

    Args:
      embedding: [B, D], of any length.
      class_centers: [K, D], of any length; the trained weights of the classes.
      label: int [B] in 0 .. K-1.
      scale: s.
      margin: m in radians.

    Returns:
      [B] float32. The gradient is finite for every angle, 0 and pi included.
    """

    def unit(x):
        x = x.astype(jnp.float32)
        return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)

    cos = jnp.matmul(unit(embedding), unit(class_centers).T, precision="highest")  # [B, K]
    is_true = jax.nn.one_hot(label, cos.shape[1], dtype=bool)
    true_cos = jnp.sum(jnp.where(is_true, cos, 0.0), axis=1)
    # d sin / d cos has no limit at 0 and pi. Float32 cannot tell angles below 3e-4 apart anyway.
    true_sin = jnp.sqrt(jnp.maximum(1.0 - true_cos**2, 1e-7))
    shifted = true_cos * math.cos(margin) - true_sin * math.sin(margin)
    continued = true_cos - margin * math.sin(margin)
    target = jnp.where(true_cos > -math.cos(margin), shifted, continued)
    logits = scale * jnp.where(is_true, target[:, None], cos)
    return jax.nn.logsumexp(logits, axis=1) - scale * target
