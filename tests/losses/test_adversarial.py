import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses.adversarial import (
    discriminator_loss,
    feature_matching,
    generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    r1_penalty,
)


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
    expected = ((1 - fake) ** 2).mean(axis=axes)
    loss = least_squares_generator_loss(fake_logits=jnp.asarray(fake))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    expected = ((1 - real) ** 2 + fake**2).mean(axis=axes)
    loss = least_squares_discriminator_loss(
        real_logits=jnp.asarray(real), fake_logits=jnp.asarray(fake)
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_least_squares_losses_vanish_at_their_targets():
    ones, zeros = jnp.ones((2, 3, 3, 1)), jnp.zeros((2, 5, 5, 1))
    assert not least_squares_generator_loss(fake_logits=ones).any()
    assert not least_squares_discriminator_loss(real_logits=ones, fake_logits=zeros).any()


def test_feature_matching():
    """Each map counts alike, whatever its size; the real ones get no gradient."""
    rng = np.random.default_rng(0)
    shapes = (2, 4, 4, 3), (2, 2, 2, 5)
    real, fake = ([rng.standard_normal(s).astype(np.float32) for s in shapes] for _ in range(2))
    expected = sum(np.abs(a - b).mean(axis=(1, 2, 3)) for a, b in zip(real, fake))
    loss = feature_matching(real_features=real, fake_features=fake)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)

    def total(real, fake):
        return feature_matching(real_features=real, fake_features=fake).sum()

    of_real, of_fake = jax.grad(total, argnums=(0, 1))(real, fake)
    for a, b, none, gradient in zip(real, fake, of_real, of_fake):
        assert not none.any()
        np.testing.assert_allclose(gradient, np.sign(b - a) / a[0].size, rtol=1e-6)
    with pytest.raises(ValueError, match="shorter"):
        feature_matching(real_features=real, fake_features=fake[:1])


def test_generator_loss_does_not_saturate():
    assert generator_loss(fake_logits=jnp.array([-50.0])) == pytest.approx(50.0)


def test_r1_of_a_quadratic():
    real = np.random.default_rng(0).standard_normal((3, 4, 2)).astype(np.float32)

    def logits_fn(x):  # D(x) = 2 |x|^2 with gradient 4 x, as a map whose mean is D
        return 2 * jnp.sum(x**2, axis=(1, 2))[:, None] * jnp.array([0.5, 1.5])

    penalty = r1_penalty(logits_fn=logits_fn, real=real)
    np.testing.assert_allclose(penalty, 16 * (real**2).sum(axis=(1, 2)), rtol=1e-5)
