import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses.perceptual import multi_scale_lpips


def mean_difference(x, y):
    return jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))


def test_sums_the_scales():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 3, 16, 16, 3)).astype(np.float32)
    expected = 0.0
    for block in (1, 2, 4):
        means = (real - fake).reshape(3, 16 // block, block, 16 // block, block, 3).mean((2, 4))
        expected = expected + np.abs(means).mean(axis=(1, 2, 3))
    loss = multi_scale_lpips(real=real, fake=fake, distance=mean_difference, num_extra_scales=2)
    assert loss.shape == (3,) and loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_without_extra_scales_it_is_the_distance():
    real, fake = jax.random.normal(jax.random.key(0), (2, 3, 16, 16, 3))
    loss = multi_scale_lpips(real=real, fake=fake, distance=mean_difference, num_extra_scales=0)
    np.testing.assert_array_equal(loss, mean_difference(real, fake))
