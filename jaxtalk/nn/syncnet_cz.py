"""SyncNet of Chung and Zisserman (2016), whose distances are LSE-D, LSE-C and the offset.

Matches the public PyTorch network `S(num_layers_in_fc_layers=1024)` of syncnet_python. Its
three-dimensional convolutions see the five frames of a window once, in the first layer: they are
two-dimensional ones over stacked frames here.
"""

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, torch_init
from jaxtalk.nn.pooling import max_pool

NUM_FRAMES, FRAME_SIZE = 5, 224
NUM_MFCC_STEPS, NUM_MFCC, STEPS_PER_FRAME = 20, 13, 4

# (channels of 512, kernel size, stride, padding, pooling: (size, stride, padding) or None)
LIP_LAYERS = (
    (96, (7, 7), 2, 0, ((3, 3), (2, 2), (0, 0))),
    (256, (5, 5), 2, 1, ((3, 3), (2, 2), (1, 1))),
    (256, (3, 3), 1, 1, None),
    (256, (3, 3), 1, 1, None),
    (256, (3, 3), 1, 1, ((3, 3), (2, 2), (0, 0))),
    (512, (6, 6), 1, 0, None),
)
AUDIO_LAYERS = (
    (64, (3, 3), 1, 1, None),
    (192, (3, 3), 1, 1, ((3, 3), (1, 2), (0, 0))),
    (384, (3, 3), 1, 1, None),
    (256, (3, 3), 1, 1, None),
    (256, (3, 3), 1, 1, ((3, 3), (2, 2), (0, 0))),
    (512, (5, 4), 1, 0, None),
)


class Embedder(nn.Module):
    """Convolutions with batch norm, ReLU and pooling down to one pixel, then two dense layers."""

    layers: tuple
    width: int
    embedding_dim: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """[N, H, W, C] -> [N, embedding_dim]."""
        x = x.astype(self.dtype)
        for i, (channels, size, stride, padding, pooling) in enumerate(self.layers):
            x = nn.Conv(
                channels * self.width // 512,
                size,
                stride,
                padding=padding,
                kernel_init=torch_init,
                dtype=self.dtype,
                name=f"conv_{i}",
            )(x)
            x = nn.relu(batch_norm(f"norm_{i}", train=False, dtype=self.dtype)(x))
            if pooling:
                x = max_pool(x, *pooling)
        dense = functools.partial(nn.Dense, kernel_init=torch_init, dtype=self.dtype)
        x = dense(self.width, name="dense_0")(x[:, 0, 0])
        x = nn.relu(batch_norm("dense_norm", train=False, dtype=self.dtype)(x))
        x = dense(self.embedding_dim, name="dense_1")(x)
        return x.astype(jnp.promote_types(self.dtype, jnp.float32))


class SyncNetCZ(nn.Module):
    """Embeddings of windows of five frames and of their 0.2 s of speech; for measuring only.

    Attributes:
      width: channels of the widest layers (512 in the public network).
      embedding_dim: D.
      dtype: of the computation; statistics and embeddings are float32.

    Raises:
      ValueError: frames or MFCCs have another shape.
    """

    width: int = 512
    embedding_dim: int = 1024
    dtype: Any = jnp.float32

    def setup(self):
        self.lip_encoder = Embedder(LIP_LAYERS, self.width, self.embedding_dim, self.dtype)
        self.audio_encoder = Embedder(AUDIO_LAYERS, self.width, self.embedding_dim, self.dtype)

    def lip(self, frames):
        """Faces at 25 fps [B, T, 224, 224, 3], blue green red in [0, 255] -> [B, T - 4, D].

        Window t has the frames t .. t + 4.
        """
        expected = (FRAME_SIZE, FRAME_SIZE, 3)
        if frames.shape[2:] != expected or frames.shape[1] < NUM_FRAMES:
            raise ValueError(
                f"frames: found {frames.shape}, expected [B, {NUM_FRAMES} or more, "
                f"{str(expected)[1:-1]}]"
            )
        num_windows = frames.shape[1] - NUM_FRAMES + 1
        windows = [frames[:, i : i + num_windows] for i in range(NUM_FRAMES)]
        x = jnp.concatenate(windows, axis=-1)  # channel = 3 * frame + colour
        x = self.lip_encoder(x.reshape(-1, *x.shape[2:]))
        return x.reshape(frames.shape[0], num_windows, -1)

    def audio(self, mfcc):
        """MFCCs at 100 Hz [B, S, 13] -> [B, (S - 20) // 4 + 1, D].

        Window t has the steps 4 t .. 4 t + 19, hence the time of the frames t .. t + 4.
        """
        batch, num_steps, num_mfcc = mfcc.shape
        if num_steps < NUM_MFCC_STEPS or num_mfcc != NUM_MFCC:
            raise ValueError(
                f"mfcc: found {mfcc.shape}, expected [B, {NUM_MFCC_STEPS} or more, {NUM_MFCC}]"
            )
        num_windows = (num_steps - NUM_MFCC_STEPS) // STEPS_PER_FRAME + 1
        start = STEPS_PER_FRAME * jnp.arange(num_windows)[:, None]
        windows = mfcc[:, start + jnp.arange(NUM_MFCC_STEPS)]  # [B, T, 20, 13]
        x = windows.reshape(-1, NUM_MFCC_STEPS, NUM_MFCC).swapaxes(1, 2)[..., None]
        return self.audio_encoder(x).reshape(batch, num_windows, -1)

    def __call__(self, frames, mfcc):
        """(lip [B, T - 4, D], audio [B, T', D]); the two lengths may differ at the end."""
        return self.lip(frames), self.audio(mfcc)
