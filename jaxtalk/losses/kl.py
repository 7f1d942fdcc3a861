"""KL divergence of a sequential variational autoencoder whose prior is a normalising flow."""

import math

import jax.numpy as jnp


def normal_log_density(x, mean, log_std):
    """Log density of a diagonal Gaussian, element by element: broadcast shapes, float32, nats."""
    x, mean, log_std = (jnp.asarray(v, jnp.float32) for v in (x, mean, log_std))
    standardised = (x - mean) * jnp.exp(-log_std)
    return -0.5 * jnp.square(standardised) - log_std - 0.5 * math.log(2.0 * math.pi)


def sequence_kl(*, z, mean, log_std, u, prior_mean, prior_log_std):
    """Monte Carlo KL of posterior and prior at one sample, StyleTalker eq. 8 and 9.

    log q(z) - log p'(z), with log p'(z) = log p(u) for u = f(z): the flow preserves volume, so the
    determinant of eq. 8 is 1. The estimate is unbiased; it is zero for every sample where the two
    distributions are the same, and may be negative for a single sample elsewhere. Its gradient is
    the one of the form with an analytic entropy, because z is reparametrised.

    Args:
      z: [B, ..., Z] samples of the posterior N(mean, exp(log_std)^2).
      mean, log_std: as `z`.
      u: [B, ..., Z], the flow's image of z.
      prior_mean, prior_log_std: as `u`, given the u of earlier frames.

    Returns:
      [B], nats per latent dimension: the mean over frames and dimensions. The paper does not say
      how eq. 9 is normalised; with this mean the printed weight 0.1 lies on the scale of the
      other terms, whatever the length of the clip.
    """
    posterior = normal_log_density(z, mean, log_std)
    prior = normal_log_density(u, prior_mean, prior_log_std)
    return (posterior - prior).reshape(z.shape[0], -1).mean(axis=1)
