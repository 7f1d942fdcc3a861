"""The convolution blocks and the hourglass of the first-order motion model.

Siarohin et al. 2019, matching the public PyTorch networks: batch normalisation (momentum 0.1,
epsilon 1e-5) after each convolution, nearest up-sampling, average pooling.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, torch_init


def conv(features, size, dtype, name=None, padding="SAME"):
    """Square convolution of stride 1 with a bias."""
    return nn.Conv(
        features, (size, size), padding=padding, kernel_init=torch_init, dtype=dtype, name=name
    )


def average_pool(x):
    """Means of blocks of 2x2 pixels; an odd last row or column is dropped."""
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def upsample_nearest(x):
    """Each pixel as a block of 2x2 pixels."""
    batch, height, width, channels = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return x.reshape(batch, 2 * height, 2 * width, channels)


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, ReLU: [B, H, W, C] -> [B, H, W, features]."""

    features: int
    size: int = 3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        x = conv(self.features, self.size, self.dtype, "conv")(x)
        return nn.relu(batch_norm("norm", train=train, dtype=self.dtype)(x))


class ResidualBlock(nn.Module):
    """Twice batch normalisation, ReLU and 3x3 convolution, added to the input."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        y = x
        for i in (1, 2):
            y = nn.relu(batch_norm(f"norm{i}", train=train, dtype=self.dtype)(y))
            y = conv(x.shape[-1], 3, self.dtype, f"conv{i}")(y)
        return x + y


class Hourglass(nn.Module):
    """`num_blocks` halvings and doublings, with a skip connection at each resolution.

    The output has `width` channels followed by those of the input.

    Attributes:
      width: channels at full resolution; they double with each halving,
      max_width: up to this many.
      num_blocks: halvings.
      dtype: of the computation; batch statistics are float32.

    Raises:
      ValueError: height or width is no multiple of 2 ** num_blocks.
    """

    width: int
    max_width: int
    num_blocks: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train=False):
        """[B, H, W, C] -> [B, H, W, width + C]."""
        multiple = 2**self.num_blocks
        if x.shape[1] % multiple or x.shape[2] % multiple:
            raise ValueError(
                f"hourglass: found {x.shape[1]} x {x.shape[2]} pixels, expected multiples of "
                f"{multiple}"
            )

        def block(level, name):
            features = min(self.max_width, self.width * 2**level)
            return ConvBlock(features, dtype=self.dtype, name=name)

        skips = [x.astype(self.dtype)]
        for i in range(self.num_blocks):
            skips.append(average_pool(block(i + 1, f"down_{i}")(skips[-1], train=train)))
        x = skips.pop()
        for i in range(self.num_blocks):
            level = self.num_blocks - 1 - i
            x = block(level, f"up_{i}")(upsample_nearest(x), train=train)
            x = jnp.concatenate([x, skips.pop()], axis=-1)
        return x
