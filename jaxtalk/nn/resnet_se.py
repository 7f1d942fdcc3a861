"""ResNetSE18: StyleTalker's audio encoder, from mel windows to audio vectors.

The paper (appendix A) says "ResNetSE18" and no more. The body is ResNet-18 (He et al. 2016) with
squeeze-and-excitation of reduction 16 in each block (Hu et al. 2018), the stem and the PReLUs are
those of the public speech encoder of PC-AVS. Deviation from that one: global average pooling,
where it has self-attentive pooling over time.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import PReLU, SqueezeExcite, batch_norm, conv3x3, torch_init
from jaxtalk.nn.pooling import max_pool

STAGES = ((1, 1), (2, 2), (4, 2), (8, 2))  # (multiple of the width, stride of the first block)
BLOCKS_PER_STAGE = 2


class SEBlock(nn.Module):
    """conv - BN - PReLU - conv - BN - SE, plus the shortcut, PReLU."""

    features: int
    stride: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        y = conv3x3(self.features, self.stride, self.dtype, "conv1")(x)
        y = PReLU(name="prelu1")(batch_norm("norm1", train=train, dtype=self.dtype)(y))
        y = conv3x3(self.features, 1, self.dtype, "conv2")(y)
        y = batch_norm("norm2", train=train, dtype=self.dtype)(y)
        y = SqueezeExcite(dtype=self.dtype, name="se")(y)
        if x.shape[-1] != self.features:
            x = x[:, :: self.stride, :: self.stride]
            x = nn.Dense(
                self.features,
                use_bias=False,
                kernel_init=torch_init,
                dtype=self.dtype,
                name="shortcut_conv",
            )(x)
            x = batch_norm("shortcut_norm", train=train, dtype=self.dtype)(x)
        return PReLU(name="prelu2")(y + x)


class ResNetSE18(nn.Module):
    """Mel window -> vector.

    Attributes:
      width: channels of the stem (64 in the paper).
      output_dim: channels of the vector.
      dtype: of the computation; statistics, pooling and the last layer are float32.
    """

    width: int = 64
    output_dim: int = 512
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, mel, *, train=False):
        """Log-mel windows [N, 20, 80] (time, bins) -> [N, output_dim] float32.

        The network is convolutional: any other number of mel frames or bins works too.
        """
        if mel.ndim != 3:
            raise ValueError(f"mel: found {mel.shape}, expected [N, frames, bins]")
        x = conv3x3(self.width, 1, self.dtype, "stem_conv")(mel[..., None].astype(self.dtype))
        x = batch_norm("stem_norm", train=train, dtype=self.dtype)(x)
        x = max_pool(PReLU(name="stem_prelu")(x), (3, 3), (2, 2), (1, 1))
        for stage, (multiple, stride) in enumerate(STAGES):
            for i in range(BLOCKS_PER_STAGE):
                name = f"block_{stage}_{i}"
                block = SEBlock(
                    multiple * self.width, stride if i == 0 else 1, self.dtype, name=name
                )
                x = block(x, train=train)
        x = jnp.mean(x, axis=(1, 2), dtype=jnp.float32)
        return nn.Dense(self.output_dim, kernel_init=torch_init, name="dense")(x)
