"""The training state of any stage: one pytree, born sharded, donated at each step."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class TrainState:
    """Everything that a step changes.

    Attributes:
      step: int32 [], number of finished steps.
      params: network name -> trainable parameters ("params" collection), float32.
      stats: network name -> the other collections (batch_stats, moving averages); a network
        without any has an empty dict.
      opt_state: optimizer name -> optax state.
      ema: network name -> complete variables ({"params": ..., **stats}) of the weights that are
        sampled, evaluated and exported; only the networks that keep an average are here.
    """

    step: jax.Array
    params: dict[str, Any]
    stats: dict[str, Any]
    opt_state: dict[str, Any]
    ema: dict[str, Any]

    @classmethod
    def create(cls, variables, opt_state, ema_networks=()):
        """State at step 0 from network name -> freshly initialised variables."""
        params = {name: v["params"] for name, v in variables.items()}
        stats = {
            name: {k: c for k, c in v.items() if k != "params"} for name, v in variables.items()
        }
        # A copy: donated buffers must not alias.
        ema = {name: jax.tree.map(jnp.copy, dict(variables[name])) for name in ema_networks}
        return cls(jnp.zeros((), jnp.int32), params, stats, opt_state, ema)

    def variables(self, name, params=None):
        """Variables of one network as `apply` takes them, with `params` in place of its own."""
        own = self.params[name] if params is None else params
        return {"params": own, **self.stats[name]}

    def with_variables(self, variables):
        """The state with other values of some networks, and of their averages."""
        params = {name: v["params"] for name, v in variables.items()}
        stats = {
            name: {k: c for k, c in v.items() if k != "params"} for name, v in variables.items()
        }
        ema = {
            name: jax.tree.map(jnp.array, v) for name, v in variables.items() if name in self.ema
        }
        return self.replace(
            params={**self.params, **params},
            stats={**self.stats, **stats},
            ema={**self.ema, **ema},
        )

    def sampling_variables(self, name):
        """The averaged variables where an average is kept, else the current ones."""
        return self.ema[name] if name in self.ema else self.variables(name)


def ema_update(ema, variables, decay):
    """decay * ema + (1 - decay) * variables for floats; other leaves are taken over as they are."""

    def blend(old, new):
        if not jnp.issubdtype(new.dtype, jnp.floating):
            return new
        return new + (old - new) * decay

    return jax.tree.map(blend, ema, dict(variables))
