"""VGG16 and VGG19 (Simonyan and Zisserman 2015): the convolutional parts."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.pooling import max_pool

# Mean and deviation of the channels of ImageNet's pictures in [0, 1], which torchvision's networks
# take off and divide by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SLICES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # (multiple of the width, number of layers)
SLICES_19 = ((1, 2), (2, 2), (4, 4), (8, 4), (8, 1))  # up to relu5_1


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
                x = max_pool(x, (2, 2), (2, 2))
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


class VGG19(nn.Module):
    """VGG19 up to relu5_1: 13 convolutions 3x3 with ReLU, maximum pooling as in VGG16.

    Attributes:
      width: channels of the first layers (64 in the paper); up to 8 times as many later.
      dtype: of the computation and of the features.
    """

    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images):
        """Normalised images [B, H, W, 3], H and W at least 16 -> the outputs of relu1_1, relu2_1,
        relu3_1, relu4_1 and relu5_1, at 1, 1/2, .. 1/16 of the resolution."""
        x = images.astype(self.dtype)
        features = []
        for i, (multiple, count) in enumerate(SLICES_19, start=1):
            if features:
                x = max_pool(x, (2, 2), (2, 2))
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
                if j == 1:
                    features.append(x)
        return tuple(features)
