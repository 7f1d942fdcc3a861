"""Name map of the public StyleTalk (`styletalk_checkpoint.pth`, key `model_state_dict`)."""

import itertools

import numpy as np

from jaxtalk.pretrained import transformer
from jaxtalk.pretrained.torch_layout import StateDict

NORMS = ("norm1", "norm2", "norm3")


def from_state_dict(state):
    """Variables of `jaxtalk.nn.styletalk.StyleTalk`.

    Args:
      state: name -> numpy array, names like "content_encoder.ph_embedding.weight". The tables of
        positions are not used: the network computes them.

    Returns:
      {"params"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state, ignore=("pos_embed.pos_table",))
    params = {
        "content_encoder": {
            "embedding": state.array("content_encoder.ph_embedding.weight", 2),
            "input": state.dense("content_encoder.increase_embed_dim"),
            **_layers(state, "content_encoder.encoder", transformer.encoder_layer),
        },
        "style_encoder": {
            "input": state.dense("style_encoder.increase_embed_dim"),
            "pool1": state.dense("style_encoder.aggregate_method.W.0"),
            "pool2": state.dense("style_encoder.aggregate_method.W.2"),
            **_layers(state, "style_encoder.encoder", transformer.encoder_layer),
        },
    }
    for half in ("upper", "lower"):
        params[f"{half}_decoder"] = {
            **_layers(state, f"decoder.{half}_decoder", _dynamic_layer),
            "norm": transformer.layer_norm(state, f"decoder.{half}_decoder.norm"),
            **{f"dense_{i}": state.dense(f"decoder.{half}_tail_fc.{2 * i}") for i in range(3)},
        }
    state.finish()
    return {"params": params}


def _layers(state, name, layer):
    params = {}
    for i in itertools.count():
        if f"{name}.layers.{i}.linear2.weight" not in state:
            return params
        params[f"layer_{i}"] = layer(state, f"{name}.layers.{i}")


def _dynamic_layer(state, name):
    dynamic = f"{name}.linear1.dynamic_conv"
    kernel = state.array(f"{dynamic}.weight", 5)[..., 0, 0].swapaxes(1, 2)
    return {
        "self_attention": transformer.attention(state, f"{name}.self_attn"),
        "attention": transformer.attention(state, f"{name}.multihead_attn"),
        "dense1": {
            "kernel": np.ascontiguousarray(kernel),
            "bias": state.array(f"{dynamic}.bias", 2),
            "shares": {
                "dense1": state.conv1x1(f"{dynamic}.attention.net.0"),
                "dense2": state.conv1x1(f"{dynamic}.attention.net.2"),
            },
        },
        "dense2": state.dense(f"{name}.linear2"),
        **{norm: transformer.layer_norm(state, f"{name}.{norm}") for norm in NORMS},
    }
