"""Name map of the network of Deep3DFaceRecon_pytorch (`epoch_20.pth`, key `net_recon`)."""

import numpy as np

from jaxtalk.pretrained import resnet
from jaxtalk.pretrained.torch_layout import StateDict

NUM_HEADS = 7


def from_state_dict(state):
    """Variables of `jaxtalk.nn.resnet50.FaceReconstructor` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state)
    trunk, stats = resnet.trunk(state, "backbone.", bottleneck=True)
    layers = [state.conv1x1(f"final_layers.{i}") for i in range(NUM_HEADS)]
    heads = {key: np.concatenate([h[key] for h in layers], -1) for key in ("kernel", "bias")}
    state.finish()
    return {"params": {"trunk": trunk, "heads": heads}, "batch_stats": {"trunk": stats}}
