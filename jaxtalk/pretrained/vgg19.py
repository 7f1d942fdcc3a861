"""Name map of torchvision's VGG19, up to relu5_1."""

import jax
import numpy as np

from jaxtalk.nn.vgg import IMAGENET_MEAN, IMAGENET_STD, SLICES_19, VGG19
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict
from jaxtalk.pretrained.vgg import layer_names

# Behind relu5_1: conv5_2, conv5_3, conv5_4.
UNUSED = ("classifier.", "features.30.", "features.32.", "features.34.")


def from_state_dict(state):
    """Variables of `jaxtalk.nn.vgg.VGG19` from name -> numpy array; later layers are ignored.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict({n: a for n, a in state.items() if not n.startswith(UNUSED)}) as state:
        layers = layer_names(SLICES_19)
        params = {name: state.conv(f"features.{index}") for name, _, index in layers}
    return {"params": params}


def check(arrays, meta):
    """The features of the second of three images: examples must not mix."""
    variables = jax.device_put(from_state_dict(weight_rule.from_meta(meta)))
    images = parity.unit_images(arrays["driving_u8_nhwc"])
    images = (images - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    images = np.concatenate([images[:, ::-1], images, images[:, :, ::-1]])
    features = jax.jit(VGG19().apply)(variables, images)
    for i, feature in enumerate(features, start=1):
        name = f"relu{i}_1"
        strides = meta["act_strides_channel_spatial_fullshape"][name][:2]
        found = parity.nchw(feature, *strides)[1:2]
        yield parity.compare(name, found, arrays[f"act/{name}"], meta["f32_vs_f64"][name])
