"""IR-SE-50: the residual network of ArcFace (Deng et al. 2019), also the trunk of pSp.

24 "improved residual" blocks (3, 4, 14, 3) of 1, 2, 4 and 8 times `width` channels, each stage
halving the resolution. Matches the public PyTorch networks of pSp; padding, batch normalisation
(momentum 0.1, epsilon 1e-5) and PReLU follow PyTorch's conventions, images are NHWC.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

STAGES = ((1, 3), (2, 4), (4, 14), (8, 3))  # (multiple of the width, number of blocks)
NUM_BLOCKS = sum(count for _, count in STAGES)
SE_REDUCTION = 16

# PyTorch's default initialiser of convolutions and dense layers, without its random biases.
torch_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class PReLU(nn.Module):
    """max(x, 0) + alpha * min(x, 0) with one learned slope a channel, 0.25 at the start."""

    @nn.compact
    def __call__(self, x):
        alpha = self.param("alpha", nn.initializers.constant(0.25), (x.shape[-1],))
        return jnp.where(x >= 0, x, alpha.astype(x.dtype) * x)


def batch_norm(name, *, train, dtype, affine=True):
    """Batch normalisation over all axes but the last, statistics in float32.

    PyTorch's momentum 0.1 and epsilon 1e-5. Two deviations from it: the running variance averages
    the biased batch variance, as usual in JAX, and the statistics are those of the global batch
    when the batch is sharded.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        use_bias=affine,
        use_scale=affine,
        dtype=dtype,
        name=name,
    )


def conv3x3(features, stride, dtype, name):
    """3x3 convolution without bias, padded by one pixel on each side."""
    return nn.Conv(
        features,
        (3, 3),
        strides=stride,
        padding=1,
        use_bias=False,
        kernel_init=torch_init,
        dtype=dtype,
        name=name,
    )


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate in (0, 1) computed from the spatial means (Hu et al. 2018).

    The bottleneck has a 16th of the channels, at least one.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        channels = x.shape[-1]

        def dense(features, name):
            return nn.Dense(
                features, use_bias=False, kernel_init=torch_init, dtype=self.dtype, name=name
            )

        pooled = jnp.mean(x, axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))
        hidden = nn.relu(dense(max(1, channels // SE_REDUCTION), "fc1")(pooled))
        gate = nn.sigmoid(dense(channels, "fc2")(hidden))
        return x * gate[:, None, None]


class IRBlock(nn.Module):
    """BN - conv 3x3 - PReLU - conv 3x3 (strided) - BN - [SE], added to the shortcut.

    The shortcut is the strided input where the channels stay, else a 1x1 convolution with BN.
    """

    features: int
    stride: int
    use_se: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        shortcut = x[:, :: self.stride, :: self.stride]
        if x.shape[-1] != self.features:
            shortcut = nn.Dense(
                self.features,
                use_bias=False,
                kernel_init=torch_init,
                dtype=self.dtype,
                name="shortcut_conv",
            )(shortcut)
            shortcut = batch_norm("shortcut_norm", train=train, dtype=self.dtype)(shortcut)
        y = batch_norm("norm1", train=train, dtype=self.dtype)(x)
        y = conv3x3(self.features, 1, self.dtype, "conv1")(y)
        y = PReLU(name="prelu")(y)
        y = conv3x3(self.features, self.stride, self.dtype, "conv2")(y)
        y = batch_norm("norm2", train=train, dtype=self.dtype)(y)
        if self.use_se:
            y = SqueezeExcite(dtype=self.dtype, name="se")(y)
        return y + shortcut


class Backbone(nn.Module):
    """Stem (conv 3x3 - BN - PReLU) and 24 blocks.

    `__call__(x [B, H, W, 3], *, train)` returns the outputs of the blocks numbered in `taps`,
    counted from 0; block 6 has 2 * width channels at H/4, 20 has 4 * width at H/8, 23 has
    8 * width at H/16 (rounded up).
    """

    taps: tuple[int, ...]
    width: int = 64
    use_se: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        x = conv3x3(self.width, 1, self.dtype, "stem_conv")(x.astype(self.dtype))
        x = batch_norm("stem_norm", train=train, dtype=self.dtype)(x)
        x = PReLU(name="stem_prelu")(x)
        outputs = []
        for multiple, count in STAGES:
            for i in range(count):
                block = IRBlock(
                    multiple * self.width,
                    2 if i == 0 else 1,
                    self.use_se,
                    self.dtype,
                    name=f"block_{len(outputs)}",
                )
                x = block(x, train=train)
                outputs.append(x)
        return tuple(outputs[tap] for tap in self.taps)
