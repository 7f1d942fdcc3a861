"""Name map of the public StyleTalk (`styletalk_checkpoint.pth`, key `model_state_dict`)."""

import itertools

import jax
import numpy as np

from jaxtalk.nn.styletalk import StyleTalk, phoneme_windows
from jaxtalk.pretrained import parity, transformer, weight_rule
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
    with StateDict(state, ignore=("pos_embed.pos_table",)) as state:
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
                "norm": state.norm(f"decoder.{half}_decoder.norm"),
                **{f"dense_{i}": state.dense(f"decoder.{half}_tail_fc.{2 * i}") for i in range(3)},
            }
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
                "dense1": state.conv1x1(f"{dynamic}.attention.net.0", bias=False),
                "dense2": state.conv1x1(f"{dynamic}.attention.net.2", bias=False),
            },
        },
        "dense2": state.dense(f"{name}.linear2"),
        **{norm: state.norm(f"{name}.{norm}") for norm in NORMS},
    }


def check(arrays, meta):
    """Content, style codes, shares of the experts and coefficients."""
    sizes, noise = meta["cfg"]["CONTENT_ENCODER"], meta["f32_vs_f64"]
    network = StyleTalk(
        width=sizes["d_model"],
        num_heads=sizes["nhead"],
        num_layers=sizes["num_encoder_layers"],
        hidden=sizes["dim_feedforward"],
        embedding_dim=sizes["ph_embed_dim"],
        num_experts=meta["cfg"]["DECODER"]["dynamic_K"],
    )
    if meta["state_dict_stored"]:
        state = parity.state_dict(arrays)
    else:
        rule = dict(meta["weight_rule"])
        rule.pop("skip_note")
        state = weight_rule.from_table(meta["state"], **rule)
    variables = jax.device_put(from_state_dict(state))
    windows, clip, mask = arrays["phoneme_windows"], arrays["style_clip"], ~arrays["style_pad_mask"]
    if "phonemes" in arrays:
        found = phoneme_windows(arrays["phonemes"])
        yield parity.compare("phoneme_windows", found, windows, 1e-9)
    # The file's examples, then the first again: examples must not mix.
    count = len(windows) + 1 if len(windows) > 1 else 1
    inputs = [np.resize(x, (count, *x.shape[1:])) for x in (windows, clip, mask)]

    def run(module, windows, clip, mask):
        style = module.style(clip, mask)
        coefficients = module.coefficients(windows, style)
        return module.content_encoder(windows), style, module.style(clip), coefficients

    @jax.jit
    def forward(variables, *inputs):
        results, state = network.apply(
            *(variables, *inputs),
            method=run,
            capture_intermediates=lambda module, _: module.name == "shares",
            mutable="intermediates",
        )
        upper = state["intermediates"]["upper_decoder"]
        return *results, upper["layer_0"]["dense1"]["shares"]["__call__"][0]

    content, style, unmasked, coefficients, shares = map(np.asarray, forward(variables, *inputs))
    found = {
        "content_slice": (content[..., :: meta["content_stride_last"]], noise["content"]),
        "style_code": (style, noise["style"]),
        "style_code_nomask": (unmasked, noise["style"]),
        "face3d": (coefficients, noise["face3d"]),
        # No noise of its own: that of the style it comes from, at its own size.
        "dyn_attention_upper0": (shares, {**noise["style"], "rms_ref": 1 / shares.shape[-1]}),
    }
    for key, (array, limit) in found.items():
        yield parity.compare(key, array, np.resize(arrays[key], array.shape), limit)
