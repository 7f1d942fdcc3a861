"""Names of the public StyleGAN2 discriminators -> variables of `jaxtalk.nn.stylegan2`."""

import re

from jaxtalk.pretrained.mapping import dense, mapping
from jaxtalk.pretrained.torch_layout import StateDict


def discriminator_from_state_dict(state):
    """Variables of a `Discriminator`, from a public one of architecture "resnet".

    Args:
      state: name -> array, names like "b64.conv0.weight". The resampling filters are not used:
        all are the same constant.

    Returns:
      {"params": ...} of float32 arrays.

    Raises:
      UserError: an array is missing or superfluous.
    """
    with StateDict(state, ignore=("resample_filter",)) as source:
        sizes = [
            int(match[1])
            for match in (re.match(r"b(\d+)\.skip\.weight", n) for n in state)
            if match
        ]
        params = {"from_rgb": source.conv(f"b{max(sizes, default=8)}.fromrgb")}
        for size in sizes:
            params[f"block{size}"] = {
                name: source.conv(f"b{size}.{name}", bias=name != "skip")
                for name in ("conv0", "conv1", "skip")
            }
        params["conv"] = source.conv("b4.conv")
        params["fc"] = dense(source, "b4.fc")
        # It reads the image as [C, 4, 4], ours as [4, 4, C].
        kernel = params["fc"]["kernel"].reshape(-1, 4, 4, params["fc"]["kernel"].shape[-1])
        params["fc"]["kernel"] = kernel.transpose(1, 2, 0, 3).reshape(-1, kernel.shape[-1])
        params["out"] = dense(source, "b4.out")
        if labels := mapping(source):
            params["label_mapping"] = labels
    return {"params": params}
