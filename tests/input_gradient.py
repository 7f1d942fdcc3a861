"""The gradient of a network with respect to its input, against differences in float64."""

import jax
import jax.numpy as jnp
import numpy as np


def assert_matches_differences(function, x, *, step=1e-6, rtol=1e-5):
    """`function` is differentiable where `x` is, and its gradient is its slope.

    Compares the slope of a random weighted sum of the outputs along one random direction, in
    float64: weights that are float32 stay it, so `function` must compute in the dtype of `x`.
    """
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(x, np.float64))
        direction = jnp.asarray(rng.standard_normal(x.shape))
        shapes = jax.eval_shape(function, x)
        weights = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape)), shapes)

        def total(x):
            outputs = jax.tree.map(lambda y, weight: jnp.sum(y * weight), function(x), weights)
            return sum(jax.tree.leaves(outputs))

        value_and_grad = jax.jit(jax.value_and_grad(total))
        slope = jnp.sum(value_and_grad(x)[1] * direction)
        above, below = (value_and_grad(x + sign * step * direction)[0] for sign in (1, -1))
        difference = (above - below) / (2 * step)
    assert float(slope) != 0
    np.testing.assert_allclose(float(slope), float(difference), rtol=rtol)
