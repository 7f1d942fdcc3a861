"""Frames one after another, each in stages: how the image metrics are computed.

What is between two stages of a frame stays in a core's cache, that of a batch does not. And of one
loop over all that leads to a value, which XLA makes where it can, neighbours that share a window
compute it anew each. On 256 px frames and a CPU both together are worth a factor of three.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def _alone(true, function, *arrays):
    """function(*arrays), in a branch of its own: XLA fuses nothing across it."""

    def never(*arrays):
        shapes = jax.eval_shape(function, *arrays)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    return lax.cond(true, function, never, *arrays)


def over_frames(function):
    """A function of single frames as one of batches, jitted.

    Accelerators, which have work for many cores at once, take all frames side by side.

    Args:
      function: (stage, *frames) -> tree; stage(f, *arrays) is f(*arrays), a tree of arrays, whose
        results are kept, not computed anew for each pixel that needs them.

    Returns:
      function: (*images), each [B, ...] -> tree of [B, ...].
    """

    @jax.jit
    def run(true, *images):
        def of_frame(frames):
            return function(functools.partial(_alone, true), *frames)

        on_cpu = jax.default_backend() == "cpu"
        return lax.map(of_frame, images) if on_cpu else jax.vmap(of_frame)(images)

    # As an argument, its value is not known when XLA decides.
    return functools.partial(run, True)
