"""Name map of the network of Deep3DFaceRecon_pytorch (`epoch_20.pth`, key `net_recon`)."""

import jax
import numpy as np

from jaxtalk.nn.face_model import split_coefficients
from jaxtalk.nn.resnet50 import FaceReconstructor
from jaxtalk.pretrained import parity, resnet, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

NUM_HEADS = 7


def from_state_dict(state):
    """Variables of `jaxtalk.nn.resnet50.FaceReconstructor` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        trunk, stats = resnet.trunk(state, "backbone.", bottleneck=True)
        layers = [state.conv1x1(f"final_layers.{i}") for i in range(NUM_HEADS)]
        heads = {key: np.concatenate([h[key] for h in layers], -1) for key in ("kernel", "bias")}
    return {"params": {"trunk": trunk, "heads": heads}, "batch_stats": {"trunk": stats}}


_PARTS = {
    "id": "identity",
    "exp": "expression",
    "tex": "texture",
    "angle": "angles",
    "gamma": "light",
}


def check(arrays, meta):
    """Coefficients of both images, then the first again: examples must not mix."""
    images = parity.unit_images(arrays["img_u8_nhwc"])
    images, expected = (np.concatenate([x, x[:1]]) for x in (images, arrays["coeffs257"]))
    variables = jax.device_put(from_state_dict(weight_rule.from_meta(meta)))
    found = np.asarray(jax.jit(FaceReconstructor().apply)(variables, images))
    found, expected = split_coefficients(found), split_coefficients(expected)
    noise = meta["f32_vs_f64"]["coeffs"]
    for name, part in _PARTS.items():
        yield parity.compare(name, getattr(found, part), getattr(expected, part), noise[name])
    # By the rule of its weights, the last coefficient is a thousand times as large as the others.
    for name, axes in (("txty_heads", slice(0, 2)), ("tz_head", slice(2, 3))):
        pair = (x.translation[:, axes] for x in (found, expected))
        yield parity.compare(name, *pair, noise[name])
