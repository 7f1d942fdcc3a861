"""PIRenderer (Ren et al. 2021): a portrait re-rendered from face-model coefficients.

Matches the public `FaceGenerator`, which is also StyleTalk's renderer: a mapping network from a
window of coefficients to a descriptor, a warping network, an editing network. Images are NHWC in
[-1, 1].
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.adain import AdaIN, LayerNorm
from jaxtalk.nn.hourglass import UpsampledConv, conv
from jaxtalk.nn.ir_se import torch_init
from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.ops.resize import resize_bilinear
from jaxtalk.ops.warp import coordinate_grid, grid_sample


class Rendered(NamedTuple):
    """What the renderer makes; under `jit` unused parts cost nothing.

    Attributes:
      image: [B, H, W, 3] in (-1, 1), the final image.
      warped: [B, H, W, 3] in [-1, 1], the input under the flow alone.
      flow: [B, H / 4, W / 4, 2], (x, y) from each pixel to its source, in pixels of this grid.
    """

    image: Any
    warped: Any
    flow: Any


def leaky_relu(x):
    """Slope 0.1, as everywhere in this network."""
    return nn.leaky_relu(x, 0.1)


class MappingNetwork(nn.Module):
    """Coefficients [B, T, C] -> descriptor [B, descriptor_dim], in float32 or wider.

    Convolutions over time without padding; T must be above 6 * (num_layers + 1).
    """

    descriptor_dim: int = 256
    num_layers: int = 3

    @nn.compact
    def __call__(self, coefficients):
        shortest = 6 * (self.num_layers + 1) + 1
        if coefficients.ndim != 3 or coefficients.shape[1] < shortest:
            raise ValueError(
                f"coefficients: found {coefficients.shape}, expected [B, T, C] with T at least "
                f"{shortest}"
            )
        x = coefficients.astype(jnp.promote_types(coefficients.dtype, jnp.float32))

        def temporal(size, dilation, name):
            return nn.Conv(
                self.descriptor_dim,
                (size,),
                kernel_dilation=dilation,
                padding="VALID",
                kernel_init=torch_init,
                dtype=x.dtype,
                name=name,
            )

        y = temporal(7, 1, "first")(x)
        for i in range(self.num_layers):
            y = temporal(3, 3, f"layer_{i}")(leaky_relu(y)) + y[:, 3:-3]
        return y.mean(axis=1)


class AdaINDownBlock(nn.Module):
    """AdaIN, leaky ReLU, 4x4 convolution of stride 2; the same with 3x3 and stride 1."""

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, descriptor):
        x = leaky_relu(AdaIN(self.dtype, name="norm_0")(x, descriptor))
        x = nn.Conv(
            self.features,
            (4, 4),
            strides=2,
            padding=1,
            kernel_init=torch_init,
            dtype=self.dtype,
            name="conv_0",
        )(x)
        x = leaky_relu(AdaIN(self.dtype, name="norm_1")(x, descriptor))
        return conv(self.features, 3, self.dtype, "conv_1")(x)


class AdaINUpBlock(nn.Module):
    """A residual block whose both branches end in a transposed 3x3 convolution of stride 2."""

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, descriptor):
        def transposed(x, name):
            # PyTorch's padding 1 and output padding 1; its kernels are flipped by the name map.
            return nn.Conv(
                self.features,
                (3, 3),
                input_dilation=2,
                padding=((1, 2), (1, 2)),
                kernel_init=torch_init,
                dtype=self.dtype,
                name=name,
            )(x)

        def norm(x, name):
            return leaky_relu(AdaIN(self.dtype, name=name)(x, descriptor))

        y = conv(self.features, 3, self.dtype, "conv_0")(norm(x, "norm_0"))
        y = transposed(norm(y, "norm_1"), "conv_1")
        return transposed(norm(x, "norm_s"), "conv_s") + y


class WarpingNetwork(nn.Module):
    """Image [B, H, W, 3] and descriptor -> flow [B, H / 4, W / 4, 2].

    Fields: see `FaceRenderer`.
    """

    width: int
    max_width: int
    num_down: int
    num_up: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, descriptor):
        def features(level):
            return min(self.max_width, self.width * 2**level)

        skips = [conv(self.width, 7, self.dtype, "first")(images.astype(self.dtype))]
        for i in range(self.num_down):
            block = AdaINDownBlock(features(i + 1), self.dtype, name=f"down_{i}")
            skips.append(block(skips[-1], descriptor))
        x = skips.pop()
        for i in range(self.num_up):
            level = self.num_down - 1 - i
            block = AdaINUpBlock(features(level), self.dtype, name=f"up_{i}")
            x = jnp.concatenate([block(x, descriptor), skips.pop()], axis=-1)
        x = leaky_relu(LayerNorm(self.dtype, name="norm")(x))
        flow = conv(2, 7, self.dtype, "flow")(x)
        return flow.astype(jnp.promote_types(self.dtype, jnp.float32))


class ConvNorm(nn.Module):
    """3x3 convolution (or of another size), layer normalisation, leaky ReLU."""

    features: int
    size: int = 3
    upsample: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        if self.upsample:
            x = UpsampledConv(self.features, self.dtype, name="conv")(x)
        else:
            x = conv(self.features, self.size, self.dtype, "conv")(x)
        return leaky_relu(LayerNorm(self.dtype, name="norm")(x))


class EditingNetwork(nn.Module):
    """Input and warped image, descriptor -> image [B, H, W, 3]. Fields: see `FaceRenderer`."""

    width: int
    max_width: int
    num_levels: int
    num_residual: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, warped, descriptor):
        def block(level, name, **kwargs):
            features = min(self.max_width, self.width * 2**level)
            return ConvNorm(features, dtype=self.dtype, name=name, **kwargs)

        x = jnp.concatenate([images, warped], axis=-1).astype(self.dtype)
        skips = [block(0, "first", size=7)(x)]
        for i in range(self.num_levels):
            skips.append(mean_pool_2x2(block(i + 1, f"down_{i}")(skips[-1])))
        x = skips.pop()
        for i in range(self.num_levels):
            level = self.num_levels - 1 - i
            for j in range(self.num_residual):
                name = f"residual_{i}_{j}"
                y = conv(x.shape[-1], 3, self.dtype, f"{name}_conv")(x)
                x = x + AdaIN(self.dtype, name=f"{name}_norm")(y, descriptor)
            x = block(level, f"up_{i}", upsample=True)(x)
            x = x + block(level, f"jump_{i}")(skips.pop())
        x = conv(images.shape[-1], 7, self.dtype, "final")(x)
        return nn.tanh(x.astype(jnp.promote_types(self.dtype, jnp.float32)))


class FaceRenderer(nn.Module):
    """A portrait and a window of coefficients -> the portrait with that expression and pose.

    Attributes:
      descriptor_dim, mapping_layers: of the mapping network.
      warp_width, warp_down, warp_up: channels at full resolution, halvings and doublings of the
        warping network; the flow is smaller than the image by 2 ** (warp_down - warp_up).
      edit_width, edit_levels, edit_residual: channels at full resolution, halvings, residual
        blocks at each of them of the editing network.
      max_width: channels double with each halving up to this many.
      align_corners: convention of the warp's `grid_sample`; what PyTorch does since version 1.3 is
        False.
      dtype: of the convolutions; normalisation, descriptor and flow are float32 or wider.

    Deviations: the public residual blocks compute a first convolution whose result is not used,
    which is left out here, with its parameters; convolution biases start at zero.

    Raises:
      ValueError: the window of coefficients is too short, or the image no multiple of
        2 ** max(warp_down, edit_levels).
    """

    descriptor_dim: int = 256
    mapping_layers: int = 3
    warp_width: int = 32
    warp_down: int = 5
    warp_up: int = 3
    edit_width: int = 64
    edit_levels: int = 3
    edit_residual: int = 2
    max_width: int = 256
    align_corners: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images, coefficients):
        """Renders.

        Args:
          images: [B, H, W, 3] in [-1, 1].
          coefficients: [B, T, C], a window of T frames (27 of 73 in the public models) around the
            one to render.

        Returns:
          A float32 `Rendered`.
        """
        multiple = 2 ** max(self.warp_down, self.edit_levels)
        if images.ndim != 4 or images.shape[1] % multiple or images.shape[2] % multiple:
            raise ValueError(
                f"images: found {images.shape}, expected [B, H, W, 3] with H and W multiples of "
                f"{multiple}"
            )
        images = images.astype(jnp.promote_types(self.dtype, jnp.float32))
        mapping = MappingNetwork(self.descriptor_dim, self.mapping_layers, name="mapping")
        descriptor = mapping(coefficients)
        flow = WarpingNetwork(
            self.warp_width,
            self.max_width,
            self.warp_down,
            self.warp_up,
            self.dtype,
            name="warping",
        )(images, descriptor)
        height, width = flow.shape[1:3]
        scale = jnp.array([2 / (width - 1), 2 / (height - 1)], flow.dtype)
        grid = resize_bilinear(coordinate_grid(height, width) + flow * scale, *images.shape[1:3])
        warped = grid_sample(images, grid, align_corners=self.align_corners)
        image = EditingNetwork(
            self.edit_width,
            self.max_width,
            self.edit_levels,
            self.edit_residual,
            self.dtype,
            name="editing",
        )(images, warped, descriptor)
        return Rendered(image, warped, flow)
