import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses.adversarial import discriminator_loss, generator_loss, r1_penalty


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("shape", [(4,), (4, 3, 5, 1)])
def test_match_the_printed_formulas(shape):
    real, fake = 3 * np.random.default_rng(0).standard_normal((2, *shape))
    axes = tuple(range(1, len(shape)))
    expected = -np.log(sigmoid(fake)).mean(axis=axes)
    np.testing.assert_allclose(generator_loss(fake_logits=jnp.asarray(fake)), expected, rtol=1e-5)
    expected = (-np.log(sigmoid(real)) - np.log(1 - sigmoid(fake))).mean(axis=axes)
    loss = discriminator_loss(real_logits=jnp.asarray(real), fake_logits=jnp.asarray(fake))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_generator_loss_does_not_saturate():
    assert generator_loss(fake_logits=jnp.array([-50.0])) == pytest.approx(50.0)


def test_r1_of_a_quadratic():
    real = np.random.default_rng(0).standard_normal((3, 4, 2)).astype(np.float32)

    def logits_fn(x):  # D(x) = 2 |x|^2 with gradient 4 x, as a map whose mean is D
        return 2 * jnp.sum(x**2, axis=(1, 2))[:, None] * jnp.array([0.5, 1.5])

    penalty = r1_penalty(logits_fn=logits_fn, real=real)
    np.testing.assert_allclose(penalty, 16 * (real**2).sum(axis=(1, 2)), rtol=1e-5)
