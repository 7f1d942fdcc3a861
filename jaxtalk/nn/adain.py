"""Normalisation of feature maps, on its own or with scale and bias given by a descriptor.

Matches the layers of the public PIRenderer (Ren et al. 2021).
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import torch_init

EPSILON = 1e-5
HIDDEN = 128  # units between descriptor and scales


def standardize(x, axes):
    """Mean 0 and variance 1 over some axes, in float32 or wider.

    The means are taken axis by axis: XLA adds terms one by one on a CPU, and of the millions of
    an image the sum would lose digits.
    """

    def mean(x):
        for axis in axes:
            x = jnp.mean(x, axis, keepdims=True)
        return x

    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    x = x - mean(x)
    return x / jnp.sqrt(mean(x**2) + EPSILON)


class LayerNorm(nn.Module):
    """Normalisation over height, width and channels, with one scale and bias a channel."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return (standardize(x, (2, 1, 3)) * scale + bias).astype(self.dtype)


class AdaIN(nn.Module):
    """Instance normalisation whose scale and bias come from the descriptor [B, D]."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, descriptor):
        def dense(features, name):
            return nn.Dense(features, kernel_init=torch_init, dtype=descriptor.dtype, name=name)

        hidden = nn.relu(dense(HIDDEN, "shared")(descriptor))
        scale, bias = (dense(x.shape[-1], name)(hidden) for name in ("gamma", "beta"))
        x = standardize(x, (2, 1)) * (1 + scale[:, None, None]) + bias[:, None, None]
        return x.astype(self.dtype)
