"""Name maps of what all StyleGANs share: dense layers and the mapping network."""

import itertools


def dense(source, name):
    """Parameters of `jaxtalk.nn.mapping.EqualizedDense`, taken from a `StateDict`."""
    return {
        "kernel": source.array(f"{name}.weight", 2).T,
        "bias": source.array(f"{name}.bias", 1),
    }


def mapping(source):
    """Parameters of `jaxtalk.nn.mapping.Mapping`, taken from a `StateDict`."""
    layers = itertools.takewhile(
        lambda name: f"mapping.{name}.weight" in source, (f"fc{i}" for i in itertools.count())
    )
    embed = ["embed"] if "mapping.embed.weight" in source else []
    return {name: dense(source, f"mapping.{name}") for name in [*embed, *layers]}
