"""Name map of the IR-SE-50 of pSp's identity loss (`model_ir_se50.pth`)."""

import jax
import numpy as np

from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.pretrained import ir_se, parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

EPSILON = 1e-5  # of the norm


def from_state_dict(state):
    """Variables of `jaxtalk.nn.arcface.IRSE50` from name -> numpy array.

    A scale and an offset of the last norm, which the network does not have, go into the dense
    layer in front of it.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        backbone, stats = ir_se.backbone(state)
        norm, norm_stats = state.batch_norm("output_layer.0")
        embedding_stats = state.statistics("output_layer.4")
        params = {
            "backbone": backbone,
            "norm": norm,
            "dense": state.dense_of_map("output_layer.3", norm["scale"].size),
        }
        if "output_layer.4.weight" in state or "output_layer.4.bias" in state:
            affine = state.norm("output_layer.4")
            params["dense"], embedding_stats = _folded(params["dense"], affine, embedding_stats)
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


def check(arrays, meta):
    """The crop of the face, and embeddings in a batch and alone."""
    crops = face_crop(parity.images(arrays["img_u8_nhwc"]), 112)
    yield parity.compare(
        "crop", parity.nchw(crops)[:, :, ::2, ::2], arrays["cropped_stride2"], 5e-8
    )
    variables = jax.device_put(from_state_dict(weight_rule.from_meta(meta)))
    forward = jax.jit(IRSE50().apply)
    for count in (len(crops), 1):
        found, expected = forward(variables, crops[:count]), arrays["embedding"][:count]
        yield parity.compare(f"embedding of {count}", found, expected, meta["f32_vs_f64"])
