"""From PyTorch's names and layouts of layers to linen's.

PyTorch keeps convolutions as [out, in, height, width] and dense layers as [out, in]; linen has
[height, width, in, out] and [in, out].
"""

import math

import numpy as np

from jaxtalk.core.errors import UserError, shortened


class StateDict:
    """A state dict from which each array is taken once; what is missing or left over is an error.

    Args:
      state: name -> numpy array.
      ignore: endings of names that are of no use.
    """

    def __init__(self, state, ignore=("num_batches_tracked",)):
        self._state = {n: a for n, a in state.items() if not n.endswith(ignore)}

    def __contains__(self, name):
        return name in self._state

    def array(self, name, ndim=None):
        """Takes the array of that name, with that number of axes if given, as float32.

        Raises:
          UserError: there is none, or it has another number of axes.
        """
        if name not in self._state:
            raise UserError(
                f"state dict: {shortened(name)!r} is missing, expected the public network's names"
            )
        value = np.asarray(self._state.pop(name), np.float32)
        if ndim is not None and value.ndim != ndim:
            raise UserError(
                f"state dict: {shortened(name)!r} has shape {value.shape}, expected {ndim} axes"
            )
        return value

    def bias(self, name):
        """{"bias": ...} of a layer if it has one."""
        return {"bias": self.array(f"{name}.bias", 1)} if f"{name}.bias" in self else {}

    def conv(self, name):
        """Parameters of `nn.Conv`."""
        kernel = self.array(f"{name}.weight", 4).transpose(2, 3, 1, 0)
        return {"kernel": np.ascontiguousarray(kernel), **self.bias(name)}

    def conv1x1(self, name):
        """Parameters of the `nn.Dense` that does the same over channels."""
        kernel = self.array(f"{name}.weight", 4)[:, :, 0, 0].T
        return {"kernel": np.ascontiguousarray(kernel), **self.bias(name)}

    def dense(self, name):
        """Parameters of `nn.Dense`."""
        kernel = self.array(f"{name}.weight", 2).T
        return {"kernel": np.ascontiguousarray(kernel), **self.bias(name)}

    def dense_of_map(self, name, channels):
        """Parameters of the `nn.Dense` behind a flattened square map of that many channels.

        PyTorch flattens it as (channel, row, column), linen as (row, column, channel).
        """
        weight = self.array(f"{name}.weight", 2)
        side = math.isqrt(weight.shape[1] // channels)
        kernel = weight.reshape(-1, channels, side, side).transpose(2, 3, 1, 0)
        return {"kernel": kernel.reshape(weight.shape[1], weight.shape[0]), **self.bias(name)}

    def batch_norm(self, name):
        """(parameters, statistics) of `nn.BatchNorm`; no parameters where it has none."""
        statistics = {
            "mean": self.array(f"{name}.running_mean", 1),
            "var": self.array(f"{name}.running_var", 1),
        }
        if f"{name}.weight" not in self and f"{name}.bias" not in self:
            return {}, statistics
        scale, bias = (self.array(f"{name}.{key}", 1) for key in ("weight", "bias"))
        return {"scale": scale, "bias": bias}, statistics

    def finish(self):
        """Raises UserError if any array has not been taken."""
        if self._state:
            names = sorted(self._state)
            raise UserError(
                f"state dict: {len(names)} unexpected names, the first is {shortened(names[0])!r}; "
                "is it another variant of the network?"
            )
