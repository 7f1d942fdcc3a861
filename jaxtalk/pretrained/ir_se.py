"""Name map of the IR-SE-50 backbone that the public pSp encoder and its ArcFace share."""

from jaxtalk.nn.ir_se import NUM_BLOCKS


def backbone(state):
    """Takes `input_layer.*` and `body.*` out of a `torch_layout.StateDict`.

    Returns:
      (params, batch_stats) of `jaxtalk.nn.ir_se.Backbone`.
    """
    norm, norm_stats = state.batch_norm("input_layer.1")
    params = {
        "stem_conv": state.conv("input_layer.0", bias=False),
        "stem_norm": norm,
        "stem_prelu": {"alpha": state.array("input_layer.2.weight", 1)},
    }
    stats = {"stem_norm": norm_stats}
    for i in range(NUM_BLOCKS):
        params[f"block_{i}"], stats[f"block_{i}"] = _block(state, f"body.{i}")
    return params, stats


def _block(state, name):
    norm1, stats1 = state.batch_norm(f"{name}.res_layer.0")
    norm2, stats2 = state.batch_norm(f"{name}.res_layer.4")
    params = {
        "norm1": norm1,
        "conv1": state.conv(f"{name}.res_layer.1", bias=False),
        "prelu": {"alpha": state.array(f"{name}.res_layer.2.weight", 1)},
        "conv2": state.conv(f"{name}.res_layer.3", bias=False),
        "norm2": norm2,
    }
    stats = {"norm1": stats1, "norm2": stats2}
    if f"{name}.res_layer.5.fc1.weight" in state:
        params["se"] = {
            fc: state.conv1x1(f"{name}.res_layer.5.{fc}", bias=False) for fc in ("fc1", "fc2")
        }
    if f"{name}.shortcut_layer.0.weight" in state:
        params["shortcut_conv"] = state.conv1x1(f"{name}.shortcut_layer.0", bias=False)
        params["shortcut_norm"], stats["shortcut_norm"] = state.batch_norm(
            f"{name}.shortcut_layer.1"
        )
    return params, stats
