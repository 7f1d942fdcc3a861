"""Gradients held to finite differences; for networks in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

# Without optimisation: deep networks compile in a third of the time. Large convolutions in float64
# run many times as long, and are better left to jax.jit.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def assert_matches_differences(value_and_grad, inputs, step=1e-6, rtol=1e-5):
    """Compares the slope of a function along a random direction with its gradient.

    Args:
      value_and_grad: (*inputs) -> (value, gradients of all inputs).
      inputs: trees of float64 arrays, at which the function is smooth.
      step: of the central difference.
      rtol: allowed difference, relative to the slope and to the size of its terms.

    Returns:
      The gradients.
    """
    rng = np.random.default_rng(7)  # none that inputs are drawn from: slopes along them may be 0
    direction = jax.tree.map(lambda array: rng.standard_normal(array.shape), inputs)

    def value(step):
        moved = jax.tree.map(lambda array, along: array + step * along, inputs, direction)
        return float(value_and_grad(*moved)[0])

    grads = value_and_grad(*inputs)[1]
    products = jax.tree.leaves(jax.tree.map(np.multiply, direction, grads))
    terms = np.concatenate([np.ravel(product) for product in products])
    ends = value(step), value(-step)
    slope = (ends[0] - ends[1]) / (2 * step)
    # By the size of the terms: they may happen to cancel.
    size = max(abs(terms.sum()), np.linalg.norm(terms))
    np.testing.assert_allclose(terms.sum(), slope, rtol=0, atol=rtol * size)
    # Were the slope next to nothing, or drowned in rounding, then anything would agree.
    assert abs(slope) > 0.01 * size > 0
    assert rtol * size > 10 * np.spacing(abs(ends[0])) / step
    return grads


def assert_of_input_matches_differences(
    function, *inputs, step=1e-6, rtol=1e-5, mixed=False, jit=quick_jit
):
    """The gradient of a random weighted sum of a function's outputs, with respect to its inputs.

    Weights of a network that are float32 stay it, so `function` must compute in the dtype of the
    inputs, which becomes float64. Each example of each input must have an effect, and unless
    examples are `mixed` the first gives the same numbers alone, in a batch of one.

    Args:
      function: (*inputs) -> tree of arrays [B, ...].
      inputs: arrays [B, ...].
      step, rtol: see `assert_matches_differences`.
      mixed: whether examples depend on each other.
      jit: what compiles.
    """
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        inputs = tuple(np.asarray(x, np.float64) for x in inputs)
        shapes = jax.eval_shape(function, *inputs)
        assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {np.dtype("float64")}
        weights = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), shapes)

        def total(*inputs):
            outputs = function(*inputs)
            products = jax.tree.map(lambda y, weight: jnp.sum(y * weight), outputs, weights)
            return sum(jax.tree.leaves(products)), outputs

        compiled = jit(jax.value_and_grad(total, argnums=tuple(range(len(inputs))), has_aux=True))

        # One input at a time: the slope of one could hide that of another.
        for i in range(len(inputs)):

            def value_and_grad(x, i=i):
                (value, _), grads = compiled(*inputs[:i], x, *inputs[i + 1 :])
                return value, (grads[i],)

            (gradient,) = assert_matches_differences(value_and_grad, inputs[i : i + 1], step, rtol)
            assert np.all(np.any(np.reshape(gradient, (len(gradient), -1)) != 0, axis=1))
        if not mixed:
            outputs = compiled(*inputs)[0][1]
            alone = jit(function)(*(x[:1] for x in inputs))
            for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(outputs)):
                atol = 1e-10 * np.abs(many).max()
                np.testing.assert_allclose(one, many[:1], rtol=0, atol=atol)
