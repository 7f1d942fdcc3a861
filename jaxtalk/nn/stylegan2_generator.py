"""StyleGAN2 generator with skip connections (Karras et al. 2020).

Matches the public reference networks of stylegan2-ada-pytorch (`conv_clamp` None) and of the
stylegan3 repository (`conv_clamp` 256), whose numbers are otherwise the same.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.mapping import EqualizedDense, Mapping, normal_initializer, wide
from jaxtalk.ops.leaky_relu import leaky_relu
from jaxtalk.ops.modulated_conv import RESAMPLE_TAPS, modulated_conv_same
from jaxtalk.ops.upfirdn import upfirdn

NOISES = ("random", "const", "none")


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU (gain sqrt 2) and clamp.

    "moving" holds `noise` [size, size], drawn once, which the images have under noise "const".

    Attributes:
      features: output channels.
      up: 1 or 2.
      conv_clamp: bound of the output, or None.
      dtype: of the convolution.
    """

    features: int
    up: int
    conv_clamp: float | None
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, w, noise):
        """[B, H, W, I], [B, w_dim] -> [B, up H, up W, features] in dtype."""
        channels, size = x.shape[-1], x.shape[1] * self.up
        kernel = self.param("kernel", normal_initializer(), (3, 3, channels, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        constant = self.variable("moving", "noise", self._initial_noise, size)
        styles = EqualizedDense(channels, bias=1.0, name="affine")(wide(w))
        x = modulated_conv_same(x.astype(self.dtype), kernel, styles, up=self.up)
        if noise == "const":
            x = x + (constant.value * strength).astype(self.dtype)[None, :, :, None]
        elif noise == "random":
            drawn = jax.random.normal(self.make_rng("noise"), (*x.shape[:3], 1))
            x = x + (drawn * strength).astype(self.dtype)
        return leaky_relu(x + bias.astype(self.dtype), 2**0.5, 0.2, self.conv_clamp)

    def _initial_noise(self, size):
        return normal_initializer()(self.make_rng("params"), (size, size))


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation, bias and clamp."""

    image_channels: int
    conv_clamp: float | None
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, w):
        """[B, H, W, I], [B, w_dim] -> [B, H, W, image_channels] float32."""
        channels = x.shape[-1]
        kernel = self.param("kernel", normal_initializer(), (1, 1, channels, self.image_channels))
        bias = self.param("bias", nn.initializers.zeros, (self.image_channels,))
        styles = EqualizedDense(channels, bias=1.0, name="affine")(wide(w))
        styles = styles / channels**0.5
        x = modulated_conv_same(x.astype(self.dtype), kernel, styles, demodulate=False)
        x = leaky_relu(x + bias.astype(self.dtype), 1.0, 1.0, self.conv_clamp)
        return wide(x)


class SynthesisBlock(nn.Module):
    """One resolution: convolutions, and their share of the image on top of the one before."""

    features: int
    image_channels: int
    conv_clamp: float | None
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, image, ws, noise):
        """Without x and image, it starts from the learned 4x4 constant.

        Args:
          x, image: [B, H, W, I] and float32 [B, H, W, image_channels], or None.
          ws: styles of the convolutions and of the share of the image, each [B, w_dim].
          noise: see `Generator.synthesis`.

        Returns:
          (x, image) of twice the size.
        """
        shared = {"conv_clamp": self.conv_clamp, "dtype": self.dtype}
        if x is None:
            constant = self.param("constant", normal_initializer(), (4, 4, self.features))
            x = jnp.broadcast_to(constant, (ws[0].shape[0], *constant.shape))
        else:
            taps = [2 * tap for tap in RESAMPLE_TAPS]
            image = upfirdn(image, taps, up=2, padding=(2, 1))
            x = SynthesisLayer(self.features, 2, name="conv0", **shared)(x, ws[0], noise)
        x = SynthesisLayer(self.features, 1, name="conv1", **shared)(x, ws[-2], noise)
        share = ToRGB(self.image_channels, name="to_rgb", **shared)(x, ws[-1])
        return x, share if image is None else image + share


class Generator(nn.Module):
    """StyleGAN2 generator.

    Collections: "params", and "moving" for what moves without gradients (`w_avg`) or is drawn once
    (the constant noise).

    Attributes:
      resolution: of the image, px, a power of two of at least 4.
      z_dim, c_dim, w_dim: sizes of latents, labels (0: none) and styles.
      mapping_layers: dense layers of the mapping network.
      channel_base, channel_max: min(channel_base / r, channel_max) channels at r px.
      image_channels: channels of the image.
      conv_clamp: bound of activations, or None.
      w_avg_beta: decay per step of w_avg (0.995 in stylegan2-ada).
      dtype: of activations; styles, demodulation and the image's sum stay float32.

    Raises:
      ValueError: the resolution is no power of two, or noise, number or size of styles are wrong.
    """

    resolution: int = 256
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    image_channels: int = 3
    conv_clamp: float | None = None
    w_avg_beta: float = 0.998
    dtype: jnp.dtype = jnp.float32

    @property
    def num_ws(self):
        """Styles of an image: one per convolution, one for the last share of the image."""
        return 2 * int(math.log2(self.resolution)) - 2

    def setup(self):
        if self.resolution < 4 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution: found {self.resolution}, expected a power of two from 4")
        self.mapping_network = Mapping(self.w_dim, self.mapping_layers, self.c_dim)
        self.w_avg = self.variable("moving", "w_avg", jnp.zeros, (self.w_dim,))
        self.blocks = [
            SynthesisBlock(
                min(self.channel_base // 2**level, self.channel_max),
                self.image_channels,
                self.conv_clamp,
                self.dtype,
            )
            for level in range(2, int(math.log2(self.resolution)) + 1)
        ]

    def __call__(
        self,
        z,
        c=None,
        *,
        truncation_psi=1.0,
        truncation_cutoff=None,
        update_emas=False,
        noise="random",
    ):
        """Images of latents.

        Args:
          z: [B, z_dim], standard normal.
          c: labels [B, c_dim], or None if c_dim is 0.
          truncation_psi: 1 is no truncation, 0 the mean style.
          truncation_cutoff: styles that are truncated, from the first; None for all.
          update_emas: whether w_avg advances (with mutable=["moving"]).
          noise: see `synthesis`.

        Returns:
          [B, resolution, resolution, image_channels] float32, about [-1, 1].
        """
        ws = self.mapping(
            z,
            c,
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
            update_emas=update_emas,
        )
        return self.synthesis(ws, noise=noise)

    def mapping(self, z, c=None, *, truncation_psi=1.0, truncation_cutoff=None, update_emas=False):
        """Styles of latents: [B, num_ws, w_dim] float32. Arguments: see `__call__`."""
        w = self.mapping_network(z, c)
        if update_emas:
            mean = jax.lax.stop_gradient(jnp.mean(w, 0))
            self.w_avg.value = mean + (self.w_avg.value - mean) * self.w_avg_beta
        truncated = w * truncation_psi + self.w_avg.value * (1 - truncation_psi)
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return jnp.stack([truncated] * cutoff + [w] * (self.num_ws - cutoff), 1)

    def synthesis(self, ws, *, noise="random"):
        """Images of styles [B, num_ws, w_dim]; see `__call__`.

        The last style of a resolution is the first of the next.

        Args:
          ws: see above.
          noise: "random" (give the random stream "noise"), "const" (the stored one), "none".
        """
        if ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws: found {ws.shape}, expected [B, {self.num_ws}, {self.w_dim}]")
        if noise not in NOISES:
            raise ValueError(f"noise: found {noise!r}, expected one of {NOISES}")
        ws = ws.swapaxes(0, 1)
        x, image = self.blocks[0](None, None, ws[:2], noise)
        for index, block in enumerate(self.blocks[1:]):
            x, image = block(x, image, ws[2 * index + 1 : 2 * index + 4], noise)
        return image
