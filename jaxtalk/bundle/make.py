"""Takes the weights of a finished demo run into the bundle.

  python -m jaxtalk.train --config configs/styletalker.py:scratch --workdir runs/bundle
  python -m jaxtalk.bundle.make --workdir runs/bundle

Writes jaxtalk/bundle/<preset>/<stage>/weights.npz for each finished stage of the run, floats in
half precision, which is half the size, and jaxtalk/bundle/<preset>/card.json: sizes, steps and the
last scores on held-out clips. What is there already is replaced, once all is known to be small
enough. Left behind are the discriminator of the image generator, which no later stage takes, and
in StyleTalker's own stage the encoder and the generator, which are those of the psp stage.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError
from jaxtalk.training.checkpoint import load_weights, save_weights

BUNDLE = pathlib.Path(__file__).parent
LEFT_BEHIND = {"stylegan3": ("discriminator",), "styletalker": ("encoder", "generator")}
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
    bundle.mkdir(parents=True, exist_ok=True)
    card = {}
    with tempfile.TemporaryDirectory(prefix=".", dir=bundle) as temporary:
        new = pathlib.Path(temporary) / "new"
        for stage_directory in (path.parent for path in finished):
            variables, config = load_weights(stage_directory / "weights")
            name = stage_directory.name
            kept = {k: v for k, v in variables.items() if k not in LEFT_BEHIND.get(name, ())}
            save_weights(new / name, halved(kept), config)
            size = (new / name / "weights.npz").stat().st_size
            card[name] = {"megabytes": round(size / 1e6, 3), **last_scores(stage_directory)}
        total = sum(row["megabytes"] for row in card.values())
        if total > MAX_MEGABYTES:
            raise UserError(
                f"bundle: found {total:.1f} MB, expected at most {MAX_MEGABYTES:.0f} MB; nothing "
                "is replaced"
            )
        (new / "card.json").write_text(json.dumps(card, indent=1) + "\n")
        if (bundle / config.preset).exists():
            os.rename(bundle / config.preset, pathlib.Path(temporary) / "old")
        os.rename(new, bundle / config.preset)
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
