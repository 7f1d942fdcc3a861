"""ArcFace's recognisers of the insightface project: IResNet-18 to -200 (Deng et al. 2019).

Match the public PyTorch networks `iresnet<N>` of arcface_torch.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.ir_se import PReLU, batch_norm, conv3x3, torch_init

# Number of layers -> number of blocks at 1, 2, 4 and 8 times the width.
DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}


class IBlock(nn.Module):
    """BN - conv 3x3 - BN - PReLU - conv 3x3 (strided) - BN, added to the shortcut.

    The shortcut is a strided 1x1 convolution with BN in blocks that halve the resolution.
    """

    features: int
    stride: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        y = batch_norm("norm1", train=train, dtype=self.dtype)(x)
        y = conv3x3(self.features, 1, self.dtype, "conv1")(y)
        y = batch_norm("norm2", train=train, dtype=self.dtype)(y)
        y = PReLU(name="prelu")(y)
        y = conv3x3(self.features, self.stride, self.dtype, "conv2")(y)
        y = batch_norm("norm3", train=train, dtype=self.dtype)(y)
        if self.stride > 1:
            x = x[:, :: self.stride, :: self.stride]
            x = nn.Dense(
                self.features,
                use_bias=False,
                kernel_init=torch_init,
                dtype=self.dtype,
                name="shortcut_conv",
            )(x)
            x = batch_norm("shortcut_norm", train=train, dtype=self.dtype)(x)
        return y + x


class IResNet(nn.Module):
    """Aligned face -> identity embedding, whose cosines compare persons (CSIM).

    Stem, four stages that halve the resolution each, BN, dense, BN. Deviations: no dropout in
    front of the dense layer (off in the public configurations), and the scale of the last norm is
    trained (there it stays 1).

    Attributes:
      num_layers: 18, 34, 50, 100 or 200.
      width: channels of the stem (64 in the paper).
      embedding_dim: channels of the embedding.
      image_size: height and width of the faces; fixes the shape of the dense layer.
      dtype: of the computation; statistics and the last norm are float32.

    Raises:
      ValueError: there is no such number of layers, or the images are not of `image_size`.
    """

    num_layers: int = 50
    width: int = 64
    embedding_dim: int = 512
    image_size: int = 112
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, *, train=False):
        """[B, image_size, image_size, 3] RGB in [-1, 1] -> [B, embedding_dim], of any length."""
        size = self.image_size
        if self.num_layers not in DEPTHS:
            raise ValueError(f"num_layers: found {self.num_layers}, expected one of {list(DEPTHS)}")
        if images.ndim != 4 or images.shape[1:] != (size, size, 3):
            raise ValueError(f"images: found {images.shape}, expected [B, {size}, {size}, 3]")
        x = conv3x3(self.width, 1, self.dtype, "stem_conv")(images.astype(self.dtype))
        x = batch_norm("stem_norm", train=train, dtype=self.dtype)(x)
        x = PReLU(name="stem_prelu")(x)
        for stage, depth in enumerate(DEPTHS[self.num_layers]):
            for i in range(depth):
                block = IBlock(
                    2**stage * self.width, 2 if i == 0 else 1, self.dtype, name=f"block_{stage}_{i}"
                )
                x = block(x, train=train)
        x = batch_norm("norm", train=train, dtype=self.dtype)(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(self.embedding_dim, kernel_init=torch_init, dtype=self.dtype, name="dense")(x)
        x = x.astype(jnp.promote_types(self.dtype, jnp.float32))
        return batch_norm("embedding_norm", train=train, dtype=x.dtype)(x)
