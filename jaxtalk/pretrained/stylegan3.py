"""Names of the public StyleGAN3 generators -> variables of `jaxtalk.nn.stylegan3.Generator`."""

import re

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.nn.stylegan3_layers import layer_specs
from jaxtalk.pretrained import parity
from jaxtalk.pretrained.generator_arguments import COMMON, finish, take
from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict

_FIELDS = {
    **COMMON,
    "img_resolution": ("resolution", 16, 2048),
    "num_layers": ("num_layers", 3, 20),
    "num_critical": ("num_critical", 0, 8),
    "first_cutoff": ("first_cutoff", 1, 4),
    "first_stopband": ("first_stopband", 2, 8),
    "last_stopband_rel": ("last_stopband_ratio", 1, 2),
    "margin_size": ("margin_size", 0, 20),
    "output_scale": ("output_scale", 1e-6, 1e6),
    "filter_size": ("filter_size", 1, 8),
    "lrelu_upsampling": ("lrelu_upsampling", 2, 2),
}
_MAX_UP = 4  # in public networks; the time that it takes to build a layer is its square
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
    found = take(rest, _FIELDS, Generator)
    if found["num_critical"] >= found["num_layers"]:
        raise UserError(f"generator: all of its {found['num_layers']} layers are critical")
    kernel, radial = rest.pop("conv_kernel", 3), rest.pop("use_radial_filters", False)
    if [kernel, radial] not in [list(pair) for pair in _CONFIGS]:
        raise UserError("generator: neither configuration T nor R")
    found["config"] = _CONFIGS[kernel, radial]
    finish(rest, "StyleGAN3")
    up = max(spec.up for spec in layer_specs(Generator(**found)))
    if up > _MAX_UP:
        raise UserError(
            f"generator: its {found['num_layers']} layers up-sample by {up}, expected {_MAX_UP} at "
            "most; is it another network?"
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
    with StateDict(state, ignore=("up_filter", "down_filter")) as source:
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
    return {"params": params, "moving": moving}


def check(arrays, meta):
    """Style codes, truncated ones, every layer's output and the images."""
    generator = Generator(**fields(meta["kwargs"]))
    variables = from_state_dict(parity.state_dict(arrays))
    noise, c = meta["f32_vs_f64"], arrays.get("c")

    def mapping(**values):
        return np.asarray(generator.apply(variables, arrays["z"], c, method="mapping", **values))

    w = mapping()
    expected = np.repeat(arrays["w_mapped_psi1"][:, None], meta["num_ws"], 1)
    yield parity.compare("w", w, expected, noise["w_trunc"])
    truncated = mapping(
        truncation_psi=meta["truncation_psi"], truncation_cutoff=meta["truncation_cutoff"]
    )
    columns = truncated[:, meta["ws_truncated_columns"]]
    yield parity.compare("w truncated", columns, arrays["ws_truncated"], noise["w_trunc"])

    synthesize = jax.jit(
        lambda variables, ws: generator.apply(
            variables, ws, method="synthesis", capture_intermediates=True
        )
    )
    # Three styles at once also show that images do not mix.
    result, state = synthesize(variables, np.concatenate([arrays["ws"], truncated, arrays["ws"]]))
    expected, stride = parity.thinned(arrays, "img")
    found = parity.nchw(result, 1, stride)[::2]
    yield parity.compare("image", found, expected.repeat(2, 0), noise["img"])
    thin = parity.nchw(result)[1:2, :, ::4, ::4]
    yield parity.compare(
        "image truncated", thin, arrays["img_from_z_truncated_stride4"], noise["img"]
    )
    for index, (layer, stride) in enumerate(meta["act_strides"].items()):
        ours = "fourier_input" if layer == "input" else f"layers_{index - 1}"
        (found,) = state["intermediates"][ours]["__call__"]
        found = parity.nchw(found)[:1, :, ::stride, ::stride]
        yield parity.compare(layer, found, arrays[f"act/{layer}"], noise["acts"][layer])
