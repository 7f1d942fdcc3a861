"""Names of PyTorch's transformer layers -> parameters of `jaxtalk.nn.transformer`."""

import numpy as np


def attention(state, name):
    """Parameters of a `MultiHeadAttention`, taken from a `torch_layout.StateDict`."""
    kernels = np.split(state.array(f"{name}.in_proj_weight", 2), 3)
    biases = np.split(state.array(f"{name}.in_proj_bias", 1), 3)
    parts = zip(("query", "key", "value"), kernels, biases)
    params = {part: {"kernel": kernel.T, "bias": bias} for part, kernel, bias in parts}
    return {**params, "out": state.dense(f"{name}.out_proj")}


def encoder_layer(state, name):
    """Parameters of a `TransformerEncoderLayer`."""
    return {"attention": attention(state, f"{name}.self_attn"), **_rest(state, name, 2)}


def decoder_layer(state, name):
    """Parameters of a `TransformerDecoderLayer`."""
    return {
        "self_attention": attention(state, f"{name}.self_attn"),
        "attention": attention(state, f"{name}.multihead_attn"),
        **_rest(state, name, 3),
    }


def _rest(state, name, num_norms):
    feed_forward = {f"dense{i}": state.dense(f"{name}.linear{i}") for i in (1, 2)}
    norms = {f"norm{i + 1}": state.norm(f"{name}.norm{i + 1}") for i in range(num_norms)}
    return {"feed_forward": feed_forward, **norms}
