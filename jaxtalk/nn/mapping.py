"""Layers with equalised learning rate, and the mapping network of StyleGAN 1 to 3."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxtalk.ops.leaky_relu import leaky_relu


def normal_initializer(scale=1.0):
    """Normal weights from XLA's own generator.

    A network has dozens of weights, and the default generator takes about a third of a second of
    compile time for each.
    """

    def init(rng, shape, dtype=jnp.float32):
        words = jax.random.key_data(rng).reshape(-1)
        key = jax.random.wrap_key_data(jnp.resize(words, 4), impl="rbg")
        return scale * jax.random.normal(key, shape, dtype)

    return init


def normalize(x):
    """Scale the last axis to a mean square of 1."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + 1e-8)


def wide(x):
    """Float32 or wider."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


class EqualizedDense(nn.Module):
    """Dense layer whose weights are stored at unit variance and scaled when used.

    [B, I] -> [B, features], float32 or wider: its outputs are styles.

    Attributes:
      features: size of the output.
      activate: whether a leaky ReLU (gain sqrt 2) follows.
      lr_multiplier: weights and biases are stored divided by it.
      kernel_std, bias: initial values, before lr_multiplier.
    """

    features: int
    activate: bool = False
    lr_multiplier: float = 1.0
    kernel_std: float = 1.0
    bias: tuple[float, ...] | float = 0.0

    @nn.compact
    def __call__(self, x):
        init = normal_initializer(self.kernel_std / self.lr_multiplier)
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        bias = self.param("bias", self._initial_bias, (self.features,))
        kernel = kernel * (self.lr_multiplier / x.shape[-1] ** 0.5)
        y = jnp.matmul(x, kernel, precision=lax.Precision.HIGHEST) + bias * self.lr_multiplier
        return leaky_relu(y) if self.activate else y

    def _initial_bias(self, rng, shape):
        del rng
        return jnp.broadcast_to(jnp.asarray(self.bias, jnp.float32) / self.lr_multiplier, shape)


class Mapping(nn.Module):
    """Mapping network: latents and labels to styles.

    Karras et al. 2019 to 2021; layers `embed` (with labels) and `fc0`, `fc1`, ...

    Attributes:
      features: size of the hidden layers and of the output.
      num_layers: dense layers.
      c_dim: size of the label; 0 without labels.
      lr_multiplier: of the dense layers.
    """

    features: int
    num_layers: int
    c_dim: int = 0
    lr_multiplier: float = 0.01

    @nn.compact
    def __call__(self, z, c=None):
        """[B, z_dim] float32 (or None) and [B, c_dim] float32 (or None) -> [B, features].

        Raises:
          ValueError: if c is missing, superfluous or of the wrong size.
        """
        found = None if c is None else c.shape[-1]
        if found != (self.c_dim or None):
            raise ValueError(f"c: found a label of size {found}, expected {self.c_dim or None}")
        inputs = [] if z is None else [normalize(wide(z))]
        if c is not None:
            inputs.append(normalize(EqualizedDense(self.features, name="embed")(wide(c))))
        x = jnp.concatenate(inputs, -1)
        for index in range(self.num_layers):
            x = EqualizedDense(
                self.features, activate=True, lr_multiplier=self.lr_multiplier, name=f"fc{index}"
            )(x)
        return x
