"""Transformer layers in PyTorch's convention (Vaswani et al. 2017): norms behind the sums, ReLU."""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

xavier = nn.initializers.xavier_uniform()


def sinusoidal_positions(num_positions, features):
    """float32 [num_positions, features]: sines at even, cosines at odd channels."""
    rate = 10000.0 ** (-2 * (np.arange(features) // 2) / features)
    angle = np.arange(num_positions)[:, None] * rate
    return np.where(np.arange(features) % 2, np.cos(angle), np.sin(angle)).astype(np.float32)


def layer_norm(name, dtype):
    """PyTorch's LayerNorm: epsilon 1e-5, statistics in float32."""
    return nn.LayerNorm(epsilon=1e-5, dtype=dtype, name=name)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention, as torch.nn.MultiheadAttention.

    Attributes:
      num_heads: H, a divisor of D.
      dropout: share of the attention weights that is dropped in training.
      dtype: of the products; the softmax is float32.
    """

    num_heads: int
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, query, memory, key_mask=None, *, train=False):
        """Queries [B, Q, D] attend to memory [B, K, D] -> [B, Q, D].

        Args:
          query, memory: see above.
          key_mask: bool [B, K], False for what must not be attended to; None for none of it.
          train: whether dropout is on, with the random stream "dropout".
        """
        features = query.shape[-1]
        dense = functools.partial(nn.Dense, features, kernel_init=xavier, dtype=self.dtype)

        def heads(x, name):
            return dense(name=name)(x).reshape(*x.shape[:2], self.num_heads, -1)

        q, k, v = heads(query, "query"), heads(memory, "key"), heads(memory, "value")
        logits = jnp.einsum("bqhc,bkhc->bhqk", q, k) / (features // self.num_heads) ** 0.5
        logits = logits.astype(jnp.promote_types(self.dtype, jnp.float32))
        if key_mask is not None:
            lowest = jnp.finfo(logits.dtype).min
            logits = jnp.where(key_mask[:, None, None], logits, lowest)
        weights = nn.softmax(logits).astype(self.dtype)
        weights = nn.Dropout(self.dropout, deterministic=not train)(weights)
        attended = jnp.einsum("bhqk,bkhc->bqhc", weights, v)
        return dense(name="out")(attended.reshape(query.shape))


class FeedForward(nn.Module):
    """Dense, ReLU, dropout, dense."""

    hidden: int
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(self, x, *, train):
        dense = functools.partial(nn.Dense, kernel_init=xavier, dtype=self.dtype)
        y = nn.relu(dense(self.hidden, name="dense1")(x))
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        return dense(x.shape[-1], name="dense2")(y)


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, sum and norm.

    Attributes:
      num_heads: of the attention.
      hidden: channels inside the feed-forward.
      dropout: everywhere.
      dtype: of the computation; softmax and norms are float32 inside.
    """

    num_heads: int
    hidden: int
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, key_mask=None, *, train=False):
        """[B, T, D] -> [B, T, D]; `key_mask`: see `MultiHeadAttention`."""
        attention = MultiHeadAttention(self.num_heads, self.dropout, self.dtype, name="attention")
        feed_forward = FeedForward(self.hidden, self.dropout, self.dtype, name="feed_forward")

        def drop(y):
            return nn.Dropout(self.dropout, deterministic=not train)(y)

        x = x + drop(attention(x, x, key_mask, train=train))
        x = layer_norm("norm1", self.dtype)(x)
        x = x + drop(feed_forward(x, train=train))
        return layer_norm("norm2", self.dtype)(x)


class TransformerDecoderLayer(nn.Module):
    """Self-attention, attention to a memory and feed-forward, each with dropout, sum and norm.

    Attributes: see `TransformerEncoderLayer`.
    """

    num_heads: int
    hidden: int
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, memory, key_mask=None, *, train=False):
        """[B, T, D], memory [B, K, D] -> [B, T, D]; `key_mask` [B, K] is that of the memory."""
        shared = (self.num_heads, self.dropout, self.dtype)
        self_attention = MultiHeadAttention(*shared, name="self_attention")
        attention = MultiHeadAttention(*shared, name="attention")
        feed_forward = FeedForward(self.hidden, self.dropout, self.dtype, name="feed_forward")

        def drop(y):
            return nn.Dropout(self.dropout, deterministic=not train)(y)

        x = x + drop(self_attention(x, x, train=train))
        x = layer_norm("norm1", self.dtype)(x)
        x = x + drop(attention(x, memory, key_mask, train=train))
        x = layer_norm("norm2", self.dtype)(x)
        x = x + drop(feed_forward(x, train=train))
        return layer_norm("norm3", self.dtype)(x)
