"""Volume-preserving normalising flow over time: causal in both directions, float32."""

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.lstm import LSTM, zero_carry


def _mean_removed(log_scale):
    return log_scale - log_scale.mean(axis=-1, keepdims=True)


class ActNorm(nn.Module):
    """Scale and shift per channel; the mean of the log-scales is removed, so its volume is 1.

    Starts as the identity. Data-dependent initialisation (Kingma and Dhariwal 2018) is left out:
    with the overall scale fixed, the deviations of the prior take its place.
    """

    @nn.compact
    def __call__(self, x, *, inverse=False):
        """[..., C] -> [..., C]."""
        zeros = nn.initializers.zeros_init()
        log_scale = _mean_removed(self.param("log_scale", zeros, (x.shape[-1],)))
        bias = self.param("bias", zeros, (x.shape[-1],))
        if inverse:
            return (x - bias) * jnp.exp(-log_scale)
        return x * jnp.exp(log_scale) + bias


class AffineCoupling(nn.Module):
    """Affine coupling whose scale and shift come from a causal LSTM, as GIN preserves volume.

    The first half of the channels passes; with the condition it feeds stacked LSTMs and a dense
    layer that gives r and t of the other half: q = clamp tanh(r / clamp), s = q - mean(q),
    x2 -> x2 exp(s) + t. The sum of s is zero in each frame, and earlier frames only add
    off-diagonal blocks to the Jacobian, so its determinant is 1. The dense layer starts at zero:
    the identity.

    Attributes:
      features: units of each LSTM layer.
      num_layers: stacked LSTM layers.
      clamp: bound of |q|.
    """

    features: int
    num_layers: int = 2
    clamp: float = 1.5

    @nn.compact
    def __call__(self, x, condition, carry=None, *, inverse=False):
        """[B, T, C], [B, T, K], carry of the LSTM or None -> ([B, T, C], carry).

        The carry is that of `jaxtalk.nn.lstm.LSTM`; the inverse leaves the same one as the forward
        direction, because both see the same first half.
        """
        half = x.shape[-1] // 2
        x1, x2 = x[..., :half], x[..., half:]
        lstm = LSTM(self.features, self.num_layers, name="lstm")
        hidden, carry = lstm(jnp.concatenate([x1, condition], axis=-1), carry)
        zeros = nn.initializers.zeros_init()
        raw = nn.Dense(2 * x2.shape[-1], kernel_init=zeros, precision="highest", name="out")(hidden)
        log_scale, shift = jnp.split(raw, 2, axis=-1)
        log_scale = _mean_removed(self.clamp * jnp.tanh(log_scale / self.clamp))
        if inverse:
            x2 = (x2 - shift) * jnp.exp(-log_scale)
        else:
            x2 = x2 * jnp.exp(log_scale) + shift
        return jnp.concatenate([x1, x2], axis=-1), carry


class Flow(nn.Module):
    """`num_steps` times actnorm, coupling, reversal of the channels (StyleTalker eq. 8, A.3).

    The determinant of its Jacobian is 1 by construction, so it returns none. With 0 steps it is
    the identity.

    Attributes:
      num_steps: the paper leaves the number open.
      features, num_layers, clamp: as `AffineCoupling`.
    """

    num_steps: int
    features: int = 256
    num_layers: int = 2
    clamp: float = 1.5

    def setup(self):
        self.norms = [ActNorm() for _ in range(self.num_steps)]
        self.couplings = [
            AffineCoupling(self.features, self.num_layers, self.clamp)
            for _ in range(self.num_steps)
        ]

    def initial_carry(self, batch_size):
        """State before the first frame: one LSTM carry for each step."""
        one = zero_carry(batch_size, self.features, self.num_layers)
        return tuple(one for _ in range(self.num_steps))

    def __call__(self, x, condition, carry=None, *, inverse=False):
        """[B, T, C], [B, T, K], carry or None -> ([B, T, C], carry); frame t sees frames <= t."""
        carry = self.initial_carry(x.shape[0]) if carry is None else carry
        x, carries = x.astype(jnp.float32), [None] * self.num_steps
        for step in reversed(range(self.num_steps)) if inverse else range(self.num_steps):
            norm, coupling = self.norms[step], self.couplings[step]
            if inverse:
                x, carries[step] = coupling(x[..., ::-1], condition, carry[step], inverse=True)
                x = norm(x, inverse=True)
            else:
                x, carries[step] = coupling(norm(x), condition, carry[step])
                x = x[..., ::-1]
        return x, tuple(carries)
