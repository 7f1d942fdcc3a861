"""Names of the public StyleGAN2 generators -> variables of `jaxtalk.nn.stylegan2_generator`."""

import re

import numpy as np

from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict


def from_state_dict(state):
    """Variables of a `Generator`, from a public one of architecture "skip".

    Args:
      state: name -> array, names like "synthesis.b64.conv0.affine.weight". The resampling filters
        are not used: all are the same constant.

    Returns:
      {"params": ..., "moving": ...} of float32 arrays.

    Raises:
      UserError: an array is missing or superfluous.
    """
    matches = (re.match(r"synthesis\.b(\d+)\.torgb\.weight", name) for name in state)
    sizes = sorted({int(match[1]) for match in matches if match} | {4})
    source = StateDict(state, ignore=("resample_filter",))
    params = {"mapping_network": mapping(source)}
    moving = {"w_avg": source.array("mapping.w_avg", 1)}
    for index, size in enumerate(sizes):
        name = f"synthesis.b{size}"
        block, drawn = {}, {}
        if size == 4:
            constant = source.array(f"{name}.const", 3).transpose(1, 2, 0)
            block["constant"] = np.ascontiguousarray(constant)
        for layer in ("conv0", "conv1")[size == 4 :]:
            block[layer] = {
                **source.conv(f"{name}.{layer}"),
                "affine": dense(source, f"{name}.{layer}.affine"),
                "noise_strength": source.array(f"{name}.{layer}.noise_strength", 0),
            }
            drawn[layer] = {"noise": source.array(f"{name}.{layer}.noise_const", 2)}
        affine = dense(source, f"{name}.torgb.affine")
        block["to_rgb"] = {**source.conv(f"{name}.torgb"), "affine": affine}
        params[f"blocks_{index}"], moving[f"blocks_{index}"] = block, drawn
    source.finish()
    return {"params": params, "moving": moving}
