"""Convolution of an image up-sampled by 2, without work on repeated pixels."""

import jax.numpy as jnp
from jax import lax


def nearest_upsampled_conv(x, kernel):
    """3x3 convolution, padded by one pixel, of an image whose pixels are repeated twice.

    An output pixel sees only 2x2 different pixels. Which taps of the kernel fall on the same one
    depends on whether its row and column are even or odd, so this is four 2x2 convolutions with
    sums of taps, more than twice as fast as the direct way.

    Args:
      x: [B, H, W, I].
      kernel: [3, 3, I, O].

    Returns:
      [B, 2 H, 2 W, O].
    """

    def merged(taps):
        """Of three taps along the first axis, the two sums for even and for odd outputs."""
        first, middle, last = taps
        return jnp.stack([first, middle + last]), jnp.stack([first + middle, last])

    padding = ((1, 0), (0, 1))  # even outputs reach back, odd ones ahead
    rows = []
    for i, by_row in enumerate(merged(kernel)):
        columns = [
            lax.conv_general_dilated(
                x,
                taps.swapaxes(0, 1),
                window_strides=(1, 1),
                padding=(padding[i], padding[j]),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            for j, taps in enumerate(merged(by_row.swapaxes(0, 1)))
        ]
        rows.append(jnp.stack(columns, axis=3))  # [B, H, W, 2, O]
    batch, height, width, channels = columns[0].shape
    return jnp.stack(rows, axis=2).reshape(batch, 2 * height, 2 * width, channels)
