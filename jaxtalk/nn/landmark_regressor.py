"""Landmarks and head pose of a frame: a small network that measures generated videos.

A residual encoder and decoder over the image at a quarter of its size, and integral regression
(Sun et al. 2018): each landmark is the mean position under the softmax of its heat map. To that a
shift is added which is read from the whole picture at once, as hidden points of the jaw and what
is finer than a cell of the maps depend on it. The network is this project's own.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.ops.landmarks import NUM_LANDMARKS
from jaxtalk.ops.points import expected_position
from jaxtalk.ops.resize import upsample_nearest

_GROUP = 8  # channels that are normalised together


def conv3x3(features, dtype, name, stride=1):
    """Convolution without bias, padded so that the output has 1 / stride of the size."""
    return nn.Conv(
        features,
        (3, 3),
        strides=stride,
        padding=1,
        use_bias=False,
        kernel_init=nn.initializers.he_normal(),
        dtype=dtype,
        name=name,
    )


def normalise(x, name):
    """Group normalisation, in float32 or wider, and ReLU; nothing depends on the batch."""
    group = min(_GROUP, x.shape[-1])
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    norm = nn.GroupNorm(num_groups=None, group_size=group, dtype=dtype, name=name)
    return nn.relu(norm(x)).astype(x.dtype)


class ResidualBlock(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x))))))."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        features = x.shape[-1]
        y = conv3x3(features, self.dtype, "conv1")(normalise(x, "norm1"))
        return x + conv3x3(features, self.dtype, "conv2")(normalise(y, "norm2"))


class LandmarkRegressor(nn.Module):
    """Image -> 68 landmarks and three angles.

    Attributes:
      width: channels at half the size; twice as many at a quarter of it.
      max_width: most channels of the levels below. All widths are multiples of 8, or below 8.
      num_levels: how often the size is halved below a quarter of the image.
      num_features: channels that describe the whole picture.
      dtype: of the convolutions; normalisation, heat maps and what follows are float32 or
        wider.
    """

    width: int = 16
    max_width: int = 48
    num_levels: int = 1
    num_features: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images):
        """Images [B, H, W, 3] in [-1, 1] -> `landmarks` [B, 68, 2] and `pose` [B, 3], float32.

        Landmarks are (x, y) in [0, 1], 0 at the left or top edge of the image and 1 at the right or
        bottom one; the shift may carry them beyond. Pose: yaw, pitch, roll in rad as
        the corpus has them: yaw turns to the right of the picture, pitch looks down, roll tilts the
        crown to the left.

        Raises:
          ValueError: height or width is no multiple of 4 * 2 ** num_levels.
        """
        smallest = 4 * 2**self.num_levels
        if images.ndim != 4 or images.shape[1] % smallest or images.shape[2] % smallest:
            raise ValueError(
                f"images: found {images.shape}, expected [B, H, W, 3] with sides that are "
                f"multiples of {smallest}"
            )
        x = conv3x3(self.width, self.dtype, "stem1", stride=2)(images.astype(self.dtype))
        x = conv3x3(self.width, self.dtype, "stem2")(normalise(x, "norm1"))
        x = conv3x3(2 * self.width, self.dtype, "stem3", stride=2)(normalise(x, "norm2"))
        x = ResidualBlock(self.dtype, name="block_0")(x)
        skips = []
        for level in range(1, self.num_levels + 1):
            skips.append(x)
            features = min(2 * x.shape[-1], self.max_width)
            x = normalise(x, f"down_norm_{level}")
            x = conv3x3(features, self.dtype, f"down_{level}", stride=2)(x)
            x = ResidualBlock(self.dtype, name=f"block_{level}")(x)

        whole = nn.Dense(8, dtype=self.dtype, name="squeeze")(normalise(x, "whole_norm"))
        wide = jnp.promote_types(self.dtype, jnp.float32)
        whole = whole.reshape(len(whole), -1).astype(wide)
        whole = nn.Dense(self.num_features, name="whole")(whole)
        # Normalised, as units that are off for every picture would never learn again.
        whole = nn.relu(nn.LayerNorm(name="features_norm")(whole))
        shift = nn.Dense(2 * NUM_LANDMARKS, kernel_init=nn.initializers.zeros, name="shift")(whole)

        for level in range(self.num_levels, 0, -1):
            skip = skips.pop()
            x = nn.Dense(skip.shape[-1], dtype=self.dtype, name=f"up_{level}")(x)
            x = normalise(skip + upsample_nearest(x, 2), f"up_norm_{level}")
            x = conv3x3(skip.shape[-1], self.dtype, f"merge_{level}")(x)
        maps = nn.Dense(NUM_LANDMARKS, name="maps")(normalise(x, "maps_norm").astype(wide))
        landmarks = (expected_position(maps) + 1) / 2 + shift.reshape(-1, NUM_LANDMARKS, 2)
        # Turns show in the places of the landmarks relative to each other.
        places = landmarks - landmarks.mean(axis=1, keepdims=True)
        whole = jnp.concatenate([whole, places.reshape(len(whole), -1)], axis=-1)
        pose = nn.Dense(3, kernel_init=nn.initializers.zeros, name="pose")(whole)
        return {"landmarks": landmarks, "pose": pose}
