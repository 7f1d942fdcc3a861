"""Long short-term memory over time, with the state in the caller's hands."""

import jax
import jax.numpy as jnp
from flax import linen as nn


def zero_carry(batch_size, features, num_layers=1, dtype=jnp.float32):
    """State before the first frame: (h, c), each [num_layers, B, features]."""
    zeros = jnp.zeros((num_layers, batch_size, features), dtype)
    return zeros, zeros


class LSTM(nn.Module):
    """Stacked causal LSTM, float32 or wider throughout.

    Matches torch.nn.LSTM (batch first): gate blocks i, f, g, o along the last axis of the kernels,
    h = o * tanh(c), initial weights U(-1/sqrt(features), 1/sqrt(features)); the two biases of that
    module are one here (their sum). The input projection of all frames is one product; only the
    recurrent one runs inside the scan over time.

    Attributes:
      features: H, units of each layer.
      num_layers: stacked layers.
    """

    features: int
    num_layers: int = 1

    @nn.compact
    def __call__(self, x, carry=None):
        """[B, T, C], (h, c) each [num_layers, B, H] or None for zeros -> ([B, T, H], carry).

        Calling it on consecutive pieces, each with the carry of the one before, gives the output
        of one call on the whole.
        """
        y, states = jnp.asarray(x), []
        y = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        if carry is None:
            carry = zero_carry(x.shape[0], self.features, self.num_layers, y.dtype)
        for layer in range(self.num_layers):
            y, state = self._layer(layer, y, carry[0][layer], carry[1][layer])
            states.append(state)
        h, c = (jnp.stack(parts) for parts in zip(*states))
        return y, (h, c)

    def _layer(self, layer, x, h, c):
        limit = self.features**-0.5

        def uniform(rng, shape):
            return jax.random.uniform(rng, shape, jnp.float32, -limit, limit)

        size = 4 * self.features
        input_kernel = self.param(f"input_kernel_{layer}", uniform, (x.shape[-1], size))
        recurrent_kernel = self.param(f"recurrent_kernel_{layer}", uniform, (self.features, size))
        bias = self.param(f"bias_{layer}", uniform, (size,))
        highest = jax.lax.Precision.HIGHEST

        def step(state, projected):
            h, c = state
            gates = projected + jnp.dot(h, recurrent_kernel, precision=highest)
            i, f, g, o = jnp.split(gates, 4, axis=-1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
            h = nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        projected = jnp.dot(x, input_kernel, precision=highest) + bias  # [B, T, 4H]
        state, y = jax.lax.scan(step, (h, c), projected.swapaxes(0, 1))
        return y.swapaxes(0, 1), state
