import numpy as np
import pytest

from jaxtalk.ops.resize import resize_bilinear, upsample_nearest
from tests import gradients


@pytest.mark.parametrize("height, width", [(20, 21), (5, 3), (2, 7)])
def test_interpolates_between_centres(height, width):
    images = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)

    def interpolate(x, size, axis):
        old = x.shape[axis]
        position = (np.arange(size) + 0.5) * old / size - 0.5
        return np.apply_along_axis(lambda v: np.interp(position, np.arange(old), v), axis, x)

    expected = interpolate(interpolate(images, height, 1), width, 2)
    np.testing.assert_allclose(resize_bilinear(images, height, width), expected, rtol=0, atol=1e-6)


def test_gradient():
    images = np.random.default_rng(0).standard_normal((2, 8, 9, 3))
    gradients.assert_of_input_matches_differences(lambda x: resize_bilinear(x, 13, 7), images)


def test_repeats_pixels():
    x = np.arange(6.0).reshape(1, 2, 3, 1)
    expected = np.kron(x[0, ..., 0], np.ones((2, 2)))
    np.testing.assert_array_equal(upsample_nearest(x, 2)[0, ..., 0], expected)
