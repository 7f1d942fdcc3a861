"""The trunk of ResNet-34 and ResNet-50 (He et al. 2016), as torchvision has it."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import batch_norm, conv3x3, torch_init
from jaxtalk.nn.pooling import max_pool

DEPTHS = (3, 4, 6, 3)  # blocks of the four stages, of ResNet-34 and of ResNet-50


def conv1x1(features, dtype, name):
    """1x1 convolution without bias."""
    return nn.Dense(features, use_bias=False, kernel_init=torch_init, dtype=dtype, name=name)


class Block(nn.Module):
    """Convolutions with BN and ReLU, added to the shortcut, ReLU.

    Two 3x3 convolutions, or as a bottleneck 1x1, 3x3 and 1x1 with four times the channels. The
    stride is that of the first 3x3 convolution (torchvision's "v1.5").
    """

    features: int
    stride: int
    bottleneck: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """[B, H, W, I] -> [B, H / stride, W / stride, features (4 features as a bottleneck)]."""
        if self.bottleneck:
            features = 4 * self.features
            layers = (
                conv1x1(self.features, self.dtype, "conv1"),
                conv3x3(self.features, self.stride, self.dtype, "conv2"),
                conv1x1(features, self.dtype, "conv3"),
            )
        else:
            features = self.features
            layers = (
                conv3x3(features, self.stride, self.dtype, "conv1"),
                conv3x3(features, 1, self.dtype, "conv2"),
            )
        y = x
        for i, layer in enumerate(layers, start=1):
            y = nn.relu(y) if i > 1 else y
            y = batch_norm(f"norm{i}", train=train, dtype=self.dtype)(layer(y))
        if x.shape[-1] != features or self.stride > 1:
            x = conv1x1(features, self.dtype, "shortcut_conv")(x[:, :: self.stride, :: self.stride])
            x = batch_norm("shortcut_norm", train=train, dtype=self.dtype)(x)
        return nn.relu(y + x)


class Trunk(nn.Module):
    """Images -> means of the last feature map.

    Attributes:
      bottleneck: ResNet-50, else ResNet-34.
      width: channels of the stem (64 in the paper).
      dtype: of the computation; statistics and the means are float32.
    """

    bottleneck: bool
    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train=False):
        """[B, H, W, C] -> [B, 8 width (32 width with bottlenecks)]."""
        x = nn.Conv(
            self.width,
            (7, 7),
            2,
            padding=3,
            use_bias=False,
            kernel_init=torch_init,
            dtype=self.dtype,
            name="stem_conv",
        )(x.astype(self.dtype))
        x = nn.relu(batch_norm("stem_norm", train=train, dtype=self.dtype)(x))
        x = max_pool(x, (3, 3), (2, 2), (1, 1))
        for stage, depth in enumerate(DEPTHS):
            for i in range(depth):
                x = Block(
                    2**stage * self.width,
                    2 if stage and i == 0 else 1,
                    self.bottleneck,
                    self.dtype,
                    name=f"block_{stage}_{i}",
                )(x, train=train)
        return jnp.mean(x, axis=(1, 2), dtype=jnp.promote_types(self.dtype, jnp.float32))
