from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxtalk.losses.kl import normal_log_density, sequence_kl


def test_log_density_matches_scipy():
    x, mean, log_std = np.random.default_rng(0).standard_normal((3, 4, 5))
    expected = stats.norm.logpdf(x, mean, np.exp(log_std))
    np.testing.assert_allclose(normal_log_density(x, mean, log_std), expected, rtol=2e-5, atol=1e-6)


def test_is_zero_for_equal_distributions_at_any_sample():
    z, mean, log_std = np.random.default_rng(0).standard_normal((3, 2, 4, 5)).astype(np.float32)
    kl = sequence_kl(z=z, mean=mean, log_std=log_std, u=z, prior_mean=mean, prior_log_std=log_std)
    np.testing.assert_array_equal(kl, np.zeros(2))


def test_expectation_is_the_closed_form():
    """The integrand is quadratic in the noise, so three Gauss-Hermite nodes integrate it."""
    with np.load(Path(__file__).parents[1] / "golden" / "flow_refs.npz") as file:
        refs = {k.removeprefix("kl/"): file[k] for k in file if k.startswith("kl/")}
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    mean, log_std = refs["mu1"], refs["logvar1"] / 2
    for mean2, log_std2, expected in (
        (refs["mu2"], refs["logvar2"] / 2, refs["pair_elem"]),
        (np.zeros_like(mean), np.zeros_like(mean), refs["standard_elem"]),
    ):
        total = 0.0
        for node, weight in zip(nodes, weights / weights.sum()):
            z = mean + np.exp(log_std) * node
            kl = sequence_kl(
                z=z, mean=mean, log_std=log_std, u=z, prior_mean=mean2, prior_log_std=log_std2
            )
            total = total + weight * np.asarray(kl, np.float64)
        np.testing.assert_allclose(total, expected.mean(axis=1), rtol=2e-6)


def test_gradient_pulls_the_posterior_to_the_prior():
    noise = jax.random.normal(jax.random.key(0), (512, 3))
    mean, log_std = 0.7, -0.4

    def loss(mean, log_std):
        z = mean + jnp.exp(log_std) * noise
        zeros = jnp.zeros_like(z)
        return sequence_kl(
            z=z, mean=mean, log_std=log_std, u=z, prior_mean=zeros, prior_log_std=zeros
        ).mean()

    # Closed form of KL(N(m, s^2) || N(0, 1)): dKL/dm = m, dKL/dlog s = s^2 - 1.
    gradient = jax.grad(loss, (0, 1))(mean, log_std)
    np.testing.assert_allclose(gradient, (mean, np.exp(2 * log_std) - 1), atol=0.1)
