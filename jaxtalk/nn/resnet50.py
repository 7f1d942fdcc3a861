"""The network of Deng et al. 2019 from a face to the coefficients of a parametric face model."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.face_model import NUM_COEFFICIENTS
from jaxtalk.nn.resnet import Trunk


class FaceReconstructor(nn.Module):
    """ResNet-50 and a dense layer, which starts at zero: the mean face.

    Matches the public Deep3DFaceRecon_pytorch network, whose seven heads are one layer here.

    Attributes:
      width: channels of the stem (64 in the paper).
      dtype: of the ResNet; statistics and coefficients are float32.
    """

    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, *, train=False):
        """Aligned faces [B, 224, 224, 3] RGB in [0, 1] -> [B, 257] float32.

        The coefficients are split by `jaxtalk.nn.face_model.split_coefficients`. The network is
        convolutional, but means something only for faces aligned as in training.

        Raises:
          ValueError: the images have another number of axes or channels.
        """
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images: found {images.shape}, expected [B, 224, 224, 3]")
        x = Trunk(True, self.width, self.dtype, name="trunk")(images, train=train)
        zeros = nn.initializers.zeros
        return nn.Dense(NUM_COEFFICIENTS, kernel_init=zeros, dtype=x.dtype, name="heads")(x)
