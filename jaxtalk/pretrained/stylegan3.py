"""Names of the public StyleGAN3 generators -> variables of `jaxtalk.nn.stylegan3.Generator`."""

import dataclasses
import re

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict

# Argument of the reference -> our field, and the values that a network may have.
_FIELDS = {
    "img_resolution": ("resolution", 16, 4096),
    "img_channels": ("image_channels", 1, 4),
    "z_dim": ("z_dim", 1, 8192),
    "c_dim": ("c_dim", 0, 8192),
    "w_dim": ("w_dim", 1, 8192),
    "channel_base": ("channel_base", 1, 1 << 20),
    "channel_max": ("channel_max", 1, 8192),
    "num_layers": ("num_layers", 3, 64),
    "num_critical": ("num_critical", 0, 16),
    "first_cutoff": ("first_cutoff", 0.5, 64),
    "first_stopband": ("first_stopband", 0.5, 64),
    "last_stopband_rel": ("last_stopband_ratio", 1, 4),
    "margin_size": ("margin_size", 0, 64),
    "output_scale": ("output_scale", 1e-6, 1e6),
    "filter_size": ("filter_size", 1, 8),
    "lrelu_upsampling": ("lrelu_upsampling", 1, 4),
    "conv_clamp": ("conv_clamp", 1e-6, 1e6),
}
_OF_TRAINING = ("num_fp16_res", "magnitude_ema_beta")
_CONFIGS = {(3, False): "t", (1, True): "r"}  # (conv_kernel, use_radial_filters)


def fields(arguments):
    """The architecture of a public generator: fields of `Generator`, those of training left out.

    Args:
      arguments: the keyword arguments that it was made with, by the reference's names.

    Raises:
      UserError: it has arguments or values for which there is no such generator.
    """
    rest = {name: value for name, value in arguments.items() if name not in _OF_TRAINING}
    defaults = {field.name: field.default for field in dataclasses.fields(Generator)}
    found = {}
    for name, (field, low, high) in _FIELDS.items():
        found[field] = value = rest.pop(name, defaults[field])
        if type(value) not in (int, float) or not low <= value <= high:
            raise UserError(f"generator: {name} is {value!r:.50}, expected {low} to {high}")
        if type(defaults[field]) is int and type(value) is float:
            raise UserError(f"generator: {name} is {value!r}, expected a whole number")
    if found["num_critical"] >= found["num_layers"]:
        raise UserError(f"generator: all of its {found['num_layers']} layers are critical")
    kernel, radial = rest.pop("conv_kernel", 3), rest.pop("use_radial_filters", False)
    if [kernel, radial] not in [list(pair) for pair in _CONFIGS]:
        raise UserError("generator: neither configuration T nor R")
    found["config"] = _CONFIGS[kernel, radial]
    of_mapping = rest.pop("mapping_kwargs", {})
    of_mapping = dict(of_mapping) if type(of_mapping) is dict else {"": None}
    found["mapping_layers"] = layers = of_mapping.pop("num_layers", defaults["mapping_layers"])
    if type(layers) is not int or not 1 <= layers <= 32:
        raise UserError(f"generator: the mapping has {layers!r:.50} layers, expected 1 to 32")
    rest |= {f"mapping_kwargs.{name}": value for name, value in of_mapping.items()}
    if rest:
        raise UserError(
            f"generator: made with {min(rest)!r:.50}, which StyleGAN3 does not have; is it another "
            "network?"
        )
    return found


def from_state_dict(state):
    """Variables of a `Generator`.

    Args:
      state: name -> array, names like "synthesis.L3_52_512.affine.weight". The stored filters are
        not used: the generator designs the same from its fields.

    Returns:
      {"params": ..., "moving": ...} of float32 arrays.

    Raises:
      UserError: an array is missing or superfluous.
    """
    matches = (re.match(r"(synthesis\.L(\d+)_\d+_\d+)\.weight", name) for name in state)
    layers = {int(match[2]): match[1] for match in matches if match}
    source = StateDict(state, ignore=("up_filter", "down_filter"))
    fourier = "synthesis.input"
    params = {
        "mapping_network": mapping(source),
        "fourier_input": {
            "affine": dense(source, f"{fourier}.affine"),
            "kernel": source.array(f"{fourier}.weight", 2).T,
        },
    }
    moving = {
        "w_avg": source.array("mapping.w_avg", 1),
        "fourier_input": {
            "frequencies": source.array(f"{fourier}.freqs", 2),
            "phases": source.array(f"{fourier}.phases", 1),
            "transform": source.array(f"{fourier}.transform", 2),
        },
    }
    for index, name in layers.items():
        affine = dense(source, f"{name}.affine")
        params[f"layers_{index}"] = {"affine": affine, **source.conv(name)}
        moving[f"layers_{index}"] = {"magnitude": source.array(f"{name}.magnitude_ema", 0)}
    source.finish()
    return {"params": params, "moving": moving}
