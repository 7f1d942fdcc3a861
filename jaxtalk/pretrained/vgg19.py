"""Name map of torchvision's VGG19, up to relu5_1."""

from jaxtalk.nn.vgg import SLICES_19
from jaxtalk.pretrained.torch_layout import StateDict
from jaxtalk.pretrained.vgg import layer_names

# Behind relu5_1: conv5_2, conv5_3, conv5_4.
UNUSED = ("classifier.", "features.30.", "features.32.", "features.34.")


def from_state_dict(state):
    """Variables of `jaxtalk.nn.vgg.VGG19` from name -> numpy array; later layers are ignored.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict({n: a for n, a in state.items() if not n.startswith(UNUSED)})
    layers = layer_names(SLICES_19)
    params = {name: state.conv(f"features.{index}") for name, _, index in layers}
    state.finish()
    return {"params": params}
