"""jaxtalk: a photograph and a speech recording in, a talking head out; in JAX and Flax."""

import importlib


def __getattr__(name):
    """`jaxtalk.Talker`, imported on first use: reading media files must not start JAX."""
    if name == "Talker":
        return importlib.import_module("jaxtalk.talker").Talker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
