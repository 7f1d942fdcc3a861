"""Leaky ReLU with gain and clamp."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def leaky_relu(x, gain=2**0.5, slope=0.2, clamp=None):
    """Leaky ReLU, times `gain`, clamped to [-clamp, clamp] (None: not clamped).

    The gradient is computed from the input alone, so that nothing else is kept for it.
    """
    y = jnp.where(x > 0, gain * x, gain * slope * x)
    return y if clamp is None else jnp.clip(y, -clamp, clamp)


def _forward(x, gain, slope, clamp):
    return leaky_relu(x, gain, slope, clamp), x


def _backward(gain, slope, clamp, x, gradient):
    factor = jnp.where(x > 0, gain, gain * slope).astype(x.dtype)
    if clamp is not None:
        factor = jnp.where(jnp.abs(factor * x) < clamp, factor, 0)
    return (gradient * factor,)


leaky_relu.defvjp(_forward, _backward)
