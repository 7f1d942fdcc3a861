"""Name map of the IR-SE-50 of pSp's identity loss (`model_ir_se50.pth`)."""

import math

import numpy as np

from jaxtalk.pretrained import ir_se
from jaxtalk.pretrained.torch_layout import StateDict

EPSILON = 1e-5  # of the norm


def from_state_dict(state):
    """Variables of `jaxtalk.nn.arcface.IRSE50` from name -> numpy array.

    A scale and an offset of the last norm, which the network does not have, go into the dense
    layer in front of it.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state)
    backbone, stats = ir_se.backbone(state)
    norm, norm_stats = state.batch_norm("output_layer.0")
    affine, embedding_stats = state.batch_norm("output_layer.4")
    # The dense layer sees the map flattened as (channel, row, column); here as (row, column,
    # channel).
    weight = state.array("output_layer.3.weight", 2)
    channels = norm["scale"].size
    side = math.isqrt(weight.shape[1] // channels)
    kernel = weight.reshape(-1, channels, side, side).transpose(2, 3, 1, 0)
    kernel = np.ascontiguousarray(kernel.reshape(weight.shape[1], weight.shape[0]))
    params = {
        "backbone": backbone,
        "norm": norm,
        "dense": {"kernel": kernel, **state.bias("output_layer.3")},
    }
    if affine:
        params["dense"], embedding_stats = _folded(params["dense"], affine, embedding_stats)
    state.finish()
    stats = {"backbone": stats, "norm": norm_stats, "embedding_norm": embedding_stats}
    return {"params": params, "batch_stats": stats}


def _folded(dense, affine, stats):
    """(dense layer with a norm of that scale, offset and statistics, statistics 0 and 1)."""
    gain = affine["scale"] / np.sqrt(stats["var"] + EPSILON)
    bias = (dense["bias"] - stats["mean"]) * gain + affine["bias"]
    neutral = {
        "mean": np.zeros_like(stats["mean"]),
        "var": np.full_like(stats["var"], 1 - EPSILON),
    }
    return {"kernel": dense["kernel"] * gain, "bias": bias}, neutral
