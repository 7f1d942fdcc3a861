"""Numbers of reference networks, kept in tests/golden or in the directory of `--golden`.

Those kept are few enough for a repository: without the largest files, and with some arrays thinned
further: images and activations at a larger stride, which the name or the json says, or of the first
example only.
"""

from pathlib import Path

import numpy as np
import pytest

from jaxtalk.pretrained.parity import ALLOWED_NOISE, images
from jaxtalk.pretrained.parity import load as load_from

__all__ = ["assert_close", "images", "load", "trainable_size"]

FOLDER = Path(__file__).parent / "golden"
# Where `load` looks; the option `--golden` of pytest sets it.
folder = FOLDER


def load(name, kept=True):
    """(arrays, meta): the npz as a dict, and the json that explains it.

    Skips the test if the directory of `--golden` lacks the file, or if it is too large to be
    `kept` in tests/golden.
    """
    file = folder / f"{name}.npz"
    if not file.exists() and (folder != FOLDER or not kept):
        pytest.skip(f"{name} is not in {folder}; see --golden")
    return load_from(folder, name)


def assert_close(actual, expected, noise):
    """Within `ALLOWED_NOISE` times the reference's own float32 noise.

    Args:
      noise: the golden file's entry of `f32_vs_f64` with `max_abs_over_rms` and `rms_ref`.
    """
    limit = ALLOWED_NOISE * noise["max_abs_over_rms"] * noise["rms_ref"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


def trainable_size(meta):
    """Trainable values of the state dict that a json lists: all but the norms' buffers."""
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    table = meta["state"]["tensors_[shape,dtype,sum]"]
    shapes = [shape for name, (shape, _, _) in table.items() if not name.endswith(buffers)]
    return sum(int(np.prod(shape)) for shape in shapes)
