"""Name map of the public PIRenderer (`FaceGenerator`), also StyleTalk's renderer."""

import itertools
import re

import jax
import numpy as np

from jaxtalk.nn.pirenderer import FaceRenderer
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

# The first convolution and norm of the editing network's residual blocks have no effect.
UNUSED = re.compile(r"editing_net\.decoder\.res\d+\.res\d+\.(conv|norm)1\.")


def from_state_dict(state):
    """Variables of `jaxtalk.nn.pirenderer.FaceRenderer`.

    Args:
      state: name -> numpy array, names like "warpping_net.flow_out.2.weight"; the public
        checkpoints hold them under "net_G_ema".

    Returns:
      {"params"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(
        {name: array for name, array in state.items() if not UNUSED.match(name)}
    ) as state:
        params = {
            "mapping": _mapping(state, "mapping_net"),
            "warping": _warping(state, "warpping_net"),
            "editing": _editing(state, "editing_net"),
        }
    return {"params": params}


def _count(state, name):
    """Number of consecutive names, where `name` has {} in place of the index."""
    return next(i for i in itertools.count() if name.format(i) not in state)


def _temporal(state, name):
    return state.layer(name, state.array(f"{name}.weight", 3).transpose(2, 1, 0))


def _adain(state, name):
    layers = {"shared": "mlp_shared.0", "gamma": "mlp_gamma", "beta": "mlp_beta"}
    return {ours: state.dense(f"{name}.{theirs}") for ours, theirs in layers.items()}


def _conv_norm(state, name):
    return {"conv": state.conv(f"{name}.model.0"), "norm": state.norm(f"{name}.model.1", 3)}


def _mapping(state, name):
    params = {"first": _temporal(state, f"{name}.first.0")}
    for i in range(_count(state, name + ".encoder{}.1.weight")):
        params[f"layer_{i}"] = _temporal(state, f"{name}.encoder{i}.1")
    return params


def _warping(state, name):
    encoder, decoder = f"{name}.hourglass.encoder", f"{name}.hourglass.decoder"
    params = {
        "first": state.conv(f"{encoder}.input_layer"),
        "norm": state.norm(f"{name}.flow_out.0", 3),
        "flow": state.conv(f"{name}.flow_out.2"),
    }
    num_down = _count(state, encoder + ".encoder{}.conv_0.weight")
    for i in range(num_down):
        block = f"{encoder}.encoder{i}"
        params[f"down_{i}"] = {
            **{norm: _adain(state, f"{block}.{norm}") for norm in ("norm_0", "norm_1")},
            **{conv: state.conv(f"{block}.{conv}") for conv in ("conv_0", "conv_1")},
        }
    # The decoder's blocks are numbered by their level; the first has the highest.
    for i in range(num_down):
        block = f"{decoder}.decoder{num_down - 1 - i}"
        if f"{block}.conv_0.weight" not in state:
            break
        params[f"up_{i}"] = {
            **{norm: _adain(state, f"{block}.{norm}") for norm in ("norm_0", "norm_1", "norm_s")},
            "conv_0": state.conv(f"{block}.conv_0"),
            **{conv: state.conv_transposed(f"{block}.{conv}") for conv in ("conv_1", "conv_s")},
        }
    return params


def _editing(state, name):
    encoder, decoder = f"{name}.encoder", f"{name}.decoder"
    params = {
        "first": _conv_norm(state, f"{encoder}.first"),
        "final": state.conv(f"{decoder}.final.model.0"),
    }
    num_levels = _count(state, encoder + ".down{}.model.0.weight")
    for i in range(num_levels):
        level = num_levels - 1 - i
        params[f"down_{i}"] = _conv_norm(state, f"{encoder}.down{i}")
        for ours in ("up", "jump"):
            params[f"{ours}_{i}"] = _conv_norm(state, f"{decoder}.{ours}{level}")
        for j in range(_count(state, f"{decoder}.res{level}.res{{}}.conv2.weight")):
            block = f"{decoder}.res{level}.res{j}"
            params[f"residual_{i}_{j}_conv"] = state.conv(f"{block}.conv2")
            params[f"residual_{i}_{j}_norm"] = _adain(state, f"{block}.norm2")
    return params


def check(arrays, meta):
    """Flow, warped and final image; where weights are narrow, twice with another one between."""
    sizes, noise = meta["config"], meta["f32_vs_f64"]
    renderer = FaceRenderer(
        descriptor_dim=sizes["common"]["descriptor_nc"],
        warp_width=sizes["warpping_net"]["base_nc"],
        edit_width=sizes["editing_net"]["base_nc"],
        max_width=sizes["common"]["max_nc"],
    )
    narrow = meta["state_dict_stored"]
    state = parity.state_dict(arrays) if narrow else weight_rule.from_meta(meta)
    variables = jax.device_put(from_state_dict(state))
    inputs = [parity.images(arrays["img_u8_nhwc"]), arrays["coeff"].transpose(0, 2, 1)]
    if narrow:
        inputs = [np.concatenate([x, x[:, ::-1], x]) for x in inputs]

    @jax.jit
    def forward(variables, images, coefficients):
        rendered, state = renderer.apply(
            *(variables, images, coefficients),
            capture_intermediates=lambda module, _: module.name in ("mapping", "final"),
            mutable="intermediates",
        )
        layers = state["intermediates"]
        aligned = renderer.clone(align_corners=True).apply(variables, images, coefficients)
        (descriptor,), (logits,) = (
            layers["mapping"]["__call__"],
            layers["editing"]["final"]["__call__"],
        )
        return rendered, descriptor, logits, aligned.warped

    rendered, descriptor, logits, aligned = forward(variables, *inputs)
    found = {
        "flow_field": (parity.nchw(rendered.flow), "flow_field"),
        "warp_image_s2": (parity.nchw(rendered.warped, 1, 2), "warp_image"),
        "fake_image_s2": (parity.nchw(rendered.image, 1, 2), "fake_image"),
        "warp_image_aligncornersTrue_s4": (parity.nchw(aligned, 1, 4), "warp_image"),
        # Neither has a noise of its own: the descriptor the flow's, the logits the image's.
        "descriptor": (np.asarray(descriptor), "flow_field"),
        "fake_pre_tanh_s4": (parity.nchw(logits, 1, 4), "fake_image"),
    }
    for key, (array, name) in found.items():
        if key in arrays:
            own = key.startswith(name)
            limit = noise[name] if own else parity.like(noise[name], arrays[key])
            for row in range(0, len(array), 2):
                yield parity.compare(f"{key} {row}", array[row : row + 1], arrays[key], limit)
