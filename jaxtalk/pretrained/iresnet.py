"""Name map of the recognisers of arcface_torch (`iresnet18` to `iresnet200`)."""

import itertools
import math

import jax
import numpy as np

from jaxtalk.nn.iresnet import DEPTHS, IResNet
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

NUM_STAGES = 4


def from_state_dict(state):
    """Variables of `jaxtalk.nn.iresnet.IResNet` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        params = {
            "stem_conv": state.conv("conv1", bias=False),
            "stem_prelu": {"alpha": state.array("prelu.weight", 1)},
        }
        stats = {}
        for ours, name in (("stem_norm", "bn1"), ("norm", "bn2"), ("embedding_norm", "features")):
            params[ours], stats[ours] = state.batch_norm(name)
        params["dense"] = state.dense_of_map("fc", params["norm"]["scale"].size)
        for stage in range(NUM_STAGES):
            for i in itertools.count():
                name = f"layer{stage + 1}.{i}"
                if i and f"{name}.conv1.weight" not in state:
                    break
                ours = f"block_{stage}_{i}"
                params[ours], stats[ours] = _block(state, name)
    return {"params": params, "batch_stats": stats}


def _block(state, name):
    params = {
        "conv1": state.conv(f"{name}.conv1", bias=False),
        "prelu": {"alpha": state.array(f"{name}.prelu.weight", 1)},
        "conv2": state.conv(f"{name}.conv2", bias=False),
    }
    stats = {}
    for i in (1, 2, 3):
        params[f"norm{i}"], stats[f"norm{i}"] = state.batch_norm(f"{name}.bn{i}")
    if f"{name}.downsample.0.weight" in state:
        params["shortcut_conv"] = state.conv1x1(f"{name}.downsample.0", bias=False)
        params["shortcut_norm"], stats["shortcut_norm"] = state.batch_norm(f"{name}.downsample.1")
    return params, stats


def fields(state):
    """The architecture of a public recogniser: fields of `jaxtalk.nn.iresnet.IResNet`.

    Empty if the state dict is not one of such a network, which `from_state_dict` tells.
    """
    depths = tuple(_depth(state, stage) for stage in range(NUM_STAGES))
    num_layers = {found: layers for layers, found in DEPTHS.items()}.get(depths)
    if num_layers is None or "conv1.weight" not in state or "fc.weight" not in state:
        return {}
    width = [*np.shape(state["conv1.weight"]), 0][0]
    embedding_dim, num_inputs = [*np.shape(state["fc.weight"]), 0, 0][:2]
    pixels = num_inputs // max(1, 8 * width)
    return {
        "num_layers": num_layers,
        "width": width,
        "embedding_dim": embedding_dim,
        "image_size": 16 * math.isqrt(pixels),
    }


def _depth(state, stage):
    return next(i for i in itertools.count() if f"layer{stage + 1}.{i}.conv1.weight" not in state)


def check(arrays, meta):
    """Embeddings, their cosines, and the maps of the stages where the file has them."""
    state = weight_rule.from_meta(meta)
    module = IResNet(**fields(state))
    variables = jax.device_put(from_state_dict(state))
    embedding, state = jax.jit(
        lambda variables, images: module.apply(variables, images, capture_intermediates=True)
    )(variables, parity.images(arrays["img_u8_nhwc"]))
    noise = meta["f32_vs_f64"]
    yield parity.compare("embedding", embedding, arrays["embedding"], noise)
    unit = np.asarray(embedding) / np.linalg.norm(embedding, axis=1, keepdims=True)
    yield parity.compare("cosines", unit @ unit.T, meta["csim"], 1e-6)
    for stage, depth in enumerate(DEPTHS[module.num_layers]):
        if (name := f"act/layer{stage + 1}") in arrays:
            (x,) = state["intermediates"][f"block_{stage}_{depth - 1}"]["__call__"]
            found = parity.nchw(x, x.shape[-1] // 16, x.shape[1] // 7)
            # The file has the noise of the embedding alone; that of the maps is not larger.
            yield parity.compare(name, found, arrays[name], parity.like(noise, arrays[name]))
