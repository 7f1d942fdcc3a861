"""Keyword arguments of NVIDIA's generators -> fields of ours, each value checked."""

import dataclasses

from jaxtalk.core.errors import UserError

# Argument -> our field, and the values that a network may have.
COMMON = {
    "img_channels": ("image_channels", 1, 4),
    "z_dim": ("z_dim", 1, 8192),
    "c_dim": ("c_dim", 0, 8192),
    "w_dim": ("w_dim", 1, 8192),
    "channel_base": ("channel_base", 1, 1 << 20),
    "channel_max": ("channel_max", 1, 8192),
    "conv_clamp": ("conv_clamp", 1e-6, 1e6),
}
MAX_MAPPING_LAYERS = 32


def take(rest, table, module):
    """Takes arguments out of `rest`; those that are missing have the default of our field.

    Args:
      rest: name -> value, from which those of `table` and "mapping_kwargs" are removed; what
        remains of the latter comes back into it as "mapping_kwargs.<name>".
      table: argument -> (field, lowest value, highest value).
      module: the linen module with these fields and `mapping_layers`.

    Returns:
      field -> value.

    Raises:
      UserError: a value is none that such a network may have.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(module)}
    found = {}
    for name, (field, low, high) in table.items():
        found[field] = value = rest.pop(name, defaults[field])
        if value is None and defaults[field] is None:
            continue
        if type(value) not in (int, float) or not low <= value <= high:
            raise UserError(f"generator: {name} is {value!r:.50}, expected {low} to {high}")
        if type(defaults[field]) is int and type(value) is float:
            raise UserError(f"generator: {name} is {value!r}, expected a whole number")
    of_mapping = rest.pop("mapping_kwargs", {})
    of_mapping = dict(of_mapping) if type(of_mapping) is dict else {"": None}
    found["mapping_layers"] = layers = of_mapping.pop("num_layers", defaults["mapping_layers"])
    if type(layers) is not int or not 1 <= layers <= MAX_MAPPING_LAYERS:
        raise UserError(
            f"generator: the mapping has {layers!r:.50} layers, expected 1 to {MAX_MAPPING_LAYERS}"
        )
    rest |= {f"mapping_kwargs.{name}": value for name, value in of_mapping.items()}
    return found


def finish(rest, network):
    """Raises UserError if an argument is left, which the network of that name does not have."""
    if rest:
        raise UserError(
            f"generator: made with {min(rest)!r:.50}, which {network} does not have; is it another "
            "network?"
        )
