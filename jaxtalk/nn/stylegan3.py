"""StyleGAN3 generator (Karras et al. 2021), configurations T and R.

Matches the public reference network; every number is float32 noise away from it. Deviations: see
`jaxtalk.ops.modulated_conv`.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxtalk.nn.mapping import EqualizedDense, Mapping, normal_initializer, wide
from jaxtalk.nn.stylegan3_layers import LayerSpec, activation, layer_specs
from jaxtalk.ops.leaky_relu import leaky_relu
from jaxtalk.ops.modulated_conv import modulated_conv


class FourierInput(nn.Module):
    """Fourier features, rotated and translated by the first style (section 3.2).

    "moving" holds `frequencies` [C, 2] and `phases` [C] (drawn once, not trained) and `transform`
    [3, 3], the user's rotation and translation of the image: identity unless set.
    """

    channels: int
    size: int
    sampling_rate: int
    bandwidth: float

    @nn.compact
    def __call__(self, w):
        """[B, w_dim] -> [B, size, size, channels] float32."""
        frequencies = self.variable("moving", "frequencies", self._initial_frequencies).value
        phases = self.variable("moving", "phases", self._initial_phases).value
        transform = self.variable("moving", "transform", jnp.eye, 3).value
        kernel = self.param("kernel", normal_initializer(), (self.channels, self.channels))
        affine = EqualizedDense(4, kernel_std=0.0, bias=(1.0, 0.0, 0.0, 0.0), name="affine")

        t = affine(wide(w))  # cos, sin, x, y
        t = t / jnp.linalg.norm(t[:, :2], axis=-1, keepdims=True)
        cos, sin, x, y = t.T
        zero, one = jnp.zeros_like(x), jnp.ones_like(x)
        # The inverse of the motion of the image: it moves the coordinates.
        rotation = jnp.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1)
        translation = jnp.stack([one, zero, -x, zero, one, -y, zero, zero, one], -1)
        exact = {"precision": lax.Precision.HIGHEST}
        motion = jnp.matmul(rotation.reshape(-1, 3, 3), translation.reshape(-1, 3, 3), **exact)
        motion = jnp.matmul(motion, transform, **exact)

        phases = phases + jnp.einsum("ci,bi->bc", frequencies, motion[:, :2, 2], **exact)
        frequencies = jnp.einsum("ci,bij->bcj", frequencies, motion[:, :2, :2], **exact)
        # Fade what the transform scaled beyond the band.
        radius = jnp.linalg.norm(frequencies, axis=-1)
        room = self.sampling_rate / 2 - self.bandwidth
        amplitudes = jnp.clip(1 - (radius - self.bandwidth) / room, 0, 1)

        position = (jnp.arange(self.size) + 0.5 - self.size / 2) / self.sampling_rate
        across = frequencies[:, None, None, :, 0] * position[:, None]
        along = frequencies[:, None, None, :, 1] * position[:, None, None]
        waves = jnp.sin(2 * jnp.pi * (across + along + phases[:, None, None]))
        waves = waves * amplitudes[:, None, None]
        return jnp.matmul(waves, kernel / self.channels**0.5, **exact)

    def _initial_frequencies(self):
        draw = normal_initializer()(self.make_rng("params"), (self.channels, 2))
        radius = jnp.linalg.norm(draw, axis=-1, keepdims=True)
        return draw / (radius * jnp.exp(jnp.square(radius)) ** 0.25) * self.bandwidth

    def _initial_phases(self):
        return jax.random.uniform(self.make_rng("params"), (self.channels,)) - 0.5


class SynthesisLayer(nn.Module):
    """Modulated convolution, bias and alias-free leaky ReLU.

    "moving" holds `magnitude`: the moving average of the input's mean square, whose root divides
    the input.
    """

    spec: LayerSpec
    magnitude_beta: float
    conv_clamp: float | None
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, w, *, update_emas):
        """[B, in_size, in_size, I], [B, w_dim] -> [B, out_size, out_size, O] in dtype."""
        spec = self.spec
        magnitude = self.variable("moving", "magnitude", jnp.ones, ())
        if update_emas:
            current = lax.stop_gradient(jnp.mean(jnp.square(x.astype(jnp.float32))))
            magnitude.value = current + (magnitude.value - current) * self.magnitude_beta
        shape = (spec.conv_size, spec.conv_size, spec.in_channels, spec.out_channels)
        kernel = self.param("kernel", normal_initializer(), shape)
        bias = self.param("bias", nn.initializers.zeros, (spec.out_channels,))
        styles = EqualizedDense(spec.in_channels, bias=1.0, name="affine")(wide(w))
        if spec.to_rgb:
            styles = styles / spec.in_channels**0.5
        x = modulated_conv(
            x.astype(self.dtype),
            kernel,
            styles,
            input_gain=lax.rsqrt(magnitude.value),
            demodulate=not spec.to_rgb,
        )
        x = x + bias.astype(self.dtype)
        if spec.to_rgb:
            return leaky_relu(x, 1.0, 1.0, self.conv_clamp)
        return activation(x, spec, self.conv_clamp)


class Generator(nn.Module):
    """StyleGAN3 generator.

    Collections: "params", and "moving" for what moves without gradients (`w_avg`, magnitudes) or is
    drawn once (Fourier frequencies and phases). Apply with `update_emas=True, mutable=["moving"]`
    in training; averages are over the global batch.

    The paper's configuration R also doubles channel_base and channel_max.

    Attributes:
      resolution: of the image, px.
      config: "t" (translation) or "r" (translation and rotation).
      num_layers: synthesis layers before toRGB.
      num_critical: how many of the last ones are critically sampled.
      z_dim, c_dim, w_dim: sizes of latents, labels (0: none) and styles.
      mapping_layers: dense layers of the mapping network.
      channel_base, channel_max: a layer of cutoff f has min(channel_base / (2 f), channel_max)
        channels.
      image_channels: channels of the image.
      first_cutoff, first_stopband, last_stopband_ratio: bands, in cycles per image width; the last
        stopband is relative to the last cutoff.
      margin_size: px around the image in all layers but the last ones.
      filter_size: taps of a low-pass filter per up- or down-sampling factor.
      lrelu_upsampling: how much finer the grid of the leaky ReLU is.
      conv_clamp: bound of activations, or None.
      output_scale: factor of the image.
      magnitude_beta: decay per step of the magnitudes; the reference takes
        0.5 ** (batch_size / 20000).
      w_avg_beta: decay per step of w_avg.
      dtype: of activations; styles, demodulation and toRGB's sum stay float32.
    """

    resolution: int = 256
    config: str = "t"
    num_layers: int = 14
    num_critical: int = 2
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    mapping_layers: int = 2
    channel_base: int = 32768
    channel_max: int = 512
    image_channels: int = 3
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_ratio: float = 2**0.3
    margin_size: int = 10
    filter_size: int = 6
    lrelu_upsampling: int = 2
    conv_clamp: float | None = 256.0
    output_scale: float = 0.25
    magnitude_beta: float = 0.999
    w_avg_beta: float = 0.998
    dtype: jnp.dtype = jnp.float32

    @property
    def num_ws(self):
        """Styles of an image: one for the Fourier input, one per layer, one for toRGB."""
        return self.num_layers + 2

    def setup(self):
        specs = layer_specs(self)
        first = specs[0]
        self.mapping_network = Mapping(self.w_dim, self.mapping_layers, self.c_dim)
        self.w_avg = self.variable("moving", "w_avg", jnp.zeros, (self.w_dim,))
        self.fourier_input = FourierInput(
            first.in_channels, first.in_size, first.in_rate, first.in_cutoff
        )
        self.layers = [
            SynthesisLayer(
                spec,
                self.magnitude_beta,
                self.conv_clamp,
                jnp.promote_types(self.dtype, jnp.float32) if spec.to_rgb else self.dtype,
            )
            for spec in specs
        ]

    def __call__(self, z, c=None, *, truncation_psi=1.0, truncation_cutoff=None, update_emas=False):
        """Images of latents.

        Args:
          z: [B, z_dim], standard normal.
          c: labels [B, c_dim], or None if c_dim is 0.
          truncation_psi: 1 is no truncation, 0 the mean style.
          truncation_cutoff: styles that are truncated, from the first; None for all.
          update_emas: whether the moving averages advance.

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
        return self.synthesis(ws, update_emas=update_emas)

    def mapping(self, z, c=None, *, truncation_psi=1.0, truncation_cutoff=None, update_emas=False):
        """Styles of latents: [B, num_ws, w_dim] float32. Arguments: see `__call__`."""
        w = self.mapping_network(z, c)
        if update_emas:
            mean = lax.stop_gradient(jnp.mean(w, 0))
            self.w_avg.value = mean + (self.w_avg.value - mean) * self.w_avg_beta
        truncated = w * truncation_psi + self.w_avg.value * (1 - truncation_psi)
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return jnp.stack([truncated] * cutoff + [w] * (self.num_ws - cutoff), 1)

    def synthesis(self, ws, *, update_emas=False):
        """Images of styles [B, num_ws, w_dim]; see `__call__`.

        Raises:
          ValueError: if the number or size of the styles is wrong.
        """
        if ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws: found {ws.shape}, expected [B, {self.num_ws}, {self.w_dim}]")
        x = self.fourier_input(ws[:, 0])
        for index, layer in enumerate(self.layers):
            x = layer(x, ws[:, index + 1], update_emas=update_emas)
        return x * self.output_scale


def w_avg(variables):
    """The mean style [w_dim] among a generator's variables."""
    return variables["moving"]["w_avg"]
