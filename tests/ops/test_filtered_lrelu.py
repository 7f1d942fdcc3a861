"""The alias-free leaky ReLU against its definition: zero stuffing in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.ops.filtered_lrelu import filtered_lrelu
from jaxtalk.ops.filters import lowpass, radial_lowpass, separable_terms
from jaxtalk.ops.leaky_relu import leaky_relu
from tests.ops import zero_stuffing

CASES = {  # in_size, out_size, up, radial, clamp
    "same size": (10, 8, 2, False, 256.0),
    "same size, radial, clamped": (8, 8, 2, True, 0.5),
    "finer": (10, 8, 4, False, 256.0),
    "finer, radial": (8, 6, 4, True, 256.0),
    "cropped": (22, 8, 2, False, 256.0),
}


def definition(x, up_taps, down_taps, up, down, pad, out_size, clamp):
    high = (out_size - 1) * down + len(down_taps)
    after = high + len(up_taps) - 1 - x.shape[1] * up - pad
    y = zero_stuffing.upfirdn(x, np.outer(up_taps, up_taps) * up**2, up=up, padding=(pad, after))
    y = np.clip(np.where(y > 0, y, 0.2 * y) * 2**0.5, -clamp, clamp)
    return zero_stuffing.upfirdn(y, down_taps, down=down)


@pytest.mark.parametrize("name", CASES)
def test_matches_the_definition(name):
    in_size, out_size, up, radial, clamp = CASES[name]
    up_taps = lowpass(6 * up, 0.3, 0.8, 2 * up)
    design = radial_lowpass if radial else lowpass
    down_taps = design(12, 0.3, 0.8, 4.0)
    terms = separable_terms(down_taps) if radial else ((down_taps, down_taps),)
    if not radial:
        down_taps = np.outer(down_taps, down_taps)
    total = (out_size - 1) * 2 + 1 - in_size * up + len(up_taps) + len(down_taps) - 2
    pad = (total + up) // 2
    x = np.random.default_rng(3).standard_normal((2, in_size, in_size, 3)).astype(np.float32)

    expected = definition(x, up_taps, down_taps, up, 2, pad, out_size, clamp)
    apply = jax.jit(
        lambda x: filtered_lrelu(
            x,
            up_taps,
            terms,
            up=up,
            down=2,
            pad=pad,
            out_size=out_size,
            gain=2**0.5,
            slope=0.2,
            clamp=clamp,
        )
    )
    found = apply(x)
    assert found.shape == expected.shape == (2, out_size, out_size, 3)
    scale = np.sqrt(np.mean(np.square(expected)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)

    # Directional derivative. The gradient's own direction makes it as large as it can be.
    y = np.random.default_rng(4).standard_normal(expected.shape)
    gradient = jax.jit(jax.grad(lambda x: jnp.vdot(apply(x), y.astype(np.float32))))(x)
    direction = np.asarray(gradient, np.float64)
    eps = 1e-6 / np.abs(direction).max()
    ends = [
        definition(x + s * eps * direction, up_taps, down_taps, up, 2, pad, out_size, clamp)
        for s in (1, -1)
    ]
    slope = np.sum((ends[0] - ends[1]) * y) / (2 * eps)
    np.testing.assert_allclose(np.sum(direction**2), slope, rtol=1e-4)


def test_down_must_divide_up():
    with pytest.raises(ValueError, match="down: found 2"):
        filtered_lrelu(
            jnp.zeros((1, 8, 8, 1)),
            [1.0],
            (([1.0], [1.0]),),
            up=3,
            down=2,
            pad=0,
            out_size=8,
            gain=1.0,
            slope=0.2,
            clamp=1.0,
        )


@pytest.mark.parametrize("clamp", [None, 1.0])
def test_leaky_relu_and_its_gradient(clamp):
    x = np.linspace(-4, 4, 81, dtype=np.float32)
    expected = 2 * np.where(x > 0, x, 0.25 * x)
    slope = np.where(x > 0, 2.0, 0.5)
    if clamp is not None:
        slope = np.where(np.abs(expected) < clamp, slope, 0)
        expected = np.clip(expected, -clamp, clamp)
    y, pull = jax.vjp(lambda x: leaky_relu(x, 2.0, 0.25, clamp), x)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    np.testing.assert_allclose(pull(jnp.ones_like(y))[0], slope, rtol=1e-6)
