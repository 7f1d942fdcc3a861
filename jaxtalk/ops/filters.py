"""Design of the low-pass filters of StyleGAN3, in float64 numpy.

The one-dimensional filter equals `scipy.signal.firwin(num_taps, cutoff, width=width, fs=...)`, the
radial one is its two-dimensional counterpart (Karras et al. 2021, section 3.2 and appendix C).
"""

import numpy as np

# A radial filter is cut into separable terms until what is left could not be seen in float32.
SEPARABLE_RESIDUAL = 1e-6


def kaiser_beta(num_taps, width, sampling_rate):
    """Shape of the Kaiser window for a transition band of `width` (same unit as sampling_rate)."""
    attenuation_db = 2.285 * (num_taps - 1) * np.pi * width / (sampling_rate / 2) + 7.95
    if attenuation_db > 50:
        return 0.1102 * (attenuation_db - 8.7)
    if attenuation_db > 21:
        return 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    return 0.0


def lowpass(num_taps, cutoff, width, sampling_rate):
    """Kaiser-windowed sinc of unit sum, float64 [num_taps]."""
    position = np.arange(num_taps) - (num_taps - 1) / 2
    window = np.kaiser(num_taps, kaiser_beta(num_taps, width, sampling_rate))
    taps = np.sinc(2 * cutoff / sampling_rate * position) * window
    return taps / taps.sum()


def bessel_j1(x):
    """Bessel function of the first kind and order 1, for |x| up to about 100.

    Trapezoidal rule on Bessel's integral: the integrand is periodic and entire, so that 256 nodes
    reach float64.
    """
    node = np.arange(256) * (2 * np.pi / 256)
    return np.cos(node - np.asarray(x)[..., None] * np.sin(node)).mean(-1)


def radial_lowpass(num_taps, cutoff, width, sampling_rate):
    """Kaiser-windowed jinc of unit sum, float64 [num_taps, num_taps], num_taps even."""
    position = (np.arange(num_taps) - (num_taps - 1) / 2) / sampling_rate
    radius = np.hypot(position[:, None], position[None, :])
    window = np.kaiser(num_taps, kaiser_beta(num_taps, width, sampling_rate))
    taps = bessel_j1(2 * np.pi * cutoff * radius) / (np.pi * radius) * np.outer(window, window)
    return taps / taps.sum()


def separable_terms(taps):
    """Write a two-dimensional filter as a sum of outer products.

    Radial filters decay so fast that 2 to 4 terms leave less than SEPARABLE_RESIDUAL (sum of the
    absolute values): the error of one output for inputs of magnitude 1.

    Args:
      taps: [N, M].

    Returns:
      tuple of (vertical [N], horizontal [M]).
    """
    left, values, right = np.linalg.svd(taps)
    terms, rest = [], taps
    for index, value in enumerate(values):
        terms.append((left[:, index] * value, right[index]))
        rest = rest - np.outer(*terms[-1])
        if np.abs(rest).sum() < SEPARABLE_RESIDUAL:
            break
    return tuple(terms)
