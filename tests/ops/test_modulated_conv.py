"""The modulated convolution against scaled weights per example, in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from jaxtalk.ops.modulated_conv import modulated_conv


def definition(x, kernel, styles, input_gain, demodulate):
    """Weights of each example, then a full correlation per pair of channels."""
    out = []
    for image, style in zip(x.astype(np.float64), styles.astype(np.float64)):
        weights = kernel.astype(np.float64) * style[:, None]
        if demodulate:
            weights = weights / np.sqrt(np.sum(np.square(weights), (0, 1, 2)))
        weights = weights * input_gain
        planes = [
            sum(
                scipy.signal.correlate(image[:, :, i], weights[:, :, i, o], mode="full")
                for i in range(weights.shape[2])
            )
            for o in range(weights.shape[3])
        ]
        out.append(np.stack(planes, -1))
    return np.stack(out)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
def test_matches_scaled_weights(size, demodulate):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((3, 7, 6, 4)).astype(np.float32)
    kernel = rng.standard_normal((size, size, 4, 5)).astype(np.float32)
    styles = (1 + rng.standard_normal((3, 4))).astype(np.float32)
    expected = definition(x, kernel, styles, 0.6, demodulate)
    found = modulated_conv(x, kernel, styles, input_gain=0.6, demodulate=demodulate)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_bfloat16_rounds_only_factors_and_sums():
    """Styles range over e^-3 to e^3; each of the few roundings is 2^-9 at most."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 5, 64)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 64, 8)).astype(np.float32)
    styles = np.exp(rng.standard_normal((2, 64))).astype(np.float32)
    full = modulated_conv(x, kernel, styles)
    half = modulated_conv(x.astype(jnp.bfloat16), kernel, styles)
    assert half.dtype == jnp.bfloat16
    error = np.asarray(half, np.float32) - full
    assert np.sqrt(np.mean(np.square(error))) < 6e-3 * np.std(full)


def test_an_example_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 5, 4)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 4, 4)).astype(np.float32)
    styles = rng.standard_normal((3, 4)).astype(np.float32)
    alone = modulated_conv(x[:1], kernel, styles[:1])
    np.testing.assert_allclose(modulated_conv(x, kernel, styles)[:1], alone, rtol=1e-5, atol=1e-6)
