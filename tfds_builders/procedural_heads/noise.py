"""Compiled helpers of the painters: noise textures, soft edges, mixing of colours."""

import numpy as np
from numba import njit

NOISE_SIZE = 256


def noise_textures(seed=7):
    """float32 [NOISE_SIZE, NOISE_SIZE, 3] that tiles, about -1..1: clouds, grain, fibres."""
    rng = np.random.default_rng(seed)
    n = NOISE_SIZE
    frequency = np.fft.fftfreq(n) * n
    fx, fy = np.meshgrid(frequency, frequency)
    radius = np.hypot(fx, fy)

    def filtered(gain):
        spectrum = np.fft.fft2(rng.standard_normal((n, n))) * gain
        values = np.real(np.fft.ifft2(spectrum))
        return values / values.std() / 2.0

    clouds = filtered(np.where(radius > 1, 1.0 / np.maximum(radius, 1.0) ** 1.25, 0.0))
    grain = filtered(np.exp(-(((radius - 45.0) / 30.0) ** 2)))
    fibres = filtered(np.exp(-((fx / 60.0) ** 2) - (fy / 6.0) ** 2) * (radius > 2))
    return np.stack([clouds, grain, fibres], axis=-1).astype(np.float32)


NOISE = noise_textures()


@njit(inline="always")
def cover(distance, px):
    """Coverage of a half-plane whose edge is `distance` away (negative inside), pixel size px."""
    return min(1.0, max(0.0, 0.5 - distance / (1.25 * px)))


@njit(inline="always")
def step(low, high, x):
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@njit(inline="always")
def bell(x, y, x0, y0, sx, sy):
    u, v = (x - x0) / sx, (y - y0) / sy
    return np.exp(-u * u - v * v)


@njit(inline="always")
def mix3(a, b, t):
    return (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2]))


@njit(inline="always")
def mul3(a, r, g, b):
    return (a[0] * r, a[1] * g, a[2] * b)


@njit(inline="always")
def sample(noise, u, v, channel):
    """Bilinear lookup; one unit of u or v is one texel, the texture tiles."""
    fu, fv = np.floor(u), np.floor(v)
    du, dv = u - fu, v - fv
    i, j = int(fu) & (NOISE_SIZE - 1), int(fv) & (NOISE_SIZE - 1)
    i1, j1 = (i + 1) & (NOISE_SIZE - 1), (j + 1) & (NOISE_SIZE - 1)
    low = noise[j, i, channel] * (1 - du) + noise[j, i1, channel] * du
    high = noise[j1, i, channel] * (1 - du) + noise[j1, i1, channel] * du
    return low * (1 - dv) + high * dv
