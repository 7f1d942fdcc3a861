"""AVCT's networks (Wang et al. 2022): speech to key points, and speech to head motion.

Match the public PyTorch release at 25 fps and 16 kHz.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, torch_init
from jaxtalk.nn.lstm import LSTM, zero_carry
from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.nn.resnet import Trunk
from jaxtalk.nn.transformer import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    layer_norm,
    sinusoidal_positions,
)
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.ops.resize import upsample_nearest

NUM_PHONEMES = 41
MAP_SIZE, POSE_MAP_SIZE = 64, 256
AUDIO_STEPS, AUDIO_FEATURES = 4, 41  # of a video frame
# Head poses: rotation in radians, translation in the units of the pose boxes.
POSE_MIN = (-0.6, -0.6, -0.6, -128.0, -128.0, 128.0)
POSE_MAX = (0.6, 0.6, 0.6, 128.0, 128.0, 384.0)


class DownBlock(nn.Module):
    """Twice BN, leaky ReLU 0.2 and 3x3 convolution, beside BN and a 1x1 convolution; halves both.

    The shortcut is averaged before its convolution, which is the same and a quarter of the work.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> [B, H / 2, W / 2, features]."""
        y = x
        for i, features in enumerate((min(x.shape[-1], self.features), self.features)):
            y = batch_norm(f"norm{i}", train=train, dtype=self.dtype)(y)
            y = nn.Conv(
                features,
                (3, 3),
                padding=1,
                kernel_init=torch_init,
                dtype=self.dtype,
                name=f"conv{i}",
            )(nn.leaky_relu(y, 0.2))
        x = mean_pool_2x2(batch_norm("shortcut_norm", train=train, dtype=self.dtype)(x))
        shortcut = nn.Dense(
            self.features, kernel_init=torch_init, dtype=self.dtype, name="shortcut_conv"
        )
        return mean_pool_2x2(y) + shortcut(x)


class MapEncoder(nn.Module):
    """Five `DownBlock`s and a mean: maps [N, 64, 64, C] -> [N, 16 width]."""

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        for i in range(5):
            x = DownBlock(2**i * self.width, self.dtype, name=f"block_{i}")(x, train=train)
        return jnp.mean(x, axis=(1, 2))


class AudioToKeypoints(nn.Module):
    """Phonemes, head poses and speech around a frame -> the frame's key points.

    The encoder of the transformer reads phonemes and poses, the decoder speech and the portrait's
    feature map; the centre of the window is the frame. Phonemes outside a clip are silence (31),
    poses those of its first or last frame, speech zeros.

    Attributes:
      num_keypoints: K.
      window: frames on each side of the centre.
      width: channels of the first block of the encoders of maps; 16 times as many are the
        transformer's.
      num_heads, num_layers, hidden: of the transformer, `num_layers` in each half.
      dropout: of the transformer, in training.
      dtype: of the computation; statistics, softmax and key points are float32.

    Raises:
      ValueError: an input has another shape.
    """

    num_keypoints: int = 10
    window: int = 5
    width: int = 32
    num_heads: int = 8
    num_layers: int = 6
    hidden: int = 2048
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, phonemes, pose_maps, audio, feature_map, *, train=False):
        """The key points of the frames in the middle of the windows, T = 2 window + 1.

        Args:
          phonemes: int [B, T], 0 .. 40.
          pose_maps: [B, T, 256, 256], pictures of the pose boxes in [0, 255].
          audio: [B, T, 4, 41], MFCC, log filter banks, F0, voiced flag.
          feature_map: [B, 64, 64, F] of the portrait, from the first-order model's key-point
            detector (32 + 3 channels).
          train: whether dropout (random stream "dropout") and batch statistics are on.

        Returns:
          (positions [B, K, 2] in about [-1, 1], Jacobians [B, K, 2, 2]) float32.
        """
        num_frames = 2 * self.window + 1
        batch = phonemes.shape[0]
        found = tuple(x.shape[1:] for x in (phonemes, pose_maps, audio, feature_map[..., 0]))
        expected = (
            (num_frames,),
            (num_frames, POSE_MAP_SIZE, POSE_MAP_SIZE),
            (num_frames, AUDIO_STEPS, AUDIO_FEATURES),
            (MAP_SIZE, MAP_SIZE),
        )
        if found != expected:
            raise ValueError(
                "phonemes, pose_maps, audio, a channel of feature_map: found [B, ...] of "
                f"{found}, expected {expected}"
            )
        poses = pose_maps.reshape(-1, POSE_MAP_SIZE, POSE_MAP_SIZE, 1)
        poses = poses.astype(jnp.promote_types(self.dtype, jnp.float32))
        poses = gaussian_downsample(poses, POSE_MAP_SIZE // MAP_SIZE).astype(self.dtype)
        side = MAP_SIZE // 4
        embedding = nn.Embed(
            NUM_PHONEMES,
            side * side,
            embedding_init=nn.initializers.normal(1.0),
            dtype=self.dtype,
            name="phoneme_embedding",
        )(phonemes)
        embedding = upsample_nearest(embedding.reshape(-1, side, side, 1), 4)
        source = MapEncoder(self.width, self.dtype, name="source_encoder")(
            jnp.concatenate([poses, embedding], axis=-1), train=train
        )

        channels = feature_map.shape[-1]
        x = self._audio_map(audio.reshape(-1, *audio.shape[2:], 1), channels, train)
        portrait = jnp.broadcast_to(
            feature_map.astype(self.dtype)[:, None], (batch, num_frames, *feature_map.shape[1:])
        )
        x = jnp.concatenate([x, portrait.reshape(x.shape)], axis=-1)
        target = MapEncoder(self.width, self.dtype, name="target_encoder")(x, train=train)

        features = 16 * self.width
        source, target = (x.reshape(batch, num_frames, features) for x in (source, target))
        x = self._transformer(source, target, train)[:, self.window]
        x = x.astype(jnp.promote_types(self.dtype, jnp.float32))
        count = self.num_keypoints
        positions = nn.Dense(2 * count, kernel_init=torch_init, dtype=x.dtype, name="position")(x)
        jacobians = nn.Dense(
            4 * count,
            kernel_init=nn.initializers.zeros,
            bias_init=lambda rng, shape, dtype: jnp.tile(jnp.eye(2, dtype=dtype).ravel(), count),
            dtype=x.dtype,
            name="jacobian",
        )(x)
        return positions.reshape(batch, count, 2), jacobians.reshape(batch, count, 2, 2)

    def _audio_map(self, audio, channels, train):
        """[N, 4, 41, 1] -> [N, 64, 64, channels]."""
        # A transposed convolution of stride 1, written as the plain one that it is.
        x = nn.Conv(
            8,
            (29, 14),
            padding=((28, 28), (2, 2)),
            kernel_init=torch_init,
            dtype=self.dtype,
            name="audio_conv0",
        )(audio.astype(self.dtype))
        x = nn.relu(batch_norm("audio_norm", train=train, dtype=self.dtype)(x))
        x = nn.Conv(
            channels,
            (13, 13),
            padding=6,
            kernel_init=torch_init,
            dtype=self.dtype,
            name="audio_conv1",
        )(x)
        return upsample_nearest(x, 2)

    def _transformer(self, source, target, train):
        shared = (self.num_heads, self.hidden, self.dropout, self.dtype)
        positions = sinusoidal_positions(*source.shape[1:]).astype(self.dtype)
        memory = source + positions
        for i in range(self.num_layers):
            memory = TransformerEncoderLayer(*shared, name=f"encoder_{i}")(memory, train=train)
        x = target + positions
        for i in range(self.num_layers):
            x = TransformerDecoderLayer(*shared, name=f"decoder_{i}")(x, memory, train=train)
        return layer_norm("norm", self.dtype)(x)


class AudioToPose(nn.Module):
    """The portrait's head pose and speech -> head poses of all frames, one after another.

    Attributes:
      width: channels of the stems of the two ResNet-34 (64 in the release).
      features: of the embeddings and of the LSTM.
      dtype: of the ResNets; the LSTM and poses are float32.
    """

    width: int = 64
    features: int = 256
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, pose_map, audio, *, train=False):
        """One pose more than there are frames of speech: the first is that of the picture alone.

        Args:
          pose_map: [B, 256, 256], picture of the portrait's pose box in [0, 255].
          audio: [B, T, 4, 41], as in `AudioToKeypoints`.
          train: whether batch statistics are on.

        Returns:
          [B, T + 1, 6] float32, about [-1, 1]; see `head_poses`.
        """
        batch, num_frames = audio.shape[:2]
        pose = self._embed(pose_map[..., None], "pose_trunk", "pose_dense", train)
        speech = self._embed(
            audio.reshape(-1, *audio.shape[2:], 1), "audio_trunk", "audio_dense", train
        ).reshape(batch, num_frames, -1)

        def step(lstm, state, heard):
            last, carry = state
            y, carry = lstm(jnp.concatenate([heard, last], axis=-1)[:, None], carry)
            return (y[:, 0], carry), y[:, 0]

        scan = nn.scan(
            step, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1
        )
        lstm = LSTM(self.features, num_layers=2, name="lstm")
        _, states = scan(lstm, (pose, zero_carry(batch, self.features, 2, pose.dtype)), speech)
        states = jnp.concatenate([pose[:, None], states], axis=1)
        return nn.Dense(6, kernel_init=torch_init, name="output")(states)

    def _embed(self, x, trunk, dense, train):
        x = Trunk(False, self.width, self.dtype, name=trunk)(x, train=train)
        return nn.Dense(self.features, kernel_init=torch_init, dtype=x.dtype, name=dense)(x)


def head_poses(outputs):
    """Outputs of `AudioToPose` [..., 6] -> three angles in radians, three translations."""
    low, high = np.asarray(POSE_MIN, np.float32), np.asarray(POSE_MAX, np.float32)
    return (outputs + 1) / 2 * (high - low) + low
