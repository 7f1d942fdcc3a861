"""Name map of LPIPS v0.1 with VGG16 trunk."""

from jaxtalk.nn.vgg import SLICES
from jaxtalk.pretrained import vgg
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
    state = StateDict({n: a for n, a in state.items() if not n.startswith(ignored)})
    torchvision = "features.0.weight" in state
    trunk = {
        name: state.conv(f"features.{n}" if torchvision else f"net.slice{k}.{n}")
        for name, k, n in vgg.layer_names()
    }
    params = {"trunk": trunk}
    for i in range(len(SLICES)):
        params[f"weight_{i}"] = state.array(f"lin{i}.model.1.weight", 4).reshape(-1)
    state.finish()
    return {"params": params}
