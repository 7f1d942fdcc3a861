"""ArcFace's IR-SE-50 face recogniser, as in the identity loss of pSp (Deng et al. 2019)."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.ir_se import NUM_BLOCKS, Backbone, batch_norm, torch_init

CROP_ROWS, CROP_COLUMNS = (35, 223), (32, 220)  # of an image of 256 pixels
CROP_IMAGE_SIZE = 256


def adaptive_pool_matrix(size_in, size_out):
    """PyTorch's adaptive average pooling of one axis as a float32 [out, in] matrix.

    Output i averages the inputs floor(i * in / out) .. ceil((i + 1) * in / out) - 1.
    """
    i = np.arange(size_out)
    first = (i * size_in) // size_out
    end = -((-(i + 1) * size_in) // size_out)
    source = np.arange(size_in)
    inside = (source >= first[:, None]) & (source < end[:, None])
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def face_crop(images, size):
    """The region around the face that the recogniser sees.

    Rows 35..222 and columns 32..219 of a 256 pixel image, in proportion (rounded to the nearest
    pixel) for other sizes, pooled by adaptive averages to `size` (112 for public weights).

    Args:
      images: [B, H, W, 3], any range.
      size: height and width of the result; larger than the crop repeats and blends pixels.

    Returns:
      [B, size, size, 3], float32 or wider.
    """
    height, width = images.shape[1:3]
    top, bottom = (round(y * height / CROP_IMAGE_SIZE) for y in CROP_ROWS)
    left, right = (round(x * width / CROP_IMAGE_SIZE) for x in CROP_COLUMNS)
    crop = images[:, top:bottom, left:right]
    crop = crop.astype(jnp.promote_types(crop.dtype, jnp.float32))
    rows = adaptive_pool_matrix(bottom - top, size)
    columns = adaptive_pool_matrix(right - left, size)
    pooled = jnp.einsum("Hh,bhwc->bHwc", rows, crop, precision="highest")
    return jnp.einsum("Ww,bhwc->bhWc", columns, pooled, precision="highest")


class IRSE50(nn.Module):
    """Face crop -> identity embedding of unit length.

    Backbone, BN, dense, BN without scale and offset, L2 normalisation. Deviation: no dropout in
    front of the dense layer (the public code uses 0.6 in training).

    Attributes:
      width: channels of the stem (64 in the paper).
      embedding_dim: channels of the embedding.
      image_size: height and width of the crops; fixes the shape of the dense layer.
      dtype: of the backbone; statistics and the embedding are float32.

    Raises:
      ValueError: the images are not of `image_size`.
    """

    width: int = 64
    embedding_dim: int = 512
    image_size: int = 112
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, *, train=False):
        """Crops [B, image_size, image_size, 3] in [-1, 1] -> [B, embedding_dim] float32."""
        size = self.image_size
        if images.ndim != 4 or images.shape[1:] != (size, size, 3):
            raise ValueError(f"images: found {images.shape}, expected [B, {size}, {size}, 3]")
        backbone = Backbone((NUM_BLOCKS - 1,), self.width, dtype=self.dtype, name="backbone")
        (x,) = backbone(images, train=train)
        x = batch_norm("norm", train=train, dtype=self.dtype)(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(self.embedding_dim, kernel_init=torch_init, dtype=self.dtype, name="dense")(x)
        wide = jnp.promote_types(self.dtype, jnp.float32)
        x = batch_norm("embedding_norm", train=train, dtype=wide, affine=False)(x)
        return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
