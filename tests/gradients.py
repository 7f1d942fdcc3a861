"""Gradients held to finite differences; for networks in float64."""

import jax
import numpy as np


def assert_matches_differences(value_and_grad, inputs, step=1e-6, rtol=1e-4):
    """Compares the slope of a function along a random direction with its gradient.

    Args:
      value_and_grad: (*inputs) -> (value, gradients of all inputs).
      inputs: trees of float64 arrays, at which the function is smooth.
      step: of the central difference.
      rtol: allowed relative difference.

    Returns:
      The gradients.
    """
    rng = np.random.default_rng(0)
    direction = jax.tree.map(lambda array: rng.standard_normal(array.shape), inputs)

    def value(step):
        moved = jax.tree.map(lambda array, along: array + step * along, inputs, direction)
        return value_and_grad(*moved)[0]

    grads = value_and_grad(*inputs)[1]
    products = jax.tree.map(np.vdot, direction, grads)
    slope = (value(step) - value(-step)) / (2 * step)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=rtol)
    return grads
