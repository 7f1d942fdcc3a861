"""StyleGAN2 residual discriminator (Karras et al. 2020), as StyleGAN3 uses it.

Matches the public reference network.
"""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxtalk.nn.mapping import EqualizedDense, Mapping, normal_initializer, wide
from jaxtalk.ops.leaky_relu import leaky_relu
from jaxtalk.ops.modulated_conv import RESAMPLE_TAPS
from jaxtalk.ops.upfirdn import upfirdn


class EqualizedConv(nn.Module):
    """Convolution with equalised learning rate, optional down-sampling by 2, leaky ReLU and clamp.

    [B, H, W, I] -> [B, H / down, W / down, features].

    Attributes:
      features: output channels.
      size: 1 or 3.
      down: 1 or 2; 2 filters with RESAMPLE_TAPS first.
      activate: whether the leaky ReLU (gain sqrt 2) follows; without it there is no bias either.
      gain: factor of the output and of its clamp.
      conv_clamp: bound of the output before `gain`, or None.
      dtype: of the convolution.
    """

    features: int
    size: int = 3
    down: int = 1
    activate: bool = True
    gain: float = 1.0
    conv_clamp: float | None = None
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", normal_initializer(), shape)
        kernel = (kernel / (self.size**2 * x.shape[-1]) ** 0.5).astype(self.dtype)
        x = x.astype(self.dtype)
        stride, padding = 1, "SAME"
        if self.down == 2:
            # 1x1: filter and decimate at once; 3x3: filter to one pixel more, then stride.
            stride, padding = (1 if self.size == 1 else 2), "VALID"
            pad = self.size // 2 + 1
            x = upfirdn(x, RESAMPLE_TAPS, down=2 // stride, padding=(pad, pad))
        x = lax.conv_general_dilated(
            x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        clamp = None if self.conv_clamp is None else self.conv_clamp * self.gain
        if not self.activate:
            return leaky_relu(x, self.gain, 1.0, clamp)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return leaky_relu(x + bias.astype(self.dtype), 2**0.5 * self.gain, 0.2, clamp)


class DiscriminatorBlock(nn.Module):
    """Two convolutions that halve the resolution, beside a 1x1 shortcut."""

    features: int
    conv_clamp: float | None
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        shared = {"conv_clamp": self.conv_clamp, "dtype": self.dtype}
        half = {"down": 2, "gain": 0.5**0.5, **shared}
        shortcut = EqualizedConv(self.features, size=1, activate=False, name="skip", **half)(x)
        x = EqualizedConv(x.shape[-1], name="conv0", **shared)(x)
        return shortcut + EqualizedConv(self.features, name="conv1", **half)(x)


def minibatch_std(x, group_size, num_channels):
    """Append the standard deviation over groups of examples as channels.

    The groups are those of the reference: with M = B / group_size groups, example b is in group
    b mod M. They span the global batch, so that they do not depend on how many devices share it.

    Args:
      x: [B, H, W, C] float32.
      group_size: examples per group; the batch, if that is smaller.
      num_channels: groups of channels, hence channels appended.

    Returns:
      [B, H, W, C + num_channels].

    Raises:
      ValueError: if the batch is no multiple of the group size.
    """
    batch, height, width, channels = x.shape
    group = min(group_size, batch)
    if batch % group:
        raise ValueError(f"batch size: found {batch}, expected a multiple of mbstd group {group}")
    y = x.reshape(group, batch // group, height, width, num_channels, channels // num_channels)
    y = jnp.mean(jnp.square(y - jnp.mean(y, 0)), 0)
    y = jnp.mean(jnp.sqrt(y + 1e-8), (1, 2, 4))  # [M, F]
    y = jnp.tile(y, (group, 1))[:, None, None]
    return jnp.concatenate([x, jnp.broadcast_to(y, (batch, height, width, num_channels))], -1)


class Discriminator(nn.Module):
    """Residual discriminator with minibatch standard deviation and label projection.

    Attributes:
      resolution: of the image, px, a power of two of at least 8.
      channel_base, channel_max: min(channel_base / r, channel_max) channels at r px.
      conv_clamp: bound of activations, or None.
      mbstd_group_size, mbstd_num_channels: see `minibatch_std`.
      c_dim: size of the label, 0 without.
      dtype: of the residual blocks; what follows them is float32.
    """

    resolution: int = 256
    channel_base: int = 32768
    channel_max: int = 512
    conv_clamp: float | None = 256.0
    mbstd_group_size: int = 4
    mbstd_num_channels: int = 1
    c_dim: int = 0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images, c=None):
        """Logits [B] float32 of images [B, resolution, resolution, 3] in [-1, 1].

        Args:
          images: see above.
          c: labels [B, c_dim], or None if c_dim is 0.

        Raises:
          ValueError: if the images have another size, or the label is missing or superfluous.
        """
        if images.shape[1:3] != (self.resolution, self.resolution):
            expected = f"{self.resolution} x {self.resolution}"
            raise ValueError(f"images: found {images.shape}, expected {expected} px")
        if (c is None) != (self.c_dim == 0):
            found = None if c is None else c.shape
            raise ValueError(f"c: found {found}, expected a label of size {self.c_dim}")

        shared = {"conv_clamp": self.conv_clamp, "dtype": self.dtype}
        features = self._channels(self.resolution)
        x = EqualizedConv(features, size=1, name="from_rgb", **shared)(images)
        size = self.resolution
        while size > 4:
            block = DiscriminatorBlock(self._channels(size // 2), name=f"block{size}", **shared)
            x, size = block(x), size // 2

        features = self._channels(4)
        x = minibatch_std(wide(x), self.mbstd_group_size, self.mbstd_num_channels)
        x = EqualizedConv(features, conv_clamp=self.conv_clamp, dtype=x.dtype, name="conv")(x)
        x = EqualizedDense(features, activate=True, name="fc")(x.reshape(x.shape[0], -1))
        x = EqualizedDense(features if self.c_dim else 1, name="out")(x)
        if self.c_dim:
            x = x * Mapping(features, 8, self.c_dim, name="label_mapping")(None, c)
            x = x / features**0.5
        return jnp.sum(x, -1)

    def _channels(self, size):
        return min(self.channel_base // size, self.channel_max)
