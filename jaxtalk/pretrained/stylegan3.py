"""Names of the public StyleGAN3 generators -> variables of `jaxtalk.nn.stylegan3.Generator`."""

import re

from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict


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
