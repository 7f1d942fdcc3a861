"""Numbers of reference networks, kept in tests/golden."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden"


def load(name):
    """(arrays, meta): the npz as a dict, and the json that explains it."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, json.loads((FOLDER / f"{name}.json").read_text())


def images(array):
    """uint8 -> float32 [-1, 1], as the references take them."""
    return array.astype(np.float32) / np.float32(127.5) - np.float32(1)


def assert_close(actual, expected, noise):
    """Within 10 times the reference's own float32 noise.

    Args:
      noise: the golden file's entry of `f32_vs_f64` with `max_abs_over_rms` and `rms_ref`.
    """
    limit = 10 * noise["max_abs_over_rms"] * noise["rms_ref"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


def trainable_size(meta):
    """Trainable values of the state dict that a json lists: all but the norms' buffers."""
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    table = meta["state"]["tensors_[shape,dtype,sum]"]
    shapes = [shape for name, (shape, _, _) in table.items() if not name.endswith(buffers)]
    return sum(int(np.prod(shape)) for shape in shapes)
