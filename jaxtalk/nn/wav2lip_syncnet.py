"""Wav2Lip's lip-sync expert (Prajwal et al. 2020): embeddings of five mouths and of their speech.

Matches the public PyTorch network `SyncNet_color`; images are NHWC.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, torch_init

NUM_FRAMES, NUM_MELS, MEL_BINS = 5, 16, 80
FACE_ROWS, FACE_COLUMNS = 48, 96  # the lower half of 96 x 96

# (multiple of the width, kernel size, strides, padding, residual blocks behind it)
FACE_LAYERS = (
    (1, 7, (1, 1), 3, 0),
    (2, 5, (1, 2), 1, 2),
    (4, 3, (2, 2), 1, 3),
    (8, 3, (2, 2), 1, 2),
    (16, 3, (2, 2), 1, 2),
    (16, 3, (2, 2), 1, 0),
    (16, 3, (1, 1), 0, 0),
    (16, 1, (1, 1), 0, 0),
)
AUDIO_LAYERS = (
    (1, 3, (1, 1), 1, 2),
    (2, 3, (3, 1), 1, 2),
    (4, 3, (3, 3), 1, 2),
    (8, 3, (3, 2), 1, 2),
    (16, 3, (1, 1), 0, 0),
    (16, 1, (1, 1), 0, 0),
)


class ConvNorm(nn.Module):
    """Convolution, batch norm, residual where asked for, ReLU."""

    features: int
    size: int
    strides: tuple[int, int]
    padding: int
    residual: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> [B, H', W', features]."""
        y = nn.Conv(
            self.features,
            (self.size, self.size),
            self.strides,
            padding=self.padding,
            kernel_init=torch_init,
            dtype=self.dtype,
            name="conv",
        )(x)
        y = batch_norm("norm", train=train, dtype=self.dtype)(y)
        return nn.relu(y + x if self.residual else y)


class Encoder(nn.Module):
    """Stack of ConvNorm that ends at one pixel, scaled to length 1."""

    layers: tuple
    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> [B, 16 width] of length 1."""
        x = x.astype(self.dtype)
        index = 0
        for multiple, size, strides, padding, num_residual in self.layers:
            features = multiple * self.width
            arguments = [(size, strides, padding, False)] + [(3, (1, 1), 1, True)] * num_residual
            for values in arguments:
                x = ConvNorm(features, *values, self.dtype, name=f"layer_{index}")(x, train=train)
                index += 1
        x = x[:, 0, 0].astype(jnp.promote_types(self.dtype, jnp.float32))
        length = jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)
        return x / length


class Wav2LipSyncNet(nn.Module):
    """Lip-sync expert. The cosine of its two embeddings is in [0, 1]: both end in a ReLU.

    Deviation: the epsilon of the length (1e-12 in the public network, 1e-6 here) stands inside the
    root, which keeps the gradient finite where all channels are 0.

    Attributes:
      width: channels of the first layers (32 in the public network).
      dtype: of the computation; statistics and lengths are float32.

    Raises:
      ValueError: faces or mels have another shape.
    """

    width: int = 32
    dtype: Any = jnp.float32

    def setup(self):
        self.face_encoder = Encoder(FACE_LAYERS, self.width, self.dtype)
        self.audio_encoder = Encoder(AUDIO_LAYERS, self.width, self.dtype)

    def video(self, faces, *, train=False):
        """Lower halves of faces [B, 5, 48, 96, 3] in [0, 1] -> [B, 16 width] of length 1.

        The channels may be in any order that the weights were trained with: the public ones take
        blue, green, red.
        """
        expected = (NUM_FRAMES, FACE_ROWS, FACE_COLUMNS, 3)
        if faces.shape[1:] != expected:
            raise ValueError(f"faces: found {faces.shape}, expected [B, {str(expected)[1:-1]}]")
        x = jnp.moveaxis(faces, 1, 3)  # channel = 3 * frame + colour
        return self.face_encoder(x.reshape(*x.shape[:3], -1), train=train)

    def audio(self, mel, *, train=False):
        """Wav2Lip's mel in [-4, 4], [B, 16, 80] (time, bins) -> [B, 16 width] of length 1."""
        if mel.shape[1:] != (NUM_MELS, MEL_BINS):
            raise ValueError(f"mel: found {mel.shape}, expected [B, {NUM_MELS}, {MEL_BINS}]")
        return self.audio_encoder(mel.swapaxes(1, 2)[..., None], train=train)

    def __call__(self, faces, mel, *, train=False):
        """Both embeddings: (video [B, D], audio [B, D])."""
        return self.video(faces, train=train), self.audio(mel, train=train)
