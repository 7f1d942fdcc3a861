"""LPIPS v0.1: perceptual distance of two images (Zhang et al. 2018), VGG16 variant."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.vgg import SLICES, VGG16

# Mean and deviation of natural images in [-1, 1], as in the public network.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


def unit_channels(x):
    """Scales the channel vector of each pixel to length 1; float32 or wider.

    The epsilon stands inside the root (the public code adds it to the length): the same numbers
    unless a vector is shorter than 1e-4, and a finite gradient where all channels are 0, which
    a narrow trunk meets often.
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-10)


class LPIPS(nn.Module):
    """Weighted squared differences of unit-length VGG16 features, averaged over pixels, summed
    over the five layers.

    The weights of the channels are used by their absolute value, so they cannot turn negative in
    training (the public weights have none); they start at 1 / channels, the plain mean over
    channels, for a trunk that has no public weights.

    Attributes:
      width: channels of the first layers of the trunk (64 in the paper).
      dtype: of the trunk; differences are float32.
    """

    width: int = 64
    dtype: Any = jnp.float32

    def setup(self):
        self.trunk = VGG16(self.width, self.dtype)
        self.weights = [
            self.param(
                f"weight_{i}",
                nn.initializers.constant(1 / (multiple * self.width)),
                (multiple * self.width,),
            )
            for i, (multiple, _) in enumerate(SLICES)
        ]

    def features(self, images):
        """Images [B, H, W, 3] in [-1, 1] -> the five feature maps of the trunk."""
        shift, scale = jnp.asarray(SHIFT), jnp.asarray(SCALE)
        images = images.astype(jnp.promote_types(images.dtype, jnp.float32))
        return self.trunk((images - shift) / scale)

    def __call__(self, x, y):
        """Two batches of images [B, H, W, 3] in [-1, 1], at least 16 pixels -> distance [B] >= 0.

        Raises:
          ValueError: the shapes differ or the images are smaller than 16 pixels.
        """
        if x.shape != y.shape or x.ndim != 4 or min(x.shape[1:3]) < 16:
            raise ValueError(
                f"images: found {x.shape} and {y.shape}, expected two equal shapes [B, H, W, 3] "
                "of at least 16 pixels"
            )
        distance = jnp.zeros(x.shape[0])
        for weight, a, b in zip(self.weights, self.features(x), self.features(y)):
            squared = (unit_channels(a) - unit_channels(b)) ** 2
            distance += jnp.sum(jnp.mean(squared, axis=(1, 2)) * jnp.abs(weight), axis=-1)
        return distance
