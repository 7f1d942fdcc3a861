"""Gradients held to finite differences; for networks in float64."""

import jax
import jax.numpy as jnp
import numpy as np


def assert_matches_differences(value_and_grad, inputs, step=1e-6, rtol=1e-4):
    """Compares the slope of a function along a random direction with its gradient.

    Args:
      value_and_grad: (*inputs) -> (value, gradients of all inputs).
      inputs: trees of float64 arrays, at which the function is smooth.
      step: of the central difference.
      rtol: allowed difference, relative to the slope and to the size of its terms.

    Returns:
      The gradients.
    """
    rng = np.random.default_rng(0)
    direction = jax.tree.map(lambda array: rng.standard_normal(array.shape), inputs)

    def value(step):
        moved = jax.tree.map(lambda array, along: array + step * along, inputs, direction)
        return value_and_grad(*moved)[0]

    grads = value_and_grad(*inputs)[1]
    products = jax.tree.leaves(jax.tree.map(np.multiply, direction, grads))
    terms = np.concatenate([np.ravel(product) for product in products])
    slope = (value(step) - value(-step)) / (2 * step)
    # By the size of the terms: they may happen to cancel.
    atol = rtol * max(abs(terms.sum()), np.linalg.norm(terms))
    np.testing.assert_allclose(terms.sum(), slope, rtol=0, atol=atol)
    return grads


def assert_of_input_matches_differences(function, x, *, step=1e-6, rtol=1e-5):
    """The gradient of a random weighted sum of a function's outputs, with respect to its input.

    Weights of a network that are float32 stay it, so `function` must compute in the dtype of `x`,
    which becomes float64.
    """
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        x = np.asarray(x, np.float64)
        shapes = jax.eval_shape(function, x)
        weights = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), shapes)

        def total(x):
            products = jax.tree.map(lambda y, weight: jnp.sum(y * weight), function(x), weights)
            return sum(jax.tree.leaves(products))

        value_and_grad = jax.jit(jax.value_and_grad(total, argnums=(0,)))
        (gradient,) = assert_matches_differences(value_and_grad, (x,), step, rtol)
        assert np.any(np.asarray(gradient) != 0)
