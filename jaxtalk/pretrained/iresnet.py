"""Name map of the recognisers of arcface_torch (`iresnet18` to `iresnet200`)."""

import itertools

from jaxtalk.pretrained.torch_layout import StateDict

NUM_STAGES = 4


def from_state_dict(state):
    """Variables of `jaxtalk.nn.iresnet.IResNet` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state)
    params = {
        "stem_conv": state.conv("conv1"),
        "stem_prelu": {"alpha": state.array("prelu.weight", 1)},
    }
    stats = {}
    for ours, name in (("stem_norm", "bn1"), ("norm", "bn2"), ("embedding_norm", "features")):
        params[ours], stats[ours] = state.batch_norm(name)
    params["dense"] = state.dense_of_map("fc", params["norm"]["scale"].size)
    for stage in range(NUM_STAGES):
        for i in itertools.count():
            name = f"layer{stage + 1}.{i}"
            if i and f"{name}.conv1.weight" not in state:
                break
            ours = f"block_{stage}_{i}"
            params[ours], stats[ours] = _block(state, name)
    state.finish()
    return {"params": params, "batch_stats": stats}


def _block(state, name):
    params = {
        "conv1": state.conv(f"{name}.conv1"),
        "prelu": {"alpha": state.array(f"{name}.prelu.weight", 1)},
        "conv2": state.conv(f"{name}.conv2"),
    }
    stats = {}
    for i in (1, 2, 3):
        params[f"norm{i}"], stats[f"norm{i}"] = state.batch_norm(f"{name}.bn{i}")
    if f"{name}.downsample.0.weight" in state:
        params["shortcut_conv"] = state.conv1x1(f"{name}.downsample.0")
        params["shortcut_norm"], stats["shortcut_norm"] = state.batch_norm(f"{name}.downsample.1")
    return params, stats
