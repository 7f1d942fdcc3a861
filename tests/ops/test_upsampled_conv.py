import jax
import numpy as np
from jax.test_util import check_grads

from jaxtalk.ops.upsampled_conv import nearest_upsampled_conv
from tests import numpy_layers


def test_matches_convolution_of_repeated_pixels():
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((3, 3, 4, 6))
    expected = numpy_layers.conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, 1)
    with jax.enable_x64(True):
        convolve = jax.jit(nearest_upsampled_conv)
        np.testing.assert_allclose(convolve(x, kernel), expected, rtol=0, atol=1e-13)
        check_grads(convolve, (x, kernel), order=1, modes=["rev"], rtol=1e-6)
