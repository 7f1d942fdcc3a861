import numpy as np
import pytest

from jaxtalk.nn.pooling import max_pool, mean_pool_2x2, mean_pool_3x3
from tests import gradients, numpy_layers


@pytest.mark.parametrize("height, width", [(7, 6), (20, 9)])
@pytest.mark.parametrize("size, stride, padding", [(2, 2, 0), (3, 1, 1), (3, 2, 0), (3, 2, 1)])
def test_maxima(height, width, size, stride, padding):
    x = np.random.default_rng(0).standard_normal((2, height, width, 3)).astype(np.float32) - 2
    expected = numpy_layers.max_pool(x, size, stride, padding)
    pooled = max_pool(x, (size, size), (stride, stride), (padding, padding))
    np.testing.assert_array_equal(pooled, expected.astype(np.float32))


def test_means_of_blocks():
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 3)).astype(np.float32)
    expected = [
        [x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean(axis=(1, 2)) for j in range(3)]
        for i in range(2)
    ]
    np.testing.assert_allclose(mean_pool_2x2(x), np.moveaxis(expected, 2, 0), atol=1e-6)


def test_means_leave_out_what_is_beyond_the_border():
    x = np.random.default_rng(0).standard_normal((2, 7, 6, 3)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    np.testing.assert_allclose(mean_pool_3x3(x), np.nanmean(windows, (-2, -1)), atol=1e-6)


def test_gradient():
    x = np.random.default_rng(0).standard_normal((2, 13, 7, 3))

    def pooled(x):
        x = max_pool(x, (3, 3), (2, 2))
        return mean_pool_3x3(max_pool(x, (3, 3), (1, 1), (1, 1)))

    gradients.assert_of_input_matches_differences(pooled, x)
