"""The first-order model's patch discriminator on a pyramid of scales (Siarohin et al. 2019).

Matches the public `MultiScaleDiscriminator`. Images are in [0, 1].
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.first_order import gaussian_maps
from jaxtalk.nn.ir_se import torch_init
from jaxtalk.nn.patch_discriminator import InstanceNorm
from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.ops.gaussian_downsample import gaussian_downsample

KERNEL_SIZE = 4
EPSILON = 1e-12


class PatchScores(NamedTuple):
    """What the discriminator makes of one scale.

    Attributes:
      features: of each block [B, h, w, C], for feature matching.
      logits: [B, h, w, 1], not squashed; 1 for real and 0 for fake under the least-squares loss.
    """

    features: Any
    logits: Any


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x), EPSILON)


def _unit_normal(rng, size):
    return _unit(jax.random.normal(rng, (size,)))


class SpectralConv(nn.Module):
    """Unpadded convolution of stride 1 whose kernel is divided by its largest singular value.

    The kernel counts as a matrix from patches to channels (Miyato et al. 2018). Its singular
    vectors u and v, in the collection "batch_stats", improve by one power iteration each time that
    the layer runs in training. They are constants to the gradient, as in PyTorch's `spectral_norm`.

    Attributes:
      features: channels of the output.
      size: of the square kernel.
      normalize: whether the kernel is divided; without it this is a plain convolution.
      dtype: of the convolution; the singular value is float32 or wider.
    """

    features: int
    size: int
    normalize: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, C] -> [B, H - size + 1, W - size + 1, features]."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", torch_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.normalize:
            kernel = kernel / self._largest_singular_value(kernel, train)
        y = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y + bias.astype(self.dtype)

    def _largest_singular_value(self, kernel, train):
        matrix = kernel.reshape(-1, self.features)  # [size * size * C, features]
        u, v = (
            self.variable("batch_stats", name, lambda n=n: _unit_normal(self.make_rng("params"), n))
            for name, n in (("u", matrix.shape[1]), ("v", matrix.shape[0]))
        )
        if train and not self.is_initializing():
            constant = jax.lax.stop_gradient(matrix)
            v.value = _unit(jnp.matmul(constant, u.value, precision="highest"))
            u.value = _unit(jnp.matmul(v.value, constant, precision="highest"))
        image = jnp.matmul(matrix, u.value, precision="highest")
        return jnp.matmul(v.value, image, precision="highest")


class MultiScaleDiscriminator(nn.Module):
    """Scores overlapping patches of images as real or fake, at several scales.

    Each scale has a network of its own: blocks of an unpadded 4x4 convolution, instance
    normalisation (not in the first), leaky ReLU 0.2 and 2x2 means (not in the last), then a 1x1
    convolution. The defaults are those of "vox-256"; "vox-adv-256" has 10 key points and no
    spectral normalisation.

    Attributes:
      downscales: whole factors by which the images are reduced, one a scale.
      width: half the channels of the first block; they double with each block,
      max_width: up to this many.
      num_blocks: of each scale.
      num_keypoints: K; above 0, bells around the key points are appended to the images. All scales
        take the same points.
      keypoint_variance: of these bells.
      spectral_norm: whether all kernels are divided by their largest singular values.
      dtype: of the convolutions; normalisation and logits are float32 or wider.

    Deviation: convolution biases start at zero; the public code draws them.
    """

    downscales: tuple = (1,)
    width: int = 32
    max_width: int = 512
    num_blocks: int = 4
    num_keypoints: int = 0
    keypoint_variance: float = 0.01
    spectral_norm: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, keypoints=None, *, train=False):
        """A list of float32 `PatchScores`, one a scale.

        Args:
          images: [B, H, W, 3] in [0, 1].
          keypoints: positions [B, K, 2] in [-1, 1] where `num_keypoints` is above 0. The losses of
            the reference let no gradient through them.
          train: whether the singular vectors are improved.

        Raises:
          ValueError: the images are too small, or there are other key points than expected.
        """
        found = None if keypoints is None else keypoints.shape
        expected = (len(images), self.num_keypoints, 2) if self.num_keypoints else None
        if found != expected:
            raise ValueError(f"keypoints: found {found}, expected {expected}")
        if self._side_of_map(min(images.shape[1:3]) // max(self.downscales)) < 1:
            raise ValueError(
                f"images: found {images.shape[1]} x {images.shape[2]} pixels, too few for "
                f"num_blocks {self.num_blocks} and downscales {tuple(self.downscales)}"
            )
        return [self._scores(images, keypoints, factor, train) for factor in self.downscales]

    def _side_of_map(self, side):
        for i in range(self.num_blocks):
            side -= KERNEL_SIZE - 1
            side = side // 2 if i < self.num_blocks - 1 else side
        return side

    def _scores(self, images, keypoints, factor, train):
        wide = jnp.promote_types(self.dtype, jnp.float32)
        x = gaussian_downsample(images.astype(wide), factor)
        if self.num_keypoints:
            bells = gaussian_maps(keypoints, *x.shape[1:3], self.keypoint_variance)
            x = jnp.concatenate([x, bells.astype(wide)], axis=-1)

        def conv(features, size, name):
            name = f"scale_{factor}_{name}"
            return SpectralConv(features, size, self.spectral_norm, self.dtype, name=name)

        features = []
        for i in range(self.num_blocks):
            width = min(self.max_width, self.width * 2 ** (i + 1))
            x = conv(width, KERNEL_SIZE, f"conv_{i}")(x, train=train)
            if i > 0:
                x = InstanceNorm(name=f"scale_{factor}_norm_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
            if i < self.num_blocks - 1:
                x = mean_pool_2x2(x)
            features.append(x.astype(wide))
        return PatchScores(features, conv(1, 1, "logits")(x, train=train).astype(wide))
