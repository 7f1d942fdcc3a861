"""Random weights of wide networks, made anew from a seed instead of being stored.

Golden files of wide networks hold the shapes of the reference's state dict, the seed and checksums.
The rule draws from one generator over the sorted names; see the docstring of `weights`.
"""

import hashlib

import numpy as np

from jaxtalk.core.errors import UserError


def weights(shapes, seed, gain=1.0, skip=(), unit_suffixes=()):
    """State dict name -> float32 array.

    Per name, with z standard normal: running variances exp(0.2 z); running means, biases and other
    1-D arrays 0.1 z; scales of norms 1 + 0.1 z, slopes of PReLUs (no bias beside them)
    0.25 + 0.05 z; kernels gain * z / sqrt(fan in), or z where the name ends in one of
    `unit_suffixes`. Names in `skip` are left out and draw nothing.
    """
    rng = np.random.default_rng(seed)
    names = sorted(set(shapes) - set(skip))
    state = {}
    for name in names:
        shape = tuple(shapes[name])
        stem, _, leaf = name.rpartition(".")
        if leaf == "num_batches_tracked":
            state[name] = np.zeros(shape, np.int64)
            continue
        z = rng.standard_normal(shape)
        one_axis = int(np.prod(shape)) == max(shape, default=1)
        if leaf == "running_var":
            value = np.exp(0.2 * z)
        elif leaf == "running_mean":
            value = 0.1 * z
        elif leaf == "weight" and one_axis:
            value = 1 + 0.1 * z if f"{stem}.bias" in names else 0.25 + 0.05 * z
        elif len(shape) >= 2 and "bias" not in leaf:
            unit = bool(unit_suffixes) and name.endswith(tuple(unit_suffixes))
            value = z if unit else gain * z / np.sqrt(np.prod(shape[1:]))
        else:
            value = 0.1 * z
        state[name] = np.asarray(value, np.float32)
    return state


def from_meta(meta):
    """The state dict of a golden file's json, checked against the checksum it holds.

    Raises:
      UserError: the rule does not give these weights.
    """
    table = meta["state"]["tensors_[shape,dtype,sum]"]
    rule = meta["weight_rule"]
    state = weights(
        {name: shape for name, (shape, _, _) in table.items()},
        rule["seed"],
        rule["gain"],
        unit_suffixes=rule.get("unit_suffixes", ()),
    )
    found, expected = checksum(state), meta["state"]["sha256_sorted_name_then_bytes"]
    if found != expected:
        raise UserError(
            f"weight_rule: found weights of SHA-256 {found[:12]}..., expected {expected[:12]}...; "
            "has the file been changed?"
        )
    return state


def from_table(table, seed, gain=1.0, skip=(), unit_suffixes=()):
    """The state dict of an entry "state" of a json, checked by the sums of its arrays.

    For golden files whose checksum covers arrays that the rule skips.

    Raises:
      UserError: the rule does not give these weights.
    """
    table = table["tensors_[shape,dtype,sum]"]
    shapes = {name: shape for name, (shape, *_) in table.items()}
    state = weights(shapes, seed, gain, skip, unit_suffixes)
    for name, array in state.items():
        found, expected = array.sum(dtype=np.float64), table[name][2]
        if not abs(found - expected) < 1e-4:
            raise UserError(
                f"weight_rule: {name}: found a sum of {found:.6g}, expected {expected:.6g}; has "
                "the file been changed?"
            )
    return state


def checksum(state):
    """SHA-256 over each name in sorted order and its array's bytes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(state[name]).data)
    return digest.hexdigest()
