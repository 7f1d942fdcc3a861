"""PatchGAN over short clips: StyleTalker's video discriminator D_v (eq. 15).

The paper: "similar to that of PatchGAN, but its input is the concatenation of T_v frames". So the
network of pix2pix (Isola et al. 2017) with the frames stacked on the channels. The depth is open
there; three strided layers are pix2pix's, each logit sees 70 x 70 pixels.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

MAX_MULTIPLE = 8


class InstanceNorm(nn.Module):
    """Zero mean and unit variance over the pixels of each channel and example, then a learned
    scale and offset; float32 or wider inside."""

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        y = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        y = y - jnp.mean(y, axis=(1, 2), keepdims=True)
        y = y * jax.lax.rsqrt(jnp.mean(y**2, axis=(1, 2), keepdims=True) + 1e-5)
        return (y * scale + bias).astype(x.dtype)


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of a clip as real or fake.

    4x4 convolutions padded by one pixel, leaky ReLU 0.2: `num_layers` with stride 2 (channels
    width, 2 width, .. at most 8 width), one with stride 1, then one to a single channel. Every
    layer but the first and the last is normalised per instance: pix2pix's batch normalisation at
    batch 1 is just that, a score does not depend on the other examples of the batch, real and fake
    clips can go through together or apart, and nothing is averaged over devices. Convolutions in
    front of a norm have no bias; weights start at N(0, 0.02).

    Attributes:
      width: channels of the first layer (64 in the paper).
      num_layers: number of strided layers, at least 1.
      dtype: of the convolutions; normalisation and logits are float32.
    """

    width: int = 64
    num_layers: int = 3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, video):
        """Clip [B, T, H, W, 3] in [-1, 1] -> logits [B, h, w, 1] float32, not squashed.

        h = H / 2**num_layers - 2; a ValueError says when that leaves nothing.
        """
        if video.ndim != 5:
            raise ValueError(f"video: found {video.shape}, expected [B, T, H, W, 3]")
        batch, frames, height, width, channels = video.shape
        if min(height, width) < 3 * 2**self.num_layers:
            raise ValueError(
                f"video: found {height} x {width} pixels, expected at least "
                f"{3 * 2**self.num_layers} for num_layers {self.num_layers}"
            )
        x = jnp.moveaxis(video, 1, 3).reshape(batch, height, width, frames * channels)

        def conv(features, stride, use_bias, name):
            return nn.Conv(
                features,
                (4, 4),
                strides=stride,
                padding=1,
                use_bias=use_bias,
                kernel_init=nn.initializers.normal(0.02),
                dtype=self.dtype,
                name=name,
            )

        for i in range(self.num_layers + 1):
            features = self.width * min(2**i, MAX_MULTIPLE)
            stride = 2 if i < self.num_layers else 1
            x = conv(features, stride, i == 0, f"conv_{i}")(x)
            if i > 0:
                x = InstanceNorm(name=f"norm_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
        return conv(1, 1, True, "logits")(x).astype(jnp.float32)
