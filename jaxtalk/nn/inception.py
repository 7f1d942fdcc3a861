"""Inception v3 (Szegedy et al. 2016) of the Frechet inception distance (Heusel et al. 2017).

Matches the public PyTorch port of the TensorFlow network of 2015 (pytorch-fid): its pooling leaves
out the pixels beyond the border, and the last block pools by maxima.
"""

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.pooling import max_pool, mean_pool_3x3
from jaxtalk.ops.resize import resize_bilinear

SIZE = 299


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm (epsilon 1e-3), ReLU."""

    features: int
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: Any = "SAME"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """[B, H, W, C] -> [B, H', W', features]."""
        x = nn.Conv(
            self.features,
            self.size,
            self.stride,
            padding=self.padding,
            use_bias=False,
            dtype=self.dtype,
            name="conv",
        )(x)
        norm = nn.BatchNorm(use_running_average=True, epsilon=1e-3, dtype=self.dtype, name="bn")
        return nn.relu(norm(x))


class Inception(nn.Module):
    """Images -> the 2048 features whose mean and covariance the distance compares.

    Frozen: batch norms use their running statistics.

    Attributes:
      width_divisor: all channels are divided by it; 1 for public weights.
      resize: whether images are resized to 299 x 299 first, as the distance has it; bilinear,
        without a filter against aliasing.
      dtype: of the convolutions; resizing, statistics and the mean are float32.
    """

    width_divisor: int = 1
    resize: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images):
        """RGB images [B, H, W, 3] in [0, 1], at least 75 pixels without resizing -> [B, 2048].

        Raises:
          ValueError: the images have another shape or are too small.
        """
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images: found {images.shape}, expected [B, H, W, 3]")
        if not self.resize and min(images.shape[1:3]) < 75:
            raise ValueError(f"images: found {images.shape}, expected at least 75 pixels")
        x = images.astype(jnp.promote_types(self.dtype, jnp.float32))
        if self.resize:
            x = resize_bilinear(x, SIZE, SIZE)
        x = self._stem((2 * x - 1).astype(self.dtype))
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = self._block_a(name, x, pooled)
        x = self._block_b("Mixed_6a", x)
        for name, middle in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
            x = self._block_c(f"Mixed_6{name}", x, middle)
        x = self._block_d("Mixed_7a", x)
        x = self._block_e("Mixed_7b", x, mean_pool_3x3)
        x = self._block_e(
            "Mixed_7c", x, functools.partial(max_pool, size=(3, 3), stride=(1, 1), padding=(1, 1))
        )
        return jnp.mean(x, (1, 2), dtype=jnp.promote_types(self.dtype, jnp.float32))

    def _conv(self, name, x, features, size=(1, 1), stride=1, padding="SAME"):
        features //= self.width_divisor
        return ConvNorm(features, size, stride, padding, self.dtype, name=name)(x)

    def _chain(self, block, x, *layers):
        """Layers (name, features[, size]) one after another."""
        for name, *values in layers:
            x = self._conv(f"{block}_{name}", x, *values)
        return x

    def _stem(self, x):
        x = self._conv("Conv2d_1a_3x3", x, 32, (3, 3), 2, "VALID")
        x = self._conv("Conv2d_2a_3x3", x, 32, (3, 3), 1, "VALID")
        x = self._conv("Conv2d_2b_3x3", x, 64, (3, 3))
        x = max_pool(x, (3, 3), (2, 2))
        x = self._conv("Conv2d_3b_1x1", x, 80)
        x = self._conv("Conv2d_4a_3x3", x, 192, (3, 3), 1, "VALID")
        return max_pool(x, (3, 3), (2, 2))

    def _block_a(self, name, x, pooled):
        branches = [
            self._chain(name, x, ("branch1x1", 64)),
            self._chain(name, x, ("branch5x5_1", 48), ("branch5x5_2", 64, (5, 5))),
            self._chain(
                name,
                x,
                ("branch3x3dbl_1", 64),
                ("branch3x3dbl_2", 96, (3, 3)),
                ("branch3x3dbl_3", 96, (3, 3)),
            ),
            self._chain(name, mean_pool_3x3(x), ("branch_pool", pooled)),
        ]
        return jnp.concatenate(branches, -1)

    def _block_b(self, name, x):
        branches = [
            self._conv(f"{name}_branch3x3", x, 384, (3, 3), 2, "VALID"),
            self._chain(
                name,
                x,
                ("branch3x3dbl_1", 64),
                ("branch3x3dbl_2", 96, (3, 3)),
                ("branch3x3dbl_3", 96, (3, 3), 2, "VALID"),
            ),
            max_pool(x, (3, 3), (2, 2)),
        ]
        return jnp.concatenate(branches, -1)

    def _block_c(self, name, x, middle):
        across, along = (1, 7), (7, 1)
        branches = [
            self._chain(name, x, ("branch1x1", 192)),
            self._chain(
                name,
                x,
                ("branch7x7_1", middle),
                ("branch7x7_2", middle, across),
                ("branch7x7_3", 192, along),
            ),
            self._chain(
                name,
                x,
                ("branch7x7dbl_1", middle),
                ("branch7x7dbl_2", middle, along),
                ("branch7x7dbl_3", middle, across),
                ("branch7x7dbl_4", middle, along),
                ("branch7x7dbl_5", 192, across),
            ),
            self._chain(name, mean_pool_3x3(x), ("branch_pool", 192)),
        ]
        return jnp.concatenate(branches, -1)

    def _block_d(self, name, x):
        branches = [
            self._chain(name, x, ("branch3x3_1", 192), ("branch3x3_2", 320, (3, 3), 2, "VALID")),
            self._chain(
                name,
                x,
                ("branch7x7x3_1", 192),
                ("branch7x7x3_2", 192, (1, 7)),
                ("branch7x7x3_3", 192, (7, 1)),
                ("branch7x7x3_4", 192, (3, 3), 2, "VALID"),
            ),
            max_pool(x, (3, 3), (2, 2)),
        ]
        return jnp.concatenate(branches, -1)

    def _block_e(self, name, x, pool):
        forked = self._chain(name, x, ("branch3x3_1", 384))
        double = self._chain(name, x, ("branch3x3dbl_1", 448), ("branch3x3dbl_2", 384, (3, 3)))
        branches = [
            self._chain(name, x, ("branch1x1", 320)),
            self._chain(name, forked, ("branch3x3_2a", 384, (1, 3))),
            self._chain(name, forked, ("branch3x3_2b", 384, (3, 1))),
            self._chain(name, double, ("branch3x3dbl_3a", 384, (1, 3))),
            self._chain(name, double, ("branch3x3dbl_3b", 384, (3, 1))),
            self._chain(name, pool(x), ("branch_pool", 192)),
        ]
        return jnp.concatenate(branches, -1)
