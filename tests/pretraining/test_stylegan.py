"""The parts of the StyleGAN3 stage against independent references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from scipy.ndimage import convolve1d
from scipy.stats import wasserstein_distance

from jaxtalk.losses.adversarial import r1_penalty
from jaxtalk.nn.stylegan2 import Discriminator
from jaxtalk.pretraining.stylegan import blur, lazily_regularised, mean_r1, sliced_wasserstein


@pytest.mark.parametrize("sigma", [0.7, 2.0, 10.0])
def test_blur_is_the_truncated_zero_padded_kernel(sigma):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, 40, 32, 3))
    size = int(np.floor(3 * sigma))
    kernel = np.exp2(-np.square(np.arange(-size, size + 1) / sigma))
    expected = images
    for axis in (1, 2):
        expected = convolve1d(expected, kernel / kernel.sum(), axis=axis, mode="constant")
    np.testing.assert_allclose(
        blur(jnp.asarray(images, jnp.float32), jnp.float32(sigma)), expected, atol=2e-6
    )


def test_blur_of_sigma_zero_is_the_input():
    images = jnp.asarray(np.random.default_rng(0).standard_normal((2, 8, 8, 3)), jnp.float32)
    np.testing.assert_array_equal(jax.jit(blur)(images, 0.0), images)


def test_lazy_regularisation_keeps_the_decay_per_step():
    config = ConfigDict({"learning_rate": 2e-3, "b1": 0.0, "b2": 0.99, "eps": 1e-8})
    lazy = lazily_regularised(config, 16)
    # 17 updates with the corrected values decay and move as far as 16 with the original ones.
    assert lazy.b2**17 == pytest.approx(0.99**16)
    assert lazy.learning_rate * 17 == pytest.approx(2e-3 * 16)
    assert lazy.b1 == 0.0
    assert config.b2 == 0.99


def test_sliced_wasserstein_agrees_with_scipy_for_constant_images():
    # Constant grey images differ along one line only: every direction sees it scaled.
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(-1, 1, 12), rng.uniform(-0.2, 1, 12)
    images = [np.broadcast_to(v[:, None, None, None], (12, 32, 32, 3)) for v in (real, fake)]
    value = sliced_wasserstein(real=jnp.asarray(images[0]), fake=jnp.asarray(images[1])).mean()
    ones = sliced_wasserstein(real=jnp.ones((12, 32, 32, 3)), fake=jnp.zeros((12, 32, 32, 3)))
    assert float(value / ones.mean()) == pytest.approx(wasserstein_distance(real, fake), rel=1e-3)


def test_sliced_wasserstein_ignores_order():
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.uniform(-1, 1, (6, 16, 16, 3)), jnp.float32)
    np.testing.assert_allclose(sliced_wasserstein(real=images, fake=images[::-1]), 0, atol=1e-6)


def test_r1_is_in_float32_whatever_the_dtype():
    low, high = (Discriminator(16, 64, 4, dtype=dtype) for dtype in (jnp.bfloat16, jnp.float32))
    real = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    variables = high.init(jax.random.key(1), real)
    expected = r1_penalty(
        logits_fn=lambda x: high.apply(variables, blur(x, jnp.float32(0.7))), real=real
    ).mean()
    assert expected > 0
    found = mean_r1(low, variables, real, jnp.float32(0.7))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
