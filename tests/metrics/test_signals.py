"""Correlation, lag and drift of signals whose lag is known."""

import numpy as np
import pytest
from scipy import ndimage

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.signals import correlation, drift_ms, lagged_correlation


def smooth_noise(num_frames, seed=0):
    noise = np.random.default_rng(seed).standard_normal(num_frames)
    return ndimage.gaussian_filter1d(noise, 2.0)


def test_correlation_is_pearsons():
    fake, real = np.random.default_rng(0).standard_normal((2, 50, 3))
    expected = [np.corrcoef(fake[:, i], real[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(correlation(fake, real), expected, rtol=1e-12)
    np.testing.assert_allclose(correlation(7 - 3 * real, real), [-1, -1, -1], rtol=1e-12)


def test_what_does_not_move_follows_nothing():
    assert correlation(np.full(40, 0.3), smooth_noise(40)) == 0


@pytest.mark.parametrize("lag", [-11, 0, 3])
def test_finds_a_lag(lag):
    signal = smooth_noise(140)
    real, fake = signal[20:120], signal[20 - lag : 120 - lag]
    found = lagged_correlation(fake, real)
    assert found["best_correlation"] == pytest.approx(1)
    assert found["lag"] == pytest.approx(lag, abs=0.1)
    assert found["correlation"] == pytest.approx(np.corrcoef(fake, real)[0, 1])


def test_finds_a_fraction_of_a_frame():
    signal = smooth_noise(300)
    fake = np.interp(np.arange(20, 220) - 2.4, np.arange(300), signal)
    assert lagged_correlation(fake, signal[20:220])["lag"] == pytest.approx(2.4, abs=0.1)


@pytest.mark.parametrize("drift_frames", [-5.0, 0.0, 5.0])
def test_measures_drift(drift_frames):
    signal = smooth_noise(1040)
    time = np.arange(1000.0)
    lag = 3 + drift_frames * time / 999
    fake = np.interp(20 + time - lag, np.arange(1040), signal)
    noisy = fake + 0.1 * signal.std() * np.random.default_rng(1).standard_normal(1000)
    found = drift_ms(noisy, signal[20:1020])
    assert found == pytest.approx(40 * drift_frames, abs=10)


def test_drift_of_unrelated_signals_is_not_a_number_made_up():
    with pytest.raises(UserError, match="too little in common"):
        drift_ms(smooth_noise(300, 1), smooth_noise(300, 2), min_correlation=0.9)


@pytest.mark.parametrize(
    ("fake", "real", "message"),
    [
        (np.zeros(40), np.ones(40), "real: found a constant"),
        (np.zeros(40), np.arange(41.0), r"found shapes \(40,\) and \(41,\)"),
        (np.zeros(10), np.arange(10.0), "found length 10, expected at least 30"),
        (np.full(40, np.nan), np.arange(40.0), "fake: found NaN"),
        (np.zeros((40, 2)), np.arange(40.0), r"shape \(40, 2\), expected \[T\]"),
    ],
)
def test_bad_input(fake, real, message):
    with pytest.raises(UserError, match=message):
        lagged_correlation(fake, real)
