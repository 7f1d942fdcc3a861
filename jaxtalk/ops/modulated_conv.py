"""Convolution whose input channels are scaled by a style."""

import jax.numpy as jnp
from jax import lax

from jaxtalk.ops.conv_transpose import conv_transpose_2x
from jaxtalk.ops.upfirdn import upfirdn

RESAMPLE_TAPS = (0.125, 0.375, 0.375, 0.125)  # of StyleGAN2


def modulated_conv(x, kernel, styles, *, input_gain=1.0, demodulate=True):
    """Modulated "full" convolution of StyleGAN3 (Karras et al. 2021; StyleGAN2, section 2.2).

    Scales activations before and after one convolution with shared weights, which equals scaled
    weights per example. Kernel and styles are normalised and demodulated in float32.

    Deviation: the styles are normalised per example, not over the batch. Demodulation cancels that
    factor (but for its epsilon of 1e-8), and so an example does not depend on its neighbours.

    Args:
      x: [B, H, W, I]; its dtype is that of the convolution.
      kernel: float32 [k, k, I, O], k 1 or 3.
      styles: float32 [B, I].
      input_gain: scalar that multiplies x, after the demodulation is computed.
      demodulate: whether each output channel is scaled to unit variance.

    Returns:
      [B, H + k - 1, W + k - 1, O].
    """
    scale = None
    if demodulate:
        kernel = kernel * lax.rsqrt(jnp.mean(jnp.square(kernel), (0, 1, 2)))
        styles = styles * lax.rsqrt(jnp.mean(jnp.square(styles), 1, keepdims=True))
        power = jnp.matmul(
            jnp.square(styles), jnp.sum(jnp.square(kernel), (0, 1)), precision=lax.Precision.HIGHEST
        )
        scale = lax.rsqrt(power + 1e-8)  # [B, O]
    x = x * (styles * input_gain).astype(x.dtype)[:, None, None]
    kernel = kernel.astype(x.dtype)
    if kernel.shape[0] == 1:
        y = jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])
    else:
        # A "same" convolution of the image padded by one pixel. Asking XLA for a padding of two
        # makes the gradient of the kernel up to 50 times slower on CPU.
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        y = lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    return y if scale is None else y * scale.astype(y.dtype)[:, None, None]


def modulated_conv_same(x, kernel, styles, *, up=1, demodulate=True):
    """Modulated "same" convolution of StyleGAN2 (Karras et al. 2020, section 2.2).

    Scales activations before and after one convolution with shared weights, as `modulated_conv`.
    Up-sampling is a transposed convolution followed by the filter [1, 3, 3, 1] / 8.

    Args:
      x: [B, H, W, I]; its dtype is that of the convolution.
      kernel: float32 [k, k, I, O], k 1 or 3; 3 if `up` is 2.
      styles: float32 [B, I].
      up: 1 or 2.
      demodulate: whether each output channel is scaled to unit variance.

    Returns:
      [B, up * H, up * W, O].
    """
    scale = None
    if demodulate:
        power = jnp.matmul(
            jnp.square(styles), jnp.sum(jnp.square(kernel), (0, 1)), precision=lax.Precision.HIGHEST
        )
        scale = lax.rsqrt(power + 1e-8)  # [B, O]
    x = x * styles.astype(x.dtype)[:, None, None]
    if up == 2:
        y = conv_transpose_2x(x, kernel)
        y = upfirdn(y, [2 * tap for tap in RESAMPLE_TAPS], padding=(1, 1))
    else:
        y = lax.conv_general_dilated(
            x, kernel.astype(x.dtype), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    return y if scale is None else y * scale.astype(y.dtype)[:, None, None]
