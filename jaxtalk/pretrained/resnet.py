"""Names of torchvision's ResNet trunks, which several public networks contain."""

from jaxtalk.nn.resnet import DEPTHS


def trunk(state, prefix, bottleneck):
    """Takes the trunk at `prefix` out of a `torch_layout.StateDict`.

    Returns:
      (params, batch_stats) of `jaxtalk.nn.resnet.Trunk`.
    """
    norm, norm_stats = state.batch_norm(f"{prefix}bn1")
    params = {"stem_conv": state.conv(f"{prefix}conv1", bias=False), "stem_norm": norm}
    stats = {"stem_norm": norm_stats}
    for stage, depth in enumerate(DEPTHS):
        for i in range(depth):
            block = _block(state, f"{prefix}layer{stage + 1}.{i}", bottleneck)
            params[f"block_{stage}_{i}"], stats[f"block_{stage}_{i}"] = block
    return params, stats


def _block(state, name, bottleneck):
    params, stats = {}, {}
    for i in (1, 2, 3) if bottleneck else (1, 2):
        one_pixel = bottleneck and i != 2
        conv = state.conv1x1 if one_pixel else state.conv
        params[f"conv{i}"] = conv(f"{name}.conv{i}", bias=False)
        params[f"norm{i}"], stats[f"norm{i}"] = state.batch_norm(f"{name}.bn{i}")
    if f"{name}.downsample.0.weight" in state:
        params["shortcut_conv"] = state.conv1x1(f"{name}.downsample.0", bias=False)
        params["shortcut_norm"], stats["shortcut_norm"] = state.batch_norm(f"{name}.downsample.1")
    return params, stats
