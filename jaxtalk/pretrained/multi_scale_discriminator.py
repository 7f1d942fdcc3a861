"""Name map of the first-order model's public `MultiScaleDiscriminator`.

Its checkpoints hold it under "discriminator", beside the key-point detector and the generator.
"""

import itertools

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.multi_scale_discriminator import MultiScaleDiscriminator
from jaxtalk.pretrained import parity
from jaxtalk.pretrained.torch_layout import StateDict


def from_state_dict(state):
    """Variables of `jaxtalk.nn.multi_scale_discriminator.MultiScaleDiscriminator`.

    Args:
      state: name -> numpy array, names like "discs.0-5.down_blocks.0.conv.weight_orig".

    Returns:
      {"params"} and, under spectral normalisation, {"batch_stats"}, of float32 arrays.

    Raises:
      UserError: a name is missing or unexpected.
    """
    factors, params, stats = _factors(state), {}, {}
    with StateDict(state) as state:
        for theirs, factor in factors.items():
            for i in itertools.count():
                block = f"{theirs}.down_blocks.{i}"
                if i > 0 and f"{block}.conv.bias" not in state:
                    break
                _conv(state, f"{block}.conv", f"scale_{factor}_conv_{i}", params, stats)
                if i > 0:
                    params[f"scale_{factor}_norm_{i}"] = state.norm(f"{block}.norm")
            _conv(state, f"{theirs}.conv", f"scale_{factor}_logits", params, stats)
    return {"params": params, **({"batch_stats": stats} if stats else {})}


def fields(state):
    """The fields of the module that a state dict is of."""
    factors = _factors(state)
    first = f"{next(iter(factors))}.down_blocks"
    names = [n for n in state if n.startswith(first) and n.endswith(("weight", "weight_orig"))]
    shapes = sorted((n, np.shape(state[n])) for n in names if np.ndim(state[n]) == 4)
    if not shapes:
        raise UserError(f"state dict: {first}.0.conv.weight_orig is missing, expected convolutions")
    widths = [shape[0] for _, shape in shapes]
    return {
        "downscales": tuple(factors.values()),
        "width": widths[0] // 2,
        "max_width": max(widths),
        "num_blocks": len(widths),
        "num_keypoints": shapes[0][1][1] - 3,
        "spectral_norm": shapes[0][0].endswith("orig"),
    }


def _factors(state):
    """Prefix of a scale's names -> factor of its down-sampling, in ascending order."""
    names = {n.split(".")[1] for n in state if n.startswith("discs.") and n.count(".") > 1}
    try:
        scales = {f"discs.{name}": float(name.replace("-", ".")) for name in names}
        factors = {prefix: round(1 / scale) for prefix, scale in scales.items()}
    except (ArithmeticError, ValueError):
        factors = {}
    if not factors or any(factors[p] * scale != 1 for p, scale in scales.items()):
        raise UserError(
            f"state dict: found the scales {', '.join(sorted(names)) or 'none'}, expected names "
            "like discs.1. or discs.0-5. of scales 1, 1/2, 1/4"
        )
    return dict(sorted(factors.items(), key=lambda item: item[1]))


def _conv(state, theirs, ours, params, stats):
    """Adds a convolution, and its singular vectors under spectral normalisation."""
    if f"{theirs}.weight_u" not in state:
        params[ours] = state.conv(theirs)
        return
    kernel = state.array(f"{theirs}.weight_orig", 4)  # [out, in, height, width]
    params[ours] = state.layer(theirs, kernel.transpose(2, 3, 1, 0))
    v = state.array(f"{theirs}.weight_v", 1).reshape(kernel.shape[1:])
    stats[ours] = {"u": state.array(f"{theirs}.weight_u", 1), "v": v.transpose(1, 2, 0).ravel()}


def check(arrays, meta):
    """Feature maps and logits, the images among three and alone."""
    state = parity.state_dict(arrays)
    disc = MultiScaleDiscriminator(**fields(state))
    variables = jax.device_put(from_state_dict(state))
    forward = jax.jit(disc.apply)
    for who, key in (("real", "real_u8_nhwc"), ("gen", "generated_u8_nhwc")):
        inputs = parity.unit_images(arrays[key]), arrays["kp_driving_value"]
        for rows in ([0, 1, 0], [1]):
            found = forward(variables, *(array[rows] for array in inputs))
            for factor, scores in zip(disc.downscales, found):
                yield from _compared(scores, rows, f"{who}/{{}}_{1 / factor:g}", arrays, meta)


def _compared(scores, rows, key, arrays, meta):
    noise = meta["f32_vs_f64"]
    maps = {f"{key.format('feature_maps')}/{i}": x for i, x in enumerate(scores.features)}
    for name, x in {**maps, key.format("prediction_map"): scores.logits}.items():
        stored = next(n for n in arrays if n == name or n.startswith(f"{name}_s"))
        stride = int(stored.rpartition("_s")[2]) if stored != name else 1
        expected = arrays[stored][rows]
        limit = parity.like(noise[name], arrays[stored])
        found = parity.nchw(x, max(1, x.shape[-1] // 16), stride)
        yield parity.compare(f"{name} of {len(rows)}", found, expected, limit)
