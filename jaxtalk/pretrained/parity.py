"""Our networks against the numbers of the public PyTorch ones, which golden files hold.

A golden file is `<name>.npz` with the inputs, outputs and activations of a reference network in
float32 and PyTorch's layout, and `<name>.json` with how it was made, its weights or the rule for
them (`jaxtalk.pretrained.weight_rule`), and its own error against float64, the noise. Here, as in
the tests, a number may be off by `ALLOWED_NOISE` times that.
"""

import dataclasses
import json
import pathlib
import zipfile
import zlib

import numpy as np

from jaxtalk.core.errors import UserError

ALLOWED_NOISE = 10


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Largest absolute error of a tensor, and what is allowed."""

    tensor: str
    error: float
    allowed: float

    @property
    def ratio(self):
        """At most 1 where the tensor agrees."""
        return self.error / self.allowed


def compare(tensor, found, expected, noise):
    """A `Comparison`; numbers that are missing or are none are infinitely wrong.

    Args:
      tensor: its name.
      found, expected: arrays.
      noise: the golden file's entry of `f32_vs_f64`, or the error of the reference as a number.
    """
    if isinstance(noise, dict):
        noise = noise["max_abs_over_rms"] * noise["rms_ref"]
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    error = np.inf
    if found.shape == expected.shape and np.isfinite(found).all():
        error = float(np.abs(found - expected).max())
    return Comparison(tensor, error, float(ALLOWED_NOISE * noise))


def load(folder, name):
    """(arrays, meta) of a golden file.

    Raises:
      UserError: it is not there, or cannot be read.
    """
    file = pathlib.Path(folder) / f"{name}.npz"
    if not file.exists():
        raise UserError(f"--golden: found no {file}, expected a directory with golden files")
    try:
        # Opened here, because np.load leaves a file open that turns out to be broken.
        with open(file, "rb") as raw, np.load(raw, allow_pickle=False) as npz:
            return dict(npz), json.loads(file.with_suffix(".json").read_text())
    except (EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"--golden: {file} and its .json cannot be read: {error}") from None


def images(array):
    """uint8 -> float32 [-1, 1]."""
    return array.astype(np.float32) / np.float32(127.5) - np.float32(1)


def unit_images(array):
    """uint8 -> float32 [0, 1]."""
    return array.astype(np.float32) / np.float32(255)


def state_dict(arrays, prefix="sd/"):
    """The weights that a golden file holds."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def nchw(maps, channel_stride=1, stride=1):
    """[B, H, W, C] -> [B, C, H, W], thinned."""
    return np.asarray(maps).transpose(0, 3, 1, 2)[:, ::channel_stride, ::stride, ::stride]


def thinned(arrays, name):
    """(an array of NCHW maps, the spatial stride at which the file has it: in `<name>_stride<n>`).

    Raises:
      UserError: the file does not have it.
    """
    for stride in (1, 2, 4):
        key = name if stride == 1 else f"{name}_stride{stride}"
        if key in arrays:
            return arrays[key], stride
    raise UserError(f"--golden: found no array {name!r} in a golden file, nor a thinned one")


def like(noise, expected):
    """A relative noise, for a tensor whose own the golden file does not tell: at its size.

    Args:
      noise: an entry of `f32_vs_f64`, or its `max_abs_over_rms`.
      expected: the tensor.
    """
    relative = noise["max_abs_over_rms"] if isinstance(noise, dict) else noise
    return relative * float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))


def table(results):
    """Golden name -> comparisons, as lines of text: the worst tensor of each."""
    lines = [f"{'name':28} {'worst tensor':28} {'error':>10} {'allowed':>10}"]
    for name, comparisons in results.items():
        worst = max(comparisons, key=lambda c: c.ratio)
        verdict = "" if worst.ratio <= 1 else "  WRONG"
        lines.append(
            f"{name:28} {worst.tensor:28} {worst.error:10.2e} {worst.allowed:10.2e}{verdict}"
        )
    return lines


def _checked(check, folder, name):
    arrays, meta = load(folder, name)
    try:
        return list(check(arrays, meta))
    except LookupError as error:
        raise UserError(f"--golden: {name} in {folder} lacks {error}, is it complete?") from None


def verify(kind, checks, folder):
    """The `table` of a kind's golden files, as many of them as `folder` has.

    Args:
      kind: its name.
      checks: golden name -> function of (arrays, meta) that yields comparisons.
      folder: see `load`.

    Raises:
      UserError: it has none of them, one is not what it should be, or a number is wrong.
    """
    there = [name for name in checks if (pathlib.Path(folder) / f"{name}.npz").exists()]
    if not there:
        raise UserError(f"--golden: found none of {', '.join(checks)} in {folder}")
    results = {name: _checked(checks[name], folder, name) for name in there}
    wrong = [(name, c) for name in there for c in results[name] if not c.ratio <= 1]
    if wrong:
        name, worst = max(wrong, key=lambda item: item[1].ratio)
        raise UserError(
            f"{kind}: {len(wrong)} tensors are not those of the reference; {name}, {worst.tensor}: "
            f"found an error of {worst.error:.2e}, expected at most {worst.allowed:.2e}"
        )
    return table(results)
