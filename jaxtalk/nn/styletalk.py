"""StyleTalk (Ma et al. 2023): expression coefficients from phonemes, in the style of another clip.

Matches the public content encoder, style encoder and dynamic decoder. The coefficients are the 64
of expression of the Basel face model (Deng et al. 2019).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.transformer import (
    MultiHeadAttention,
    TransformerEncoderLayer,
    layer_norm,
    sinusoidal_positions,
    xavier,
)

NUM_PHONEMES = 41
SILENCE = 31
NUM_COEFFICIENTS = 64
LOWER_FACE = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
UPPER_FACE = tuple(i for i in range(NUM_COEFFICIENTS) if i not in LOWER_FACE)
START_TEMPERATURE = 30.0


def phoneme_windows(phonemes, radius=5):
    """Phonemes [B, T] -> [B, T, 2 * radius + 1] around each frame, silence outside of the clip."""
    padded = jnp.pad(phonemes, ((0, 0), (radius, radius)), constant_values=SILENCE)
    return padded[:, np.arange(phonemes.shape[1])[:, None] + np.arange(2 * radius + 1)]


class ContentEncoder(nn.Module):
    """Windows of phonemes -> their content.

    Attributes:
      width: D, channels of the transformer.
      num_heads, num_layers, hidden, dropout: of the transformer.
      embedding_dim: channels of a phoneme's embedding.
      dtype: of the computation; softmax and norms are float32 inside.
    """

    width: int = 256
    num_heads: int = 8
    num_layers: int = 3
    hidden: int = 1024
    embedding_dim: int = 128
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, windows, *, train=False):
        """Phonemes [B, T, W] in 0 .. 40 -> [B, T, W, D]."""
        table = self.param(
            "embedding", nn.initializers.normal(1.0), (NUM_PHONEMES, self.embedding_dim)
        )
        # Each phoneme goes through the dense layer once, not once an occurrence.
        table = nn.Dense(self.width, kernel_init=xavier, dtype=self.dtype, name="input")(table)
        batch, frames, length = windows.shape
        x = table[windows.reshape(-1, length)]
        x = x + sinusoidal_positions(length, self.width).astype(self.dtype)
        for i in range(self.num_layers):
            x = TransformerEncoderLayer(
                self.num_heads, self.hidden, self.dropout, self.dtype, name=f"layer_{i}"
            )(x, train=train)
        return x.reshape(batch, frames, length, self.width)


class StyleEncoder(nn.Module):
    """A clip of coefficients -> one code for its style, pooled by attention.

    Attributes:
      width, num_heads, num_layers, hidden, dropout, dtype: as of `ContentEncoder`.
      max_length: frames of a clip at most.

    Raises:
      ValueError: the clip is longer.
    """

    width: int = 256
    num_heads: int = 8
    num_layers: int = 3
    hidden: int = 1024
    max_length: int = 256
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, clip, mask=None, *, train=False):
        """Coefficients [B, L, 64] -> float32 (or wider) [B, D].

        `mask` is bool [B, L], False for frames that only fill the clip up; None if there are none.
        """
        length = clip.shape[1]
        if length > self.max_length:
            raise ValueError(f"clip: found {length} frames, expected {self.max_length} at most")
        dense = functools.partial(nn.Dense, kernel_init=xavier, dtype=self.dtype)
        x = dense(self.width, name="input")(clip)
        x = x + sinusoidal_positions(length, self.width).astype(self.dtype)
        for i in range(self.num_layers):
            x = TransformerEncoderLayer(
                self.num_heads, self.hidden, self.dropout, self.dtype, name=f"layer_{i}"
            )(x, mask, train=train)
        logits = dense(1, name="pool2")(jax.nn.mish(dense(self.width, name="pool1")(x)))
        x, logits = (a.astype(jnp.promote_types(a.dtype, jnp.float32)) for a in (x, logits))
        if mask is not None:
            logits = jnp.where(mask[..., None], logits, logits - 1e5)
        return jnp.sum(nn.softmax(logits, axis=1) * x, axis=1)


class ExpertShares(nn.Module):
    """Style codes [B, D] -> shares [B, K] of the experts, float32 or wider."""

    num_experts: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, style, temperature):
        def dense(features, name):
            init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
            return nn.Dense(features, use_bias=False, kernel_init=init, dtype=self.dtype, name=name)

        hidden = nn.relu(dense(style.shape[-1] // 4, "dense1")(style))
        logits = dense(self.num_experts, "dense2")(hidden)
        return nn.softmax(logits.astype(jnp.promote_types(self.dtype, jnp.float32)) / temperature)


class DynamicDense(nn.Module):
    """A dense layer that is the mean of K experts, weighted by the style (Chen et al. 2020).

    The experts are blended once a clip, for all its frames.
    """

    features: int
    num_experts: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, style, temperature):
        """[B, N, C] and style codes [B, D] -> [B, N, features]."""
        count, channels = self.num_experts, x.shape[-1]
        kernel_init = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", batch_axis=0, in_axis=1, out_axis=2
        )
        kernel = self.param("kernel", kernel_init, (count, channels, self.features))
        bias = self.param("bias", nn.initializers.zeros, (count, self.features))
        shares = ExpertShares(count, self.dtype, name="shares")(style, temperature)
        blended = jnp.einsum("bk,kcf->bcf", shares, kernel).astype(self.dtype)
        offset = jnp.einsum("bk,kf->bf", shares, bias).astype(self.dtype)
        return jnp.einsum("bnc,bcf->bnf", x, blended) + offset[:, None]


class DynamicDecoderLayer(nn.Module):
    """Self-attention, attention to the content, style-dependent feed-forward, each with a norm.

    Attributes:
      num_heads, hidden, dropout, dtype: as of `TransformerDecoderLayer`.
      num_experts: of the feed-forward's first layer.
      middle_only: whether only the middle token of each window is computed.
    """

    num_heads: int
    hidden: int
    num_experts: int
    dropout: float
    middle_only: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, content, style, temperature, *, train):
        """x [B, T or 1, W, D], content [B, T, W, D], style [B, D] -> [B, T, W or 1, D]."""
        batch, frames, length, width = content.shape

        def drop(y):
            return nn.Dropout(self.dropout, deterministic=not train)(y)

        def attend(query, memory, name):
            attention = MultiHeadAttention(self.num_heads, self.dropout, self.dtype, name=name)
            query, memory = (a.reshape(-1, *a.shape[2:]) for a in (query, memory))
            return drop(attention(query, memory, train=train))

        memory = x
        if self.middle_only:
            x = x[:, :, length // 2 : length // 2 + 1]
        x = x + attend(x, memory, "self_attention").reshape(x.shape)
        x = layer_norm("norm1", self.dtype)(x)
        x = jnp.broadcast_to(x, (batch, frames, *x.shape[2:]))
        x = x + attend(x, content, "attention").reshape(x.shape)
        x = layer_norm("norm2", self.dtype)(x)
        y = DynamicDense(self.hidden, self.num_experts, self.dtype, name="dense1")(
            x.reshape(batch, -1, width), style, temperature
        )
        y = nn.Dense(width, kernel_init=xavier, dtype=self.dtype, name="dense2")(drop(nn.relu(y)))
        return layer_norm("norm3", self.dtype)(x + drop(y).reshape(x.shape))


class DynamicDecoder(nn.Module):
    """Content and style -> some coefficients of each frame.

    Attributes:
      features: number of coefficients.
      num_heads, num_layers, hidden, dropout, dtype: as of `ContentEncoder`.
      num_experts: K of the dynamic layers.

    Deviation: what the first layer computes before it looks at the content is the same for all
    frames of a clip and computed once, so that its dropout is too.
    """

    features: int
    num_heads: int = 8
    num_layers: int = 3
    hidden: int = 1024
    num_experts: int = 8
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, content, style, *, temperature=START_TEMPERATURE, train=False):
        """Content [B, T, W, D], style [B, D] -> float32 (or wider) [B, T, features].

        `temperature` of the softmax over experts: the paper's code starts at 30 and may lower it
        in training; its released weights are used with 30.
        """
        length, width = content.shape[2:]
        style, content = style.astype(self.dtype), content.astype(self.dtype)
        x = sinusoidal_positions(length, width).astype(self.dtype) + style[:, None, None]
        for i in range(self.num_layers):
            x = DynamicDecoderLayer(
                self.num_heads,
                self.hidden,
                self.num_experts,
                self.dropout,
                i == self.num_layers - 1,
                self.dtype,
                name=f"layer_{i}",
            )(x, content, style, temperature, train=train)
        x = layer_norm("norm", self.dtype)(x[:, :, 0])
        for i, features in enumerate((width // 2, width // 2, self.features)):
            x = nn.Dense(features, kernel_init=xavier, dtype=self.dtype, name=f"dense_{i}")(
                nn.relu(x) if i else x
            )
        return x.astype(jnp.promote_types(self.dtype, jnp.float32))


class StyleTalk(nn.Module):
    """Phonemes and a clip of the wanted style -> expression coefficients of each frame.

    Attributes:
      width, num_heads, num_layers, hidden, dropout: of all transformers.
      embedding_dim: of phonemes.
      num_experts: K of the decoders' dynamic layers.
      dtype: of the computation; pooling, shares of experts and coefficients are float32 or wider.
    """

    width: int = 256
    num_heads: int = 8
    num_layers: int = 3
    hidden: int = 1024
    embedding_dim: int = 128
    num_experts: int = 8
    dropout: float = 0.1
    dtype: Any = jnp.float32

    def setup(self):
        shared = {
            **{"num_heads": self.num_heads, "num_layers": self.num_layers},
            **{"hidden": self.hidden, "dropout": self.dropout, "dtype": self.dtype},
        }
        self.content_encoder = ContentEncoder(
            width=self.width, embedding_dim=self.embedding_dim, **shared
        )
        self.style_encoder = StyleEncoder(width=self.width, **shared)
        experts = self.num_experts
        self.upper_decoder = DynamicDecoder(len(UPPER_FACE), num_experts=experts, **shared)
        self.lower_decoder = DynamicDecoder(len(LOWER_FACE), num_experts=experts, **shared)

    def style(self, clip, mask=None, *, train=False):
        """Style codes [B, D], see `StyleEncoder`; blends of codes are codes as well."""
        return self.style_encoder(clip, mask, train=train)

    def coefficients(self, windows, style, *, temperature=START_TEMPERATURE, train=False):
        """Windows of phonemes [B, T, W] and style codes [B, D] -> [B, T, 64]."""
        content = self.content_encoder(windows, train=train)
        halves = [
            decoder(content, style, temperature=temperature, train=train)
            for decoder in (self.upper_decoder, self.lower_decoder)
        ]
        order = np.argsort(UPPER_FACE + LOWER_FACE)
        return jnp.concatenate(halves, axis=-1)[..., order]

    def __call__(self, windows, clip, mask=None, *, temperature=START_TEMPERATURE, train=False):
        """Windows of phonemes [B, T, W], a clip of coefficients [B, L, 64] -> [B, T, 64]."""
        style = self.style(clip, mask, train=train)
        return self.coefficients(windows, style, temperature=temperature, train=train)
