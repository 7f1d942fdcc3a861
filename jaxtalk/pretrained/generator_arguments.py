"""Keyword arguments of NVIDIA's generators -> fields of ours, each value checked."""

import dataclasses

from jaxtalk.core.errors import UserError, shortened

# Argument -> our field, and the values that a network may have.
COMMON = {
    "img_channels": ("image_channels", 1, 4),
    "z_dim": ("z_dim", 1, 2048),
    "c_dim": ("c_dim", 0, 8192),
    "w_dim": ("w_dim", 1, 2048),
    "channel_base": ("channel_base", 1, 1 << 18),
    "channel_max": ("channel_max", 1, 4096),
    "conv_clamp": ("conv_clamp", 1e-6, 1e6),
}
_OF_MAPPING = {
    "mapping_kwargs.num_layers": ("mapping_layers", 1, 32),
    "mapping_kwargs.w_avg_beta": ("w_avg_beta", 0, 1),
}
_MAY_BE_NONE = ("conv_clamp",)


def take(rest, table, module):
    """Takes arguments out of `rest`; those that are missing have the default of our field.

    Args:
      rest: name -> value, from which those of `table` and "mapping_kwargs" are removed; what
        remains of the latter comes back into it as "mapping_kwargs.<name>".
      table: argument -> (field, lowest value, highest value).
      module: the linen module with these fields, `mapping_layers` and `w_avg_beta`.

    Returns:
      field -> value.

    Raises:
      UserError: a value is none that such a network may have.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(module)}
    of_mapping = rest.pop("mapping_kwargs", {})
    if type(of_mapping) is not dict:
        raise UserError(f"generator: mapping_kwargs is {of_mapping!r:.50}, expected a dict")
    rest |= {f"mapping_kwargs.{name}": value for name, value in of_mapping.items()}
    found = {}
    for name, (field, low, high) in {**table, **_OF_MAPPING}.items():
        found[field] = value = rest.pop(name, defaults[field])
        if value is None and name in _MAY_BE_NONE:
            continue
        if type(value) not in (int, float) or not low <= value <= high:
            raise UserError(f"generator: {name} is {value!r:.50}, expected {low} to {high}")
        if type(defaults[field]) is int and type(value) is float:
            raise UserError(f"generator: {name} is {value!r}, expected a whole number")
    fixed(rest, "mapping_kwargs.activation", "lrelu")
    fixed(rest, "mapping_kwargs.lr_multiplier", 0.01)
    for name in ("embed_features", "layer_features"):
        fixed(rest, f"mapping_kwargs.{name}", found["w_dim"], None)
    return found


def fixed(rest, name, *values):
    """Takes an argument out of `rest` for which our networks have nothing but these values.

    Raises:
      UserError: it has another value.
    """
    value = rest.pop(name, values[0])
    if value not in values:
        raise UserError(f"generator: {name} is {value!r:.50}, expected {values[0]!r}")


def finish(rest, network):
    """Raises UserError if an argument is left, which the network of that name does not have."""
    if rest:
        name = min(rest)
        raise UserError(
            f"generator: made with {shortened(name)!r}, {rest[name]!r:.50}, which {network} does "
            "not have; is it another network?"
        )
