"""Takes the weights of a finished demo run into the bundle.

  python -m jaxtalk.train --config configs/styletalker.py:scratch --workdir runs/bundle
  python -m jaxtalk.bundle.make --workdir runs/bundle

Writes jaxtalk/bundle/<preset>/<stage>/weights.npz for each frozen stage of the run, floats in half
precision, which is half the size, and jaxtalk/bundle/<preset>/card.json: sizes, steps and the last
scores on held-out clips. The run's goal, its last stage, is what a user trains; it stays behind,
as does the discriminator of the image generator, which no later stage takes.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError
from jaxtalk.training.checkpoint import load_weights, save_weights

BUNDLE = pathlib.Path(__file__).parent
LEFT_BEHIND = ("discriminator",)
MAX_MEGABYTES = 12.0


def halved(variables):
    """Nested dicts of arrays with float32 leaves in float16.

    Raises:
      UserError: a value is beyond the range of half precision.
    """
    flat = traverse_util.flatten_dict(variables, sep="/")
    for name, array in flat.items():
        if array.dtype == np.float32:
            if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
                raise UserError(f"{name}: has values that half precision cannot hold")
            flat[name] = array.astype(np.float16)
    return traverse_util.unflatten_dict(flat, sep="/")


def last_scores(stage_directory):
    """The last held-out values in a stage's metrics.jsonl: {"step": ..., "eval/...": ...}."""
    scores = {}
    for line in (stage_directory / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if any(key.startswith("eval/") for key in row):
            scores = {k: v for k, v in row.items() if k == "step" or k.startswith("eval/")}
    return scores


def make(workdir, bundle=BUNDLE):
    """Writes the bundle of `workdir` under `bundle`; returns the card.

    Raises:
      UserError: no finished stage there, or the bundle would be too large.
    """
    finished = sorted(pathlib.Path(workdir).glob("*/finished.json"))
    if not finished:
        raise UserError(f"--workdir: found no finished stage in {workdir}, expected a trained run")
    card, preset = {}, None
    for stage_directory in (path.parent for path in finished):
        variables, config = load_weights(stage_directory / "weights")
        preset, name = config.preset, stage_directory.name
        if name == config.stages[-1]:
            continue
        kept = {k: v for k, v in variables.items() if k not in LEFT_BEHIND}
        save_weights(bundle / preset / name, halved(kept), config)
        size = (bundle / preset / name / "weights.npz").stat().st_size
        card[name] = {"megabytes": round(size / 1e6, 3), **last_scores(stage_directory)}
    total = sum(row["megabytes"] for row in card.values())
    if total > MAX_MEGABYTES:
        raise UserError(f"bundle: found {total:.1f} MB, expected at most {MAX_MEGABYTES:.0f} MB")
    (bundle / preset / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    return card


def main(argv=None):
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m jaxtalk.bundle.make", description=__doc__)
    parser.add_argument("--workdir", required=True, help="of the finished run")
    try:
        card = make(parser.parse_args(argv).workdir)
    except UserError as error:
        sys.exit(f"error: {error}")
    for name, row in card.items():
        print(f"{name:12} {row['megabytes']:6.2f} MB")


if __name__ == "__main__":
    main()
