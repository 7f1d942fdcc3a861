"""Takes the weights of a finished demo run into the bundle; `launch/train_bundle.sh` calls it.

  python -m jaxtalk.train --config configs/styletalker.py:bundle --workdir runs/bundle
  python -m jaxtalk.bundle.make --workdir runs/bundle --no_flow runs/no_flow --no_sync runs/no_sync

Writes jaxtalk/bundle/<preset>/<stage>/weights.npz for each finished stage of the run, floats in
half precision (see `halved`), and jaxtalk/bundle/<preset>/card.json: for each stage its size, seed,
corpus, steps, hours of training and last scores on held-out clips; the commit, the machine and the
note. Of the ablations, runs that took the same frozen weights, it keeps StyleTalker's own stage as
`no_flow` and `no_sync`. Stages that the run did not train itself but took from the bundle stay as
they are. All else that is there is replaced, once all is known to be small enough. Left behind are
the discriminator of the image generator, which no later stage takes, and in StyleTalker's own stage
the encoder and the generator, which are those of the psp stage.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from flax import traverse_util

from jaxtalk.core.errors import UserError
from jaxtalk.training.checkpoint import digest, has_weights, load_weights, save_weights

BUNDLE = pathlib.Path(__file__).parent
STAGE = "styletalker"
LEFT_BEHIND = {"stylegan3": ("discriminator",), STAGE: ("encoder", "generator")}
MAX_MEGABYTES = 12.0
# Of floats, where half precision has 11; pictures show it when those of encoder and generator go.
SIGNIFICANT_BITS = 8
PRECISE = ("psp",)
PLACES = {"data_dir": "data", "codes_dir": ""}  # fields of the dataset, and what they are unset


def halved(variables, stage=""):
    """Nested dicts of arrays with float32 leaves in float16, but for the stages `PRECISE` rounded
    to the 8 significant bits that bfloat16 has: what is left compresses better by a sixth.

    Raises:
      UserError: a value is beyond the range of half precision.
    """
    flat = traverse_util.flatten_dict(variables, sep="/")
    for name, array in flat.items():
        if array.dtype == np.float32:
            rounded = array
            if stage not in PRECISE:
                mantissa, exponent = np.frexp(array)
                rounded = np.ldexp(
                    np.round(mantissa * 2.0**SIGNIFICANT_BITS), exponent - SIGNIFICANT_BITS
                )
            if np.abs(rounded).max(initial=0) > np.finfo(np.float16).max:
                raise UserError(f"{name}: has values that half precision cannot hold")
            flat[name] = rounded.astype(np.float16)
    return traverse_util.unflatten_dict(flat, sep="/")


def portable(config):
    """A run's config without the places of files on the machine that made it."""
    config = config.copy_and_resolve_references()
    with config.ignore_type(), config.unlocked():
        config.dataset.update({k: d for k, d in PLACES.items() if k in config.dataset})
        for field in ("pretrained", "start_from"):
            config[field] = dict.fromkeys(config.get(field, {}), "")
    return config


def history(stage_directory):
    """Of a stage's metrics.jsonl: hours of its steps, and the last held-out values."""
    hours, step, scores = 0.0, 0, {}
    for line in (stage_directory / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if any(key.startswith("eval/") for key in row):
            scores = {k: v for k, v in row.items() if k == "step" or k.startswith("eval/")}
        if "steps_per_s" in row:
            hours += (row["step"] - step) / row["steps_per_s"] / 3600
            step = row["step"]
    return {"hours": round(hours, 2), **scores}


def machine():
    """Processor and number of cores of this machine."""
    names = (
        [
            line.partition(":")[2].strip()
            for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        if pathlib.Path("/proc/cpuinfo").exists()
        else []
    )
    return f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}"


def commit():
    """Commit of the code, "" outside of a git repository."""
    command = ["git", "-C", str(BUNDLE), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True) if shutil.which("git") else None
    return found.stdout.strip() if found else ""


def kept_stages(finished, bundle):
    """Stages that those of the run were trained on, and that it did not train: names.

    Raises:
      UserError: `bundle`, a directory, does not have them, or has others.
    """
    own, kept = {path.parent.name for path in finished}, set()
    for path in finished:
        for name, trained_on in json.loads(path.read_text()).get("frozen", {}).items():
            if name in own or name in kept:
                continue
            if (
                not has_weights(bundle / name)
                or digest(load_weights(bundle / name)[0]) != trained_on
            ):
                raise UserError(
                    f"--workdir: {path.parent.name} was trained on other weights of {name} than "
                    f"those in {bundle / name}, and {name} is not finished in the run; train it "
                    "there, or take it from the bundle"
                )
            kept.add(name)
    return sorted(kept)


def ablations_of(directories, finished):
    """{name: directory of its stage} of the ablations, checked.

    Args:
      directories: {name: work directory, or None}.
      finished: `finished.json` of each stage of the run.

    Raises:
      UserError: StyleTalker is not finished there, or was trained on other weights than the run's.
    """
    run = next((path for path in finished if path.parent.name == STAGE), None)
    stages = {name: pathlib.Path(path) / STAGE for name, path in directories.items() if path}
    for name, stage in stages.items():
        note = stage / "finished.json"
        if run is None or not note.exists():
            where = stage if run else "the run"
            raise UserError(f"--{name}: found no finished {STAGE} in {where}; train it to its end")
        own, others = (json.loads(path.read_text()).get("frozen", {}) for path in (run, note))
        differing = [key for key in sorted(others) if others[key] != own.get(key)]
        if differing:
            raise UserError(
                f"--{name}: {stage} was trained on other weights of {', '.join(differing)} than "
                "the run; train both on the same"
            )
    return stages


def make(workdir, bundle=BUNDLE, note="", ablations=None):
    """Writes the bundle of `workdir` under `bundle`; returns the card.

    Args:
      workdir: of the run.
      bundle: folder that the preset's folder is in.
      note: how it was made, for the card.
      ablations: {"no_flow", "no_sync": work directory or None}; without one, the bundle is, too.

    Raises:
      UserError: no finished stage there, stages that were trained on others than the bundle's,
        ablations that were trained on others than the run's, or the bundle would be too large.
    """
    finished = sorted(pathlib.Path(workdir).glob("*/finished.json"))
    if not finished:
        raise UserError(f"--workdir: found no finished stage in {workdir}, expected a trained run")
    taken_from = {path.parent.name: path.parent for path in finished}
    taken_from |= ablations_of(ablations or {}, finished)
    bundle.mkdir(parents=True, exist_ok=True)
    _, config = load_weights(finished[0].parent / "weights")
    old, stages = bundle / config.preset, {}
    kept = kept_stages(finished, old)
    with tempfile.TemporaryDirectory(prefix=".", dir=bundle) as temporary:
        new = pathlib.Path(temporary) / "new"
        for name, stage_directory in taken_from.items():
            variables, config = load_weights(stage_directory / "weights")
            left_behind = LEFT_BEHIND.get(stage_directory.name, ())
            taken = {k: v for k, v in variables.items() if k not in left_behind}
            save_weights(new / name, halved(taken, name), portable(config), compressed=True)
            own_corpus = config[stage_directory.name].data.get("corpus")
            stages[name] = {
                **{"seed": config.seed, "corpus": own_corpus or config.dataset.name},
                **history(stage_directory),
            }
        for name in kept:
            variables, config = load_weights(old / name)
            save_weights(new / name, halved(variables, name), portable(config), compressed=True)
            stages[name] = json.loads((old / "card.json").read_text())["stages"][name]
        for name, row in stages.items():
            row["megabytes"] = round((new / name / "weights.npz").stat().st_size / 1e6, 3)
        card = {
            **{"note": note, "commit": commit(), "machine": machine()},
            "stages": dict(sorted(stages.items())),
        }
        total = sum(row["megabytes"] for row in stages.values())
        if total > MAX_MEGABYTES:
            raise UserError(
                f"bundle: found {total:.1f} MB, expected at most {MAX_MEGABYTES:.0f} MB; nothing "
                "is replaced"
            )
        (new / "card.json").write_text(json.dumps(card, indent=1) + "\n")
        if old.exists():
            os.rename(old, pathlib.Path(temporary) / "old")
        os.rename(new, old)
    return card


def main(argv=None):
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m jaxtalk.bundle.make", description=__doc__)
    parser.add_argument("--workdir", required=True, help="of the finished run")
    parser.add_argument("--no_flow", help="work directory of configs/styletalker.py:no_flow")
    parser.add_argument("--no_sync", help="work directory of configs/styletalker.py:no_sync")
    parser.add_argument("--note", default="", help="how it was made, for the card")
    args = parser.parse_args(argv)
    try:
        ablations = {"no_flow": args.no_flow, "no_sync": args.no_sync}
        card = make(args.workdir, note=args.note, ablations=ablations)
    except UserError as error:
        sys.exit(f"error: {error}")
    for name, row in card["stages"].items():
        print(f"{name:12} {row['megabytes']:6.2f} MB")


if __name__ == "__main__":
    main()
