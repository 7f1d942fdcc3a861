"""Name maps of the public first-order models (`KPDetector`, `OcclusionAwareGenerator`).

Their checkpoints hold a dict each under "kp_detector" and "generator"; those of AVCT do too.
"""

import itertools

from jaxtalk.pretrained.torch_layout import StateDict

# The Gaussian of the down-sampling is a constant here.
IGNORED = ("num_batches_tracked", "down.weight")


def keypoint_detector_from_state_dict(state):
    """Variables of `jaxtalk.nn.keypoint_detector.KeypointDetector`.

    Args:
      state: name -> numpy array, names like "predictor.encoder.down_blocks.0.conv.weight".

    Returns:
      {"params", "batch_stats"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state, IGNORED)
    hourglass, stats = _hourglass(state, "predictor")
    params = {
        "hourglass": hourglass,
        "heatmap": state.conv("kp"),
        "jacobian": state.conv("jacobian"),
    }
    state.finish()
    return {"params": params, "batch_stats": {"hourglass": stats}}


def generator_from_state_dict(state):
    """Variables of `jaxtalk.nn.first_order.Generator`.

    Args:
      state: name -> numpy array, names like "dense_motion_network.mask.weight".

    Returns:
      {"params", "batch_stats"} of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state, IGNORED)
    motion = "dense_motion_network"
    hourglass, hourglass_stats = _hourglass(state, f"{motion}.hourglass")
    params = {
        "dense_motion": {
            "hourglass": hourglass,
            "mask": state.conv(f"{motion}.mask"),
            "occlusion": state.conv(f"{motion}.occlusion"),
        },
        "final": state.conv("final"),
    }
    stats = {"dense_motion": {"hourglass": hourglass_stats}}
    params["first"], stats["first"] = _block(state, "first")
    for ours, theirs in (("down", "down_blocks"), ("up", "up_blocks")):
        _blocks(state, ours, theirs, params, stats)
    for i in itertools.count():
        theirs, ours = f"bottleneck.r{i}", f"bottleneck_{i}"
        if f"{theirs}.conv1.weight" not in state:
            break
        params[ours] = {conv: state.conv(f"{theirs}.{conv}") for conv in ("conv1", "conv2")}
        stats[ours] = {}
        for norm in ("norm1", "norm2"):
            params[ours][norm], stats[ours][norm] = state.batch_norm(f"{theirs}.{norm}")
    state.finish()
    return {"params": params, "batch_stats": stats}


def _hourglass(state, name):
    params, stats = {}, {}
    _blocks(state, "down", f"{name}.encoder.down_blocks", params, stats)
    _blocks(state, "up", f"{name}.decoder.up_blocks", params, stats)
    return params, stats


def _blocks(state, ours, theirs, params, stats):
    """Adds all blocks of a list to the two dicts."""
    for i in itertools.count():
        if f"{theirs}.{i}.conv.weight" not in state:
            break
        params[f"{ours}_{i}"], stats[f"{ours}_{i}"] = _block(state, f"{theirs}.{i}")


def _block(state, name):
    norm, stats = state.batch_norm(f"{name}.norm")
    return {"conv": state.conv(f"{name}.conv"), "norm": norm}, {"norm": stats}
