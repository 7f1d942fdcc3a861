"""Configs as plain values, and what differs between two of them."""

import json

from ml_collections import ConfigDict

# Values of a stage that a run may change without becoming another one.
FREE_KEYS = (
    "log_every",
    "checkpoint_every",
    "eval_every",
    "alarm_step",
    "preview_every",
    "num_eval_batches",
    "num_steps",
)
_ABSENT = "nothing"


def to_json(config):
    """ConfigDict or dict -> plain values as JSON knows them (a tuple becomes a list)."""
    values = config.to_dict() if isinstance(config, ConfigDict) else config
    return json.loads(json.dumps(values))


def from_json(values):
    """Plain values -> ConfigDict; lists become tuples, which linen modules can hash."""

    def freeze(value):
        if isinstance(value, list):
            return tuple(freeze(v) for v in value)
        if isinstance(value, dict):
            return {k: freeze(v) for k, v in value.items()}
        return value

    return ConfigDict(freeze(values))


def flatten(tree, prefix=""):
    """Nested dicts -> {"a.b.c": value}."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differences(found, expected):
    """Two trees of plain values -> ["key: found a, expected b", ...], sorted by key."""
    found, expected = flatten(found), flatten(expected)
    return [
        f"{key}: found {found.get(key, _ABSENT)!r}, expected {expected.get(key, _ABSENT)!r}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key, _ABSENT) != expected.get(key, _ABSENT)
    ]


def run_values(config, stage_name):
    """The values of a recipe that make a run of one stage what it is."""
    plain = to_json(config)
    stage = {k: v for k, v in plain.get(stage_name, {}).items() if k not in FREE_KEYS}
    return {
        "seed": plain.get("seed"),
        "dataset": {"name": plain.get("dataset", {}).get("name")},
        stage_name: stage,
    }


def shorten(lines, limit=3):
    """The first lines in one, and how many more there are."""
    more = f"; and {len(lines) - limit} more" if len(lines) > limit else ""
    return "; ".join(lines[:limit]) + more
