"""Name map of LPIPS v0.1 with VGG16 trunk."""

import jax
import numpy as np

from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.vgg import SLICES
from jaxtalk.pretrained import parity, vgg, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict


def from_state_dict(state):
    """Variables of `jaxtalk.nn.lpips.LPIPS`.

    Args:
      state: name -> numpy array: `lin<k>.model.1.weight`, and the trunk under the names either
        of the complete module (`net.slice<k>.<n>.*`) or of torchvision's VGG16 (`features.<n>.*`),
        for the two public files put together.

    Raises:
      UserError: a name is missing or unexpected.
    """
    # The module lists its linear layers twice, and keeps the constants of its scaling layer.
    ignored = ("lins.", "scaling_layer.", "classifier.")
    with StateDict({n: a for n, a in state.items() if not n.startswith(ignored)}) as state:
        torchvision = "features.0.weight" in state
        trunk = {
            name: state.conv(f"features.{n}" if torchvision else f"net.slice{k}.{n}")
            for name, k, n in vgg.layer_names()
        }
        params = {"trunk": trunk}
        for i in range(len(SLICES)):
            params[f"weight_{i}"] = state.array(f"lin{i}.model.1.weight", 4).reshape(-1)
    return {"params": params}


def check(arrays, meta):
    """Distances in a batch and alone, and the features of each layer."""
    shapes = {n: shape for n, (shape, *_) in meta["state"].items() if n.startswith("net.")}
    rule = meta["weight_rule"]
    state = weight_rule.weights(shapes, rule["seed"], rule["gain"])
    # Float64 sums stand in for a checksum.
    sums = [[a.sum(dtype=np.float64), meta["state"][name][2]] for name, a in state.items()]
    yield parity.compare("sums of the weights", *np.transpose(sums), 1e-5)
    for i in range(5):
        state[f"lin{i}.model.1.weight"] = arrays[f"lin{i}"].reshape(1, -1, 1, 1)
    variables = from_state_dict(state)
    a, b = parity.images(arrays["a_u8"]), parity.images(arrays["b_u8"])
    distance = jax.jit(LPIPS().apply)
    for count in (len(a), 1):
        found, expected = distance(variables, a[:count], b[:count]), arrays["dist"][:count]
        yield parity.compare(f"distance of {count}", found, expected, meta["f32_vs_f64"])
    features = LPIPS().apply(variables, a[:1], method="features")
    for name, feature in zip(("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"), features):
        expected, full = arrays[f"feat/{name}"], parity.nchw(feature)
        cs, s = full.shape[1] // expected.shape[1], full.shape[2] // expected.shape[2]
        noise = 1e-6 * float(np.sqrt(np.mean(expected**2)))
        yield parity.compare(name, full[:, ::cs, ::s, ::s], expected, noise)
