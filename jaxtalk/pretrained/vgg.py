"""Name map of torchvision's VGG16."""

from jaxtalk.nn.vgg import SLICES
from jaxtalk.pretrained.torch_layout import StateDict


def layer_names(slices=SLICES):
    """(our name, slice from 1, index in torchvision's `features`) of each convolution."""
    index = 0
    for i, (_, count) in enumerate(slices, start=1):
        for j in range(1, count + 1):
            yield f"conv{i}_{j}", i, index
            index += 2  # convolution, ReLU
        index += 1  # pooling


def from_state_dict(state):
    """Variables of `jaxtalk.nn.vgg.VGG16` from name -> numpy array; `classifier.*` is ignored.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict({n: a for n, a in state.items() if not n.startswith("classifier.")}) as state:
        params = {name: state.conv(f"features.{index}") for name, _, index in layer_names()}
    return {"params": params}
