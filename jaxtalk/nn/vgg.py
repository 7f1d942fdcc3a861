"""VGG16 (Simonyan and Zisserman 2015): the convolutional part."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

SLICES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # (multiple of the width, number of layers)


def max_pool_2x2(x):
    """Maximum of each 2x2 block, an odd last row or column dropped.

    By strided slices: the gradient of XLA's window reduction is ten times as slow on a CPU. Where
    values tie, the gradient is shared among them.
    """
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = jnp.maximum(x[:, :height:2], x[:, 1:height:2])
    return jnp.maximum(x[:, :, :width:2], x[:, :, 1:width:2])


class VGG16(nn.Module):
    """13 convolutions 3x3 with ReLU, maximum pooling after the second, fourth, seventh and tenth.

    Attributes:
      width: channels of the first layers (64 in the paper); up to 8 times as many later.
      dtype: of the computation and of the features.
    """

    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images):
        """Normalised images [B, H, W, 3], H and W at least 16 -> the outputs of relu1_2, relu2_2,
        relu3_3, relu4_3 and relu5_3, at 1, 1/2, .. 1/16 of the resolution."""
        x = images.astype(self.dtype)
        features = []
        for i, (multiple, count) in enumerate(SLICES, start=1):
            if features:
                x = max_pool_2x2(x)
            for j in range(1, count + 1):
                conv = nn.Conv(
                    multiple * self.width,
                    (3, 3),
                    padding=1,
                    kernel_init=nn.initializers.he_normal(),
                    dtype=self.dtype,
                    name=f"conv{i}_{j}",
                )
                x = nn.relu(conv(x))
            features.append(x)
        return tuple(features)
