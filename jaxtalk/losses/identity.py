"""Distance of two faces as persons."""

import jax.numpy as jnp


def identity(*, real_embedding, fake_embedding):
    """1 - cos of two embeddings (StyleTalker, eq. 14; the identity loss of pSp).

    Args:
      real_embedding, fake_embedding: [B, D], of any length.

    Returns:
      [B] float32 in [0, 2]; the gradient is finite even where an embedding is 0.
    """

    def unit(x):
        x = x.astype(jnp.float32)
        return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)

    return 1.0 - jnp.sum(unit(real_embedding) * unit(fake_embedding), axis=-1)
