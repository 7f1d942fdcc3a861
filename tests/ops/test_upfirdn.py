"""Polyphase resampling against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.ops.upfirdn import fir, merge_phases, phase_sizes, phase_taps, split_phases, upfirdn
from tests.ops import zero_stuffing

CASES = [
    # taps, up, down, padding, height
    (4, 1, 1, (2, 2), 9),
    (4, 1, 2, (1, 1), 10),
    (4, 2, 1, (2, 1), 7),
    (12, 2, 1, (9, 8), 8),
    (24, 4, 1, (-6, -9), 12),
    (12, 1, 2, (0, 0), 30),
    (7, 3, 2, (4, 5), 11),
    (6, 4, 2, (-3, 2), 9),
]


def arguments(num_taps, height):
    rng = np.random.default_rng(num_taps)
    taps = rng.standard_normal(num_taps)
    return rng.standard_normal((2, height, height + 3, 5)).astype(np.float32), taps


@pytest.mark.parametrize(("num_taps", "up", "down", "padding", "height"), CASES)
def test_matches_the_definition(num_taps, up, down, padding, height):
    x, taps = arguments(num_taps, height)
    options = {"up": up, "down": down, "padding": padding}
    expected = zero_stuffing.upfirdn(x, np.outer(taps, taps), **options)
    found = jax.jit(lambda x: upfirdn(x, taps, **options))(x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("num_taps", "up", "down", "padding", "height"), CASES)
def test_gradient_is_the_transpose(num_taps, up, down, padding, height):
    """<A x, y> = <x, A' y> for random y, with A from the definition."""
    x, taps = arguments(num_taps, height)
    options = {"up": up, "down": down, "padding": padding}
    expected = zero_stuffing.upfirdn(x, np.outer(taps, taps), **options)
    y = np.random.default_rng(1).standard_normal(expected.shape)
    pull = jax.jit(lambda x, y: jax.vjp(lambda x: upfirdn(x, taps, **options), x)[1](y)[0])
    gradient = np.asarray(pull(x, y.astype(np.float32)), np.float64)
    scale = np.linalg.norm(expected) * np.linalg.norm(y)
    assert abs(np.sum(gradient * x) - np.sum(expected * y)) < 1e-6 * scale


def test_second_gradient_goes_through():
    """f(x) = |A x|^2 / 2 has the Hessian A' A: a vector times it is the gradient at that vector."""
    x, taps = arguments(4, 6)

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.square(upfirdn(x, taps, up=2))) / 2)(x)

    v = np.random.default_rng(2).standard_normal(x.shape).astype(np.float32)
    product = jax.grad(lambda x: jnp.vdot(gradient(x), v))(jnp.asarray(x))
    np.testing.assert_allclose(product, gradient(v), rtol=0, atol=1e-4)


def test_bfloat16_sums_in_float32():
    """With a sum in bfloat16 the many small terms after the large one would vanish."""
    x = jnp.asarray([256.0] + [0.5] * 12, jnp.bfloat16).reshape(1, 13, 1, 1)
    taps = phase_taps([1.0] * 13)
    (y,) = fir((x,), taps, (1,), axis=1)
    assert y.dtype == jnp.bfloat16
    assert float(y[0, 0, 0, 0]) == 262.0


@pytest.mark.parametrize(("size", "num_phases"), [(8, 2), (9, 2), (11, 4), (5, 1)])
def test_phases_split_and_merge(size, num_phases):
    x = jnp.arange(2 * size).reshape(1, size, 2, 1)
    phases = split_phases(x, num_phases, axis=1)
    assert tuple(p.shape[1] for p in phases) == phase_sizes(size, num_phases)
    assert np.array_equal(phases[-1][0, 0, :, 0], x[0, num_phases - 1, :, 0])
    assert np.array_equal(merge_phases(phases, axis=1), x)


def test_phases_must_match_the_factor():
    with pytest.raises(ValueError, match="in_phases: found 1"):
        phase_taps([1.0, 1.0], down=2)
