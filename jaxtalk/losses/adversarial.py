"""Adversarial losses, the R1 penalty and feature matching, in float32.

Non-saturating (Goodfellow et al. 2014) and least-squares ones (Mao et al. 2017).

Logits have any shape after the batch axis (one number, or a map of patches); the patches of one
example are averaged, so that a patch discriminator's loss has the scale of a plain one.
"""

import jax
import jax.numpy as jnp


def _per_example(values):
    """[B, ...] -> [B], float32 mean."""
    return values.astype(jnp.float32).reshape(values.shape[0], -1).mean(axis=1)


def generator_loss(*, fake_logits):
    """-log sigmoid(D(fake)), StyleTalker eq. 15: [B, ...] -> [B]."""
    return _per_example(jax.nn.softplus(-fake_logits.astype(jnp.float32)))


def discriminator_loss(*, real_logits, fake_logits):
    """-log sigmoid(D(real)) - log(1 - sigmoid(D(fake))): two [B, ...] -> [B]."""
    real = jax.nn.softplus(-real_logits.astype(jnp.float32))
    fake = jax.nn.softplus(fake_logits.astype(jnp.float32))
    return _per_example(real) + _per_example(fake)


def least_squares_generator_loss(*, fake_logits):
    """(1 - D(fake))^2, as in the first-order model: [B, ...] -> [B]."""
    return _per_example(jnp.square(1.0 - fake_logits.astype(jnp.float32)))


def least_squares_discriminator_loss(*, real_logits, fake_logits):
    """(1 - D(real))^2 + D(fake)^2, as in the first-order model: two [B, ...] -> [B].

    Without the factor 1/2 of the paper.
    """
    real = jnp.square(1.0 - real_logits.astype(jnp.float32))
    fake = jnp.square(fake_logits.astype(jnp.float32))
    return _per_example(real) + _per_example(fake)


def feature_matching(*, real_features, fake_features):
    """Distance of real and fake images in the eyes of a discriminator (Wang et al. 2018).

    Args:
      real_features, fake_features: lists of maps [B, ...]; the real ones are constants to the
        gradient.

    Returns:
      [B] float32, the sum over maps of their mean absolute differences. The first-order model gives
      it the weight 10 and adds the scales up.
    """
    return sum(
        _per_example(jnp.abs(jax.lax.stop_gradient(real) - fake))
        for real, fake in zip(real_features, fake_features, strict=True)
    )


def r1_penalty(*, logits_fn, real):
    """Squared norm of the gradient of D(real) with respect to real (Mescheder et al. 2018).

    Args:
      logits_fn: images or videos [B, ...] -> logits [B, ...]. A map of patches counts as its mean.
      real: float32 [B, ...].

    Returns:
      [B], without the factor gamma / 2 and without a lazy interval's factor.
    """
    gradient = jax.grad(lambda x: _per_example(logits_fn(x)).sum())(real)
    return jnp.square(gradient.astype(jnp.float32)).reshape(real.shape[0], -1).sum(axis=1)
