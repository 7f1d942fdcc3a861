"""The transposed convolution against its definition, in float64."""

import numpy as np

from jaxtalk.ops.conv_transpose import conv_transpose_2x
from jaxtalk.ops.modulated_conv import RESAMPLE_TAPS, modulated_conv_same
from tests.ops import zero_stuffing


def definition(x, kernel):
    """Each sample spreads the kernel over nine samples of the output."""
    batch, height, width, _ = x.shape
    y = np.zeros((batch, 2 * height + 1, 2 * width + 1, kernel.shape[-1]))
    for i in range(3):
        for j in range(3):
            y[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += x @ kernel[i, j]
    return y


def test_matches_the_definition():
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((3, 3, 3, 2))
    found = conv_transpose_2x(x.astype(np.float32), kernel.astype(np.float32))
    np.testing.assert_allclose(found, definition(x, kernel), rtol=0, atol=1e-5)


def test_modulated_up_sampling_matches_scaled_weights():
    rng = np.random.default_rng(1)
    x, kernel = rng.standard_normal((3, 4, 5, 3)), rng.standard_normal((3, 3, 3, 2))
    styles = 1 + rng.standard_normal((3, 3))
    expected = []
    for image, style in zip(x, styles):
        weights = kernel * style[:, None]
        weights = weights / np.sqrt(np.sum(np.square(weights), (0, 1, 2)))
        y = definition(image[None], weights)
        taps = 4 * np.outer(RESAMPLE_TAPS, RESAMPLE_TAPS)
        expected.append(zero_stuffing.upfirdn(y, taps, padding=(1, 1))[0])
    found = modulated_conv_same(*(a.astype(np.float32) for a in (x, kernel, styles)), up=2)
    assert found.shape == (3, 8, 10, 2)
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-5)
