"""From PyTorch's names and layouts of layers to linen's.

PyTorch keeps convolutions as [out, in, height, width] and dense layers as [out, in]; linen has
[height, width, in, out] and [in, out].
"""

import math

import numpy as np

from jaxtalk.core.errors import UserError, shortened


class StateDict:
    """A state dict from which each array is taken once.

    As a context: at its end, or where arrays do not go together because others are missing, one
    error tells of all names that are missing or left over.

    Args:
      state: name -> numpy array.
      ignore: endings of names that are of no use.
    """

    def __init__(self, state, ignore=("num_batches_tracked",)):
        self._state = {n: a for n, a in state.items() if not n.endswith(ignore)}
        self._missing = []

    def __contains__(self, name):
        return name in self._state

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        told = self._missing and isinstance(error, Exception)
        if told or (error is None and (self._missing or self._state)):
            names = {"missing": self._missing, "unexpected": sorted(self._state)}
            faults = [f"{len(n)} {what} ({_some(n)})" for what, n in names.items() if n]
            raise UserError(
                f"state dict: {', '.join(faults)}; is it another variant of the network?"
            ) from None

    def array(self, name, ndim):
        """Takes the array of that name, with that number of axes, as float32.

        One that is missing is noted, and has one element.

        Raises:
          UserError: it has another number of axes.
        """
        if name not in self._state:
            self._missing.append(name)
            return np.zeros((1,) * ndim, np.float32)
        value = np.asarray(self._state.pop(name), np.float32)
        if value.ndim != ndim:
            raise UserError(
                f"state dict: {shortened(name)!r} has shape {value.shape}, expected {ndim} axes"
            )
        return value

    def layer(self, name, kernel, bias=True):
        """Parameters of a layer with that kernel, and the bias of that name if it has one."""
        params = {"kernel": np.ascontiguousarray(kernel)}
        return {**params, "bias": self.array(f"{name}.bias", 1)} if bias else params

    def conv(self, name, bias=True):
        """Parameters of `nn.Conv`."""
        return self.layer(name, self.array(f"{name}.weight", 4).transpose(2, 3, 1, 0), bias)

    def conv1x1(self, name, bias=True):
        """Parameters of the `nn.Dense` that does the same over channels."""
        return self.layer(name, self.array(f"{name}.weight", 4)[:, :, 0, 0].T, bias)

    def dense(self, name, bias=True):
        """Parameters of `nn.Dense`."""
        return self.layer(name, self.array(f"{name}.weight", 2).T, bias)

    def dense_of_map(self, name, channels):
        """Parameters of the `nn.Dense` behind a flattened square map of that many channels.

        PyTorch flattens it as (channel, row, column), linen as (row, column, channel).
        """
        weight = self.array(f"{name}.weight", 2)
        side = math.isqrt(weight.shape[1] // channels)
        kernel = weight.reshape(-1, channels, side, side).transpose(2, 3, 1, 0)
        return self.layer(name, kernel.reshape(weight.shape[1], weight.shape[0]))

    def conv_transposed(self, name):
        """Parameters of the plain convolution that equals a transposed one, [in, out, h, w].

        It goes over the map with zeros between its pixels, where the stride is not 1.
        """
        kernel = self.array(f"{name}.weight", 4)[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
        return self.layer(name, kernel)

    def norm(self, name, ndim=1):
        """Parameters of `nn.LayerNorm`, and of `nn.BatchNorm`."""
        arrays = (self.array(f"{name}.{key}", ndim).reshape(-1) for key in ("weight", "bias"))
        return dict(zip(("scale", "bias"), arrays))

    def statistics(self, name):
        """Statistics of `nn.BatchNorm`."""
        keys = {"mean": "running_mean", "var": "running_var"}
        return {ours: self.array(f"{name}.{key}", 1) for ours, key in keys.items()}

    def batch_norm(self, name):
        """(parameters, statistics) of `nn.BatchNorm`."""
        return self.norm(name), self.statistics(name)

    def lstm(self, name, num_layers):
        """Parameters of `jaxtalk.nn.lstm.LSTM`, which has one bias where PyTorch has two."""
        params = {}
        for i in range(num_layers):
            biases = [self.array(f"{name}.bias_{kind}_l{i}", 1) for kind in ("ih", "hh")]
            params |= {
                f"input_kernel_{i}": self.array(f"{name}.weight_ih_l{i}", 2).T,
                f"recurrent_kernel_{i}": self.array(f"{name}.weight_hh_l{i}", 2).T,
                f"bias_{i}": biases[0] + biases[1],
            }
        return params


def _some(names):
    return ", ".join(repr(shortened(n)) for n in names[:3]) + (", ..." if len(names) > 3 else "")
