"""Transposed convolution with stride 2, without the zeros that it is defined by."""

from jax import lax

from jaxtalk.ops.upfirdn import merge_phases


def conv_transpose_2x(x, kernel):
    """The gradient of a "valid" 3x3 convolution with stride 2, as PyTorch's ConvTranspose2d.

    Each of the four phases of the output is a plain convolution with its share of the nine taps:
    2x2, 2x1, 1x2 and 1x1. The same with zeros put in between takes four times the products.

    Args:
      x: [B, H, W, I].
      kernel: [3, 3, I, O]; sample y of an axis of x spreads kernel[k] to sample 2 y + k.

    Returns:
      [B, 2 H + 1, 2 W + 1, O].
    """
    rows = []
    for p in (0, 1):
        row = []
        for q in (0, 1):
            taps = kernel[p::2, q::2][::-1, ::-1].astype(x.dtype)
            padding = [(size - 1, size - 1) for size in taps.shape[:2]]
            y = lax.conv_general_dilated(
                x, taps, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            row.append(y)
        rows.append(merge_phases(tuple(row), axis=2))
    return merge_phases(tuple(rows), axis=1)
