"""The first-order motion model's generator (Siarohin et al. 2019): a portrait moved by key points.

Matches the public `OcclusionAwareGenerator` and its dense motion network. Images are in [0, 1].
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.hourglass import ConvBlock, Hourglass, ResidualBlock, conv
from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from jaxtalk.ops.resize import resize_bilinear
from jaxtalk.ops.warp import coordinate_grid, grid_sample


class DenseMotion(NamedTuple):
    """Where each pixel of the driven frame comes from; h, w are a quarter of the image's size.

    Attributes:
      deformation: [B, h, w, 2], coordinates in the source.
      occlusion: [B, h, w, 1] in (0, 1), 0 where the source shows nothing to use.
      mask: [B, h, w, K + 1], shares of the background's and each key point's motion.
      sparse_deformed: [B, h, w, K + 1, 3], the source moved by each of these motions alone.
    """

    deformation: Any
    occlusion: Any
    mask: Any
    sparse_deformed: Any


class Generated(NamedTuple):
    """What the generator makes; under `jit` unused parts cost nothing.

    Attributes:
      image: [B, H, W, 3] in (0, 1).
      deformed: [B, H, W, 3], the source image under the motion alone.
      motion: a `DenseMotion`.
    """

    image: Any
    deformed: Any
    motion: Any


def inverse_2x2(matrix):
    """Inverses of matrices [..., 2, 2]."""
    a, b, c, d = (matrix[..., i, j] for i in (0, 1) for j in (0, 1))
    adjugate = jnp.stack([jnp.stack([d, -b], -1), jnp.stack([-c, a], -1)], -2)
    return adjugate / (a * d - b * c)[..., None, None]


def sparse_motions(driving, source, height, width):
    """Eq. 4: coordinates in the source under each key point's motion, the background's first.

    Args:
      driving, source: `Keypoints` with B x K points.

    Returns:
      [B, K + 1, height, width, 2].
    """
    grid = coordinate_grid(height, width)
    to_source = jnp.matmul(
        source.jacobian, inverse_2x2(driving.jacobian), precision="highest"
    )  # [B, K, 2, 2]
    offset = grid - driving.position[:, :, None, None]
    moved = jnp.einsum("bkij,bkhwj->bkhwi", to_source, offset, precision="highest")
    moved = moved + source.position[:, :, None, None]
    background = jnp.broadcast_to(grid, (moved.shape[0], 1, *grid.shape))
    return jnp.concatenate([background, moved], axis=1)


def gaussian_maps(position, height, width, variance):
    """Bells [B, height, width, K] around points [B, K, 2]."""
    grid = coordinate_grid(height, width)[:, :, None]
    distance = jnp.sum((grid - position[:, None, None]) ** 2, axis=-1)
    return jnp.exp(-0.5 * distance / variance)


class DenseMotionNetwork(nn.Module):
    """Blends the key points' motions (sec. 3.2). Fields: see `Generator`."""

    width: int
    max_width: int
    num_blocks: int
    downscale: int
    variance: float
    align_corners: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, source, driving_keypoints, source_keypoints, *, train):
        wide = jnp.promote_types(self.dtype, jnp.float32)
        source = gaussian_downsample(source.astype(wide), self.downscale)
        batch, height, width, channels = source.shape
        motions = sparse_motions(driving_keypoints, source_keypoints, height, width)
        count = motions.shape[1]
        # The motions one below the other are one tall grid over the one source.
        stacked = motions.reshape(batch, count * height, width, 2)
        deformed = grid_sample(source, stacked, align_corners=self.align_corners)
        deformed = deformed.reshape(batch, count, height, width, channels)
        deformed = jnp.moveaxis(deformed, 1, 3)  # [B, h, w, K + 1, 3]
        heat = gaussian_maps(driving_keypoints.position, height, width, self.variance)
        heat = heat - gaussian_maps(source_keypoints.position, height, width, self.variance)
        heat = jnp.pad(heat, ((0, 0), (0, 0), (0, 0), (1, 0)))  # none for the background
        x = jnp.concatenate([heat[..., None], deformed], axis=-1)
        x = x.reshape(batch, height, width, count * (channels + 1))

        features = Hourglass(
            self.width, self.max_width, self.num_blocks, self.dtype, name="hourglass"
        )(x, train=train)
        logits = conv(count, 7, self.dtype, "mask")(features).astype(wide)
        mask = nn.softmax(logits, axis=-1)
        deformation = jnp.einsum("bhwk,bkhwi->bhwi", mask, motions, precision="highest")
        occlusion = conv(1, 7, self.dtype, "occlusion")(features).astype(wide)
        return DenseMotion(deformation, nn.sigmoid(occlusion), mask, deformed)


class Generator(nn.Module):
    """Source image and two sets of key points -> the source in the driving pose.

    The defaults are those of "vox-256". An encoder, its features warped by the dense motion and
    weighted by the occlusion map, residual blocks, a decoder.

    Attributes:
      width: channels at full resolution; they double with each halving,
      max_width: up to this many.
      num_down: halvings of the encoder.
      num_bottleneck: residual blocks.
      motion_width, motion_max_width, motion_blocks: of the dense motion's hourglass.
      motion_downscale: whole factor by which images are reduced for the dense motion.
      keypoint_variance: of the bells that mark key points.
      align_corners: convention of all `grid_sample`s. The public weights were trained under
        PyTorch 1.0, where it was True; the PyTorch of today runs the same code with False.
      dtype: of the convolutions; coordinates, masks and statistics are float32 or wider.

    Deviation: convolution biases start at zero; the public code draws them.

    Raises:
      ValueError: height or width is no multiple of motion_downscale * 2 ** motion_blocks.
    """

    width: int = 64
    max_width: int = 512
    num_down: int = 2
    num_bottleneck: int = 6
    motion_width: int = 64
    motion_max_width: int = 1024
    motion_blocks: int = 5
    motion_downscale: int = 4
    keypoint_variance: float = 0.01
    align_corners: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, source, driving_keypoints, source_keypoints, *, train=False):
        """[B, H, W, 3] in [0, 1] and two `Keypoints` of B x K points -> float32 `Generated`."""
        motion = DenseMotionNetwork(
            self.motion_width,
            self.motion_max_width,
            self.motion_blocks,
            self.motion_downscale,
            self.keypoint_variance,
            self.align_corners,
            self.dtype,
            name="dense_motion",
        )(source, driving_keypoints, source_keypoints, train=train)

        def block(level, name, size=3, upsample=False):
            features = min(self.max_width, self.width * 2**level)
            return ConvBlock(features, size, upsample, self.dtype, name=name)

        def warp(x):
            deformation = resize_bilinear(motion.deformation, *x.shape[1:3])
            return grid_sample(x, deformation, align_corners=self.align_corners)

        x = block(0, "first", size=7)(source.astype(self.dtype), train=train)
        for i in range(self.num_down):
            x = mean_pool_2x2(block(i + 1, f"down_{i}")(x, train=train))
        x = warp(x) * resize_bilinear(motion.occlusion, *x.shape[1:3]).astype(self.dtype)
        for i in range(self.num_bottleneck):
            x = ResidualBlock(self.dtype, name=f"bottleneck_{i}")(x, train=train)
        for i in range(self.num_down):
            level = self.num_down - 1 - i
            x = block(level, f"up_{i}", upsample=True)(x, train=train)
        x = conv(source.shape[-1], 7, self.dtype, "final")(x)
        image = nn.sigmoid(x.astype(jnp.promote_types(self.dtype, jnp.float32)))
        return Generated(image, warp(source), motion)
