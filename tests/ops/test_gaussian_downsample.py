import numpy as np
import pytest

from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from tests import numpy_layers


@pytest.mark.parametrize("factor, size", [(2, 5), (4, 13), (8, 29)])
def test_matches_convolution_and_decimation(factor, size):
    """The filter's size is that of the reference: 2 round(4 sigma) + 1."""
    images = np.random.default_rng(0).uniform(size=(2, 33, 40, 1))
    distance = (np.arange(size) - size // 2) / ((factor - 1) / 2)
    kernel = np.exp(-0.5 * distance**2)
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    expected = numpy_layers.conv(images, kernel[..., None, None], 1, size // 2)
    expected = expected[:, : 33 // factor * factor : factor, : 40 // factor * factor : factor]
    down = gaussian_downsample(images.astype(np.float32), factor)
    np.testing.assert_allclose(down, expected, rtol=0, atol=1e-6)


def test_factor_one_is_no_change():
    images = np.random.default_rng(0).uniform(size=(1, 5, 7, 3))
    assert gaussian_downsample(images, 1) is images
