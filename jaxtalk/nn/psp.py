"""pSp: from a face image to style codes (Richardson et al. 2021, "Encoding in Style").

Matches the public `GradualStyleEncoder`: IR-SE-50 (or IR-50) backbone, a feature pyramid over the
outputs of blocks 6, 20 and 23, and one small convolutional tower ("map2style") per style.
StyleTalker (appendix B) uses it with 16 styles in front of StyleGAN3.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxtalk.nn.ir_se import Backbone, torch_init
from jaxtalk.nn.stylegan3 import w_avg

TAPS = (6, 20, 23)


def align_corners_matrix(size_in, size_out):
    """Linear interpolation whose first and last samples coincide, as a float32 [out, in] matrix."""
    position = np.linspace(0.0, size_in - 1.0, size_out)
    distance = np.abs(position[:, None] - np.arange(size_in))
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def upsample_bilinear(x, height, width):
    """[B, h, w, C] -> [B, height, width, C], bilinear with aligned corners."""
    rows = align_corners_matrix(x.shape[1], height).astype(x.dtype)
    columns = align_corners_matrix(x.shape[2], width).astype(x.dtype)
    x = jnp.einsum("Hh,bhwc->bHwc", rows, x, precision="highest")
    return jnp.einsum("Ww,bhwc->bhWc", columns, x, precision="highest")


def strided_patches(x):
    """The 3x3 patches of a padded, 2-strided convolution: [..., h, w, C] -> [..., h/2, w/2, 9C]."""
    height, width = x.shape[-3:-1]
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    shifts = [(i, j) for i in range(3) for j in range(3)]
    return jnp.concatenate(
        [x[..., i : i + height : 2, j : j + width : 2, :] for i, j in shifts], -1
    )


def style_codes(encoder, variables, images):
    """w+ codes: the encoder's offsets, from the mean code of the generator.

    Args:
      encoder: an `Encoder`.
      variables: {"encoder": ..., "generator": ...}.
      images: [B, H, W, 3] in [-1, 1].

    Returns:
      float32 [B, num_ws, w_dim].
    """
    return encoder.apply(variables["encoder"], images) + w_avg(variables["generator"])


class Map2Style(nn.Module):
    """`num_heads` towers over one feature map, each of which makes one style.

    A tower halves the map by 3x3 convolutions with leaky ReLU 0.01 until one pixel is left, then
    applies a dense layer with equalised learning rate. The towers run as one: their first layers
    share the input, so they are one convolution with all the output channels; the rest are batched
    matrix products over patches, which train almost 7 times as fast on a CPU as grouped
    convolutions do.

    `__call__(x [B, S, S, C])`, S a power of two, returns [B, num_heads, w_dim] float32.
    """

    num_heads: int
    w_dim: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        heads, w_dim = self.num_heads, self.w_dim
        kernel_init = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", batch_axis=0, in_axis=(1, 2, 3), out_axis=4
        )

        def weights(layer, channels):
            kernel = self.param(f"kernel_{layer}", kernel_init, (heads, 3, 3, channels, w_dim))
            bias = self.param(f"bias_{layer}", nn.initializers.zeros, (heads, w_dim))
            return kernel.astype(self.dtype), bias.astype(self.dtype)

        kernel, bias = weights(0, x.shape[-1])
        y = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            jnp.moveaxis(kernel, 0, 3).reshape(3, 3, x.shape[-1], heads * w_dim),
            window_strides=(2, 2),
            padding=((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        y = jnp.moveaxis(y.reshape(*y.shape[:3], heads, w_dim), 3, 0)
        y = nn.leaky_relu(y + bias[:, None, None, None], 0.01)  # [N, B, h, w, C]

        for layer in range(1, int(math.log2(x.shape[1]))):
            kernel, bias = weights(layer, w_dim)
            patches = strided_patches(y)
            flat = patches.reshape(heads, -1, 9 * w_dim)
            y = jnp.einsum("npc,nco->npo", flat, kernel.reshape(heads, 9 * w_dim, w_dim))
            y = nn.leaky_relu(y + bias[:, None], 0.01).reshape(*patches.shape[:-1], w_dim)

        kernel = self.param("linear_kernel", nn.initializers.normal(1.0), (heads, w_dim, w_dim))
        bias = self.param("linear_bias", nn.initializers.zeros, (heads, w_dim))
        styles = y[:, :, 0, 0].astype(jnp.promote_types(self.dtype, jnp.float32))
        return jnp.einsum("nbc,nco->bno", styles, kernel / math.sqrt(w_dim)) + bias


class Encoder(nn.Module):
    """The pSp encoder.

    Styles 0 .. coarse-1 come from the feature map at 1/16 of the resolution, coarse .. middle-1
    from 1/8, the others from 1/4.

    Attributes:
      num_styles: number of codes, `num_ws` of the generator.
      w_dim: channels of a code and of the map2style towers (512 in the paper).
      width: channels of the stem; the last stage and the pyramid have 8 times as many.
      coarse, middle: first style of the middle and of the fine group.
      use_se: IR-SE-50, else IR-50.
      image_size: height and width of the images, a power of two of at least 32.
      dtype: of the computation; batch statistics and the last dense layers are float32.

    Deviation: convolution biases start at zero; the public code draws them.

    Raises:
      ValueError: `image_size` is not such a number, or the images are not of that size.
    """

    num_styles: int = 16
    w_dim: int = 512
    width: int = 64
    coarse: int = 3
    middle: int = 7
    use_se: bool = True
    image_size: int = 256
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, *, train=False):
        """Images [B, H, W, 3] in [-1, 1] -> offsets from w_avg [B, num_styles, w_dim] float32."""
        size = self.image_size
        if size < 32 or size & (size - 1):
            raise ValueError(f"image_size: found {size}, expected a power of two of at least 32")
        if images.ndim != 4 or images.shape[1:] != (size, size, 3):
            raise ValueError(f"images: found {images.shape}, expected [B, {size}, {size}, 3]")
        backbone = Backbone(TAPS, self.width, self.use_se, self.dtype, name="backbone")
        c1, c2, c3 = backbone(images, train=train)

        def lateral(x, name):
            return nn.Dense(8 * self.width, kernel_init=torch_init, dtype=self.dtype, name=name)(x)

        p2 = upsample_bilinear(c3, *c2.shape[1:3]) + lateral(c2, "lateral1")
        p1 = upsample_bilinear(p2, *c1.shape[1:3]) + lateral(c1, "lateral2")
        groups = (
            ("coarse_styles", c3, self.coarse),
            ("middle_styles", p2, self.middle - self.coarse),
            ("fine_styles", p1, self.num_styles - self.middle),
        )
        styles = [
            Map2Style(heads, self.w_dim, self.dtype, name=name)(x) for name, x, heads in groups
        ]
        return jnp.concatenate(styles, axis=1)
