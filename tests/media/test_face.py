"""The square crop against sums of pixels."""

import numpy as np
import pytest

from jaxtalk.media.face import portrait_crop

RNG = np.random.default_rng(0)


def hamming_weights(length, start, side, size):
    """float64 [size, length]: weight of each old pixel of an axis in each new one of the square."""
    ratio = side / size
    old, new = np.arange(length) + 0.5, start + (np.arange(size) + 0.5) * ratio
    x = (old[None, :] - new[:, None]) / ratio
    weights = np.where(abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (65, 96), (16, 20)])
def test_shrinks_the_centre_square(height, width):
    pixels = RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)
    side = min(height, width)
    rows = hamming_weights(height, (height - side) // 2, side, 16)
    columns = hamming_weights(width, (width - side) // 2, side, 16)
    expected = np.einsum("yh,xw,hwc->yxc", rows, columns, pixels)
    np.testing.assert_allclose(portrait_crop(pixels, 16), expected, atol=1.5)


def test_same_size_is_untouched():
    pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(portrait_crop(pixels, 20), pixels[:, 5:25])
    np.testing.assert_array_equal(portrait_crop(pixels, 8, (3, 2, 11, 10)), pixels[2:10, 3:11])


def test_box_beyond_the_picture_repeats_the_edge():
    pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), mode="edge")
    for x0, y0 in ((-4, -2), (18, 8), (-4, 8), (2, 8)):
        expected = padded[y0 + 4 : y0 + 20, x0 + 4 : x0 + 20]
        np.testing.assert_array_equal(
            portrait_crop(pixels, 16, (x0, y0, x0 + 16, y0 + 16)), expected
        )


def test_enlarging_keeps_a_ramp():
    ramp = np.repeat(np.arange(0, 240, 8, dtype=np.uint8)[None, :, None], 30, 0).repeat(3, -1)
    large = portrait_crop(ramp, 90).astype(float)
    expected = ((np.arange(90) + 0.5) / 3 - 0.5) * 8
    np.testing.assert_allclose(large[45, 9:-9, 0], expected[9:-9], atol=1)
