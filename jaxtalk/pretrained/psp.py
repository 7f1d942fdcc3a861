"""Name map of the public pSp encoder (`GradualStyleEncoder`)."""

import itertools

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.psp import Encoder
from jaxtalk.pretrained import ir_se, parity, torch_file, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

PREFIX = "encoder."
GROUPS = ("coarse_styles", "middle_styles", "fine_styles")


def read(path):
    """Name -> array of a public checkpoint: its state dict, and "latent_avg" from beside it.

    Raises:
      UserError: see `jaxtalk.pretrained.torch_file.read`.
    """
    tree = torch_file.read(path)
    nested = tree.get("state_dict")
    nested = torch_file.arrays_of(nested) if isinstance(nested, dict) else {}
    return torch_file.arrays_of(tree) | nested


def fields(state):
    """The architecture of a public encoder: fields of `jaxtalk.nn.psp.Encoder`.

    Empty if the state dict is not one of such an encoder, which `from_state_dict` tells.
    """
    own = {n.removeprefix(PREFIX): a for n, a in state.items() if n.startswith(PREFIX)} or state
    depths = [_depth(own, i) for i in range(_count(lambda i: f"styles.{i}.linear.weight" in own))]
    if len(set(depths)) != len(GROUPS) or max(depths) > 8 or "input_layer.0.weight" not in own:
        return {}
    return {
        "num_styles": len(depths),
        "w_dim": max(np.shape(own["styles.0.linear.weight"]), default=0),
        "width": next(iter(np.shape(own["input_layer.0.weight"])), 0),
        "coarse": depths.count(depths[0]),
        "middle": len(depths) - depths.count(depths[-1]),
        "use_se": "body.0.res_layer.5.fc1.weight" in own,
        "image_size": 4 << depths[-1],
    }


def mean_code(state, w_dim):
    """What the encoder's offsets add to, as the generator's variable `w_avg` [w_dim].

    Raises:
      UserError: there is none, or it is not one code for all styles.
    """
    if "latent_avg" not in state:
        raise UserError("checkpoint: 'latent_avg' is missing, to which the encoder's codes add")
    codes = np.asarray(state["latent_avg"], np.float32)
    codes = codes[None] if codes.ndim == 1 else codes
    if codes.ndim != 2 or codes.shape[1] != w_dim or not len(codes) or np.any(codes != codes[0]):
        raise UserError(
            f"checkpoint: 'latent_avg' has shape {codes.shape}, expected one code of {w_dim}"
        )
    return {"moving": {"w_avg": codes[0]}}


def from_state_dict(state):
    """Variables of `jaxtalk.nn.psp.Encoder`.

    Args:
      state: name -> numpy array. Names may begin with "encoder.", as in the public checkpoints
        that hold encoder and decoder in one dict; the names of the other parts are then ignored.

    Returns:
      {"params", "batch_stats"}; the encoder must have as many styles in each group, and SE or not,
      as the state dict.

    Raises:
      UserError: a name is missing or unexpected, or the styles do not form three groups.
    """
    own = {n.removeprefix(PREFIX): a for n, a in state.items() if n.startswith(PREFIX)}
    with StateDict(own or state) as state:
        backbone, stats = ir_se.backbone(state)
        params = {
            "backbone": backbone,
            "lateral1": state.conv1x1("latlayer1"),
            "lateral2": state.conv1x1("latlayer2"),
        }
        num_styles = _count(lambda i: f"styles.{i}.linear.weight" in state)
        depths = [_depth(state, i) for i in range(num_styles)]
        groups = [
            list(group) for _, group in itertools.groupby(range(num_styles), depths.__getitem__)
        ]
        if len(groups) != len(GROUPS):
            raise UserError(
                f"state dict: styles have {depths} layers, expected three groups of styles"
            )
        for name, group in zip(GROUPS, groups):
            params[name] = _map2style(state, group, depths[group[0]])
    return {"params": params, "batch_stats": {"backbone": stats}}


def _count(exists):
    return next(i for i in itertools.count() if not exists(i))


def _depth(state, style):
    # Every second module of a tower is an activation.
    return _count(lambda i: f"styles.{style}.convs.{2 * i}.weight" in state)


def _map2style(state, styles, depth):
    """The towers of one group, stacked along a new first axis."""

    def stack(layers):
        return {key: np.stack([layer[key] for layer in layers]) for key in layers[0]}

    params = {}
    for i in range(depth):
        layer = stack([state.conv(f"styles.{s}.convs.{2 * i}") for s in styles])
        params[f"kernel_{i}"], params[f"bias_{i}"] = layer["kernel"], layer["bias"]
    linear = [state.array(f"styles.{s}.linear.weight", 2).T for s in styles]
    params["linear_kernel"] = np.stack(linear)
    params["linear_bias"] = np.stack([state.array(f"styles.{s}.linear.bias", 1) for s in styles])
    return params


def check(arrays, meta):
    """Codes and the backbone's and pyramid's maps; the towers of the styles run as one."""
    state = weight_rule.from_meta(meta)
    module, noise = Encoder(**fields(state)), meta["f32_vs_f64"]
    variables = jax.device_put(from_state_dict(state))
    image = parity.images(arrays["img_u8_nhwc"])
    # With another image between two of the same: examples must not mix.
    batch = np.concatenate([image, image[:, ::-1], image]) if module.use_se else image

    @jax.jit
    def forward(variables, batch):
        codes, state = module.apply(
            variables, batch, capture_intermediates=True, mutable="intermediates"
        )
        return codes, state["intermediates"]

    codes, maps = forward(variables, batch)
    for i in range(0, len(batch), 2):
        yield parity.compare(f"codes {i}", codes[i : i + 1], arrays["out"], noise["out"])
    special = {
        "input_layer": ("backbone", "stem_prelu"),
        "latlayer1": ("lateral1",),
        "latlayer2": ("lateral2",),
    }
    for layer, (cs, s) in meta["act_strides_channel_spatial"].items():
        if not layer.startswith("styles."):
            value = maps
            for key in special.get(layer, ("backbone", layer.replace("body.", "block_"))):
                value = value[key]
            value = parity.nchw(value["__call__"][0])[:1, ::cs, ::s, ::s]
            yield parity.compare(layer, value, arrays[f"act/{layer}"], noise["acts"][layer])
