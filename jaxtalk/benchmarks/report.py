"""Rows as text and as JSON."""

import json
import os
import pathlib

import jax

from jaxtalk.benchmarks.measure import device_name
from jaxtalk.core.errors import UserError

# Synthesis of one image by the public PyTorch implementation of StyleGAN3 (torch 2.13, its
# operations for CPUs, float32, 2 threads on 2 cores of a 2.5 GHz Xeon), the fastest of five runs,
# at the sizes of the paper preset: StyleGAN3-T, 256 px, channel_base 32768, channel_max 512.
REFERENCE_MS = 22_280

# Heading -> key of a row, width, format of the value.
_COLUMNS = {
    "part": ("part", 16, "s"),
    "preset": ("preset", 8, "s"),
    "dtype": ("dtype", 10, "s"),
    "batch": ("batch", 7, "d"),
    "ms": ("ms", 12, ".2f"),
    "per s": ("per_s", 10, ".1f"),
    "GFLOP": ("gflop", 12, ".3f"),
    "GFLOP/s": ("gflop_per_s", 12, ",.1f"),
    "of ceiling": ("share_of_ceiling", 12, ".1%"),
}


def heading():
    """The first line of the table."""
    return _line(_COLUMNS)


def line(row):
    """A row of the table; "?" stands for what XLA cannot tell, "-" for what is not to be told."""
    values = ((row.get(key, "-"), form) for key, _, form in _COLUMNS.values())
    return _line({None: "?", "-": "-"}.get(v) or format(v, form) for v, form in values)


def _line(cells):
    layout = zip(cells, _COLUMNS.values())
    return "".join(f"{c:<{width}}" if f == "s" else f"{c:>{width}}" for c, (_, width, f) in layout)


def notes(rows):
    """What rows say together: list of lines."""
    found = {(row["part"], row["preset"]): row for row in rows}
    lines = []
    for (part, preset), row in found.items():
        if speed := row.get("convolution_gflop_per_s"):
            floor_ms = 1e3 * row["gflop"] / speed
            lines.append(
                f"generator ({preset}): {row['ms'] / floor_ms:.2f} times the floor of "
                f"{floor_ms:,.0f} ms, its operations at the speed of a 3 x 3 convolution "
                f"({speed:,.1f} GFLOP/s)"
            )
        whole = found.get(("generator", preset))
        if part == "filtered_lrelu" and whole:
            share = row["ms"] / whole["ms"]
            lines.append(f"filtered_lrelu: {share:.0%} of the generator's time ({preset})")
    full = found.get(("generator", "paper"))
    if full and (full["batch"], full["dtype"]) == (1, "float32"):
        lines.append(
            f"StyleGAN3-T, 256 px, batch 1, float32: {full['ms'] / 1e3:.3g} s; the PyTorch "
            f"reference took {REFERENCE_MS / 1e3:.1f} s on two cores of a 2.5 GHz Xeon, "
            f"{REFERENCE_MS / full['ms']:.3g} times as long; this is another machine"
        )
    return lines


def check_json(path):
    """Raises UserError where `write_json` could not write, so that a fault is told at once."""
    path = pathlib.Path(path)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(
            f"--json: found {path}, expected a file in a directory that can be written; give "
            "another file"
        )


def write_json(path, rows, notes):
    """Writes rows and notes, with the device and the version of JAX; the file appears complete."""
    report = {
        "device": device_name(),
        "jax": jax.__version__,
        "notes": notes,
        "rows": rows,
    }
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(temporary, path)
