"""Name map of the Inception v3 of the Frechet distance (`pt_inception-2015-12-05`)."""

import jax
import jax.numpy as jnp

from jaxtalk.nn.inception import SIZE, Inception
from jaxtalk.pretrained.torch_layout import StateDict

UNUSED = ("fc.", "AuxLogits.")  # classifiers


def from_state_dict(state):
    """Variables of `jaxtalk.nn.inception.Inception` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict({n: a for n, a in state.items() if not n.startswith(UNUSED)})
    images = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    layers = jax.eval_shape(Inception().init, jax.random.key(0), images)["params"]
    params, stats = {}, {}
    for layer in layers:
        name = layer.replace("_branch", ".branch")
        norm, norm_stats = state.batch_norm(f"{name}.bn")
        params[layer] = {"conv": state.conv(f"{name}.conv"), "bn": norm}
        stats[layer] = {"bn": norm_stats}
    state.finish()
    return {"params": params, "batch_stats": stats}
