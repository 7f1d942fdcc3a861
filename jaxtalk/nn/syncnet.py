"""SyncNet: embeddings of five video frames and of their audio in one space (StyleTalker 3.1)."""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

NUM_FRAMES = 5  # 2 * T_s + 1 of eq. 3, centred on the frame that the audio belongs to
SMALLEST_SIDE = 4  # pixels of the last feature map, per axis


class ConvNorm(nn.Module):
    """3x3 convolution, batch norm in float32, ReLU; residual where the shape allows it."""

    features: int
    strides: tuple[int, int] = (1, 1)
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> [B, H', W', features]."""
        conv = nn.Conv(
            self.features, (3, 3), self.strides, padding=1, use_bias=False, dtype=self.dtype
        )
        y = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=jnp.float32)(conv(x))
        return nn.relu(y + x if y.shape == x.shape else y).astype(self.dtype)


class Embedder(nn.Module):
    """Stacks of ConvNorm that halve the map and double the width, then one dense layer.

    Each stack halves every side that is above 4 and not much the shorter one, so any input ends
    near 4x4, whose positions the dense layer still tells apart.

    Attributes:
      width: channels of the first convolution; the stacks have 1, 2, 4, 8, 8, ... times as many.
      embedding_dim: D.
    """

    width: int
    embedding_dim: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> float32 [B, D] of length 1."""
        features = self.width
        x = ConvNorm(features, dtype=self.dtype)(x.astype(self.dtype), train=train)
        while max(x.shape[1:3]) > SMALLEST_SIDE:
            longest = max(x.shape[1:3])
            strides = tuple(2 if n > SMALLEST_SIDE and 2 * n > longest else 1 for n in x.shape[1:3])
            x = ConvNorm(features, strides, self.dtype)(x, train=train)
            x = ConvNorm(features, dtype=self.dtype)(x, train=train)
            features = min(2 * features, 8 * self.width)
        x = nn.Dense(self.embedding_dim, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        x = x.astype(jnp.float32)
        return x * lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)


class SyncNet(nn.Module):
    """f_v and f_a of eq. 3. The paper leaves their layers open; these are this project's.

    The video encoder sees the lower part of the frame only, as Wav2Lip's expert does: the mouth is
    there, the rest is mostly what a small training run would learn by heart. Its frames are
    stacked on the channel axis.

    Attributes:
      width: channels of the video encoder's first convolution.
      audio_width: the same of the audio encoder.
      embedding_dim: D, size of both embeddings.
      first_row: share of the rows that is cut off at the top; 0 keeps whole frames.
    """

    width: int = 64
    embedding_dim: int = 512
    audio_width: int = 64
    first_row: float = 0.5
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self.video_encoder = Embedder(self.width, self.embedding_dim, self.dtype)
        self.audio_encoder = Embedder(self.audio_width, self.embedding_dim, self.dtype)

    def video(self, frames, *, train=False):
        """[B, 5, H, W, 3] in [-1, 1] -> float32 [B, D] of length 1."""
        x = frames[:, :, round(self.first_row * frames.shape[2]) :]
        b, t, h, w, c = x.shape
        x = x.transpose(0, 2, 3, 1, 4).reshape(b, h, w, t * c)
        return self.video_encoder(x, train=train)

    def audio(self, mel, *, train=False):
        """[B, 20, 80] log mel of the centre frame -> float32 [B, D] of length 1."""
        x = (mel[..., None] + 6.0) / 4.0  # speech lies within about -11.5 and 4
        return self.audio_encoder(x, train=train)

    def __call__(self, frames, mel, *, train=False):
        """Both embeddings: ([B, D], [B, D])."""
        return self.video(frames, train=train), self.audio(mel, train=train)
