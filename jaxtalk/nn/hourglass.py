"""The convolution blocks and the hourglass of the first-order motion model.

Siarohin et al. 2019, matching the public PyTorch networks: batch normalisation (momentum 0.1,
epsilon 1e-5) after each convolution, nearest up-sampling, average pooling.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, torch_init
from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.ops.upsampled_conv import nearest_upsampled_conv


def conv(features, size, dtype, name=None, padding="SAME"):
    """Square convolution of stride 1 with a bias."""
    return nn.Conv(
        features, (size, size), padding=padding, kernel_init=torch_init, dtype=dtype, name=name
    )


class UpsampledConv(nn.Module):
    """Nearest up-sampling by 2 and a 3x3 convolution: [B, H, W, C] -> [B, 2 H, 2 W, features]."""

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", torch_init, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = nearest_upsampled_conv(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, ReLU.

    Attributes:
      features: channels of the output.
      size: of the kernel; 3 for up-sampling.
      upsample: whether the input is up-sampled by 2 (nearest) first.
      dtype: of the computation; batch statistics are float32.
    """

    features: int
    size: int = 3
    upsample: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        if self.upsample:
            x = UpsampledConv(self.features, self.dtype, name="conv")(x)
        else:
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

        def block(level, name, upsample=False):
            features = min(self.max_width, self.width * 2**level)
            return ConvBlock(features, upsample=upsample, dtype=self.dtype, name=name)

        skips = [x.astype(self.dtype)]
        for i in range(self.num_blocks):
            skips.append(mean_pool_2x2(block(i + 1, f"down_{i}")(skips[-1], train=train)))
        x = skips.pop()
        for i in range(self.num_blocks):
            x = block(self.num_blocks - 1 - i, f"up_{i}", upsample=True)(x, train=train)
            x = jnp.concatenate([x, skips.pop()], axis=-1)
        return x
