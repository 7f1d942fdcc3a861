"""Takes the weights of a finished demo run into the bundle; `launch/train_bundle.sh` calls it.

  python -m jaxtalk.train --config configs/styletalker.py:bundle --workdir runs/bundle
  python -m jaxtalk.bundle.make --workdir runs/bundle --no_flow runs/no_flow --no_sync runs/no_sync

Writes jaxtalk/bundle/<preset>/<stage>/weights.npz for each finished stage of the run, floats in
half precision (see `halved`), and jaxtalk/bundle/<preset>/card.json: for each stage its size, seed,
corpus, steps, hours of training and last scores on held-out clips; the commit, the machine and the
note. Of the ablations, runs that took the same frozen weights, it keeps StyleTalker's own stage as
`no_flow` and `no_sync`. Stages that the run did not train itself but took from the bundle stay as
they are. All else that is there is replaced, once all is known to be small enough and each stage to
have been trained on those beside it. Left behind are the discriminator of the image generator,
which no later stage takes, and in StyleTalker's own stage the encoder and the generator, which are
those of the psp stage.

The claims are measured on the bundle that is there. The same command with --claims then writes them
into the card: nothing is trained, and the weights come out as they were.

  bash launch/check_bundle.sh
  python -m jaxtalk.bundle.make (as above) --claims runs/evaluation/report.json
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

from jaxtalk.bundle.claimed import claims_of
from jaxtalk.core.errors import UserError
from jaxtalk.training.checkpoint import (
    digest,
    has_weights,
    load_config,
    load_weights,
    save_weights,
)

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
    """Commit of the code, with "+ changes" if tracked files differ; "" outside of a repository."""

    def git(*arguments):
        command = ["git", "-C", str(BUNDLE), *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    found = git("rev-parse", "--short", "HEAD") if shutil.which("git") else ""
    # The bundle's own files are not code, and differ as soon as it is made.
    code = (":(top)", ":(exclude,glob)*/card.json", ":(exclude,glob)*/*/weights.npz")
    changed = found and git("status", "--porcelain", "--untracked-files=no", "--", *code)
    return f"{found} + changes" if changed else found


def trained_on(stage_directory):
    """{stage: digest of its weights} of those that a finished stage took."""
    return json.loads((stage_directory / "finished.json").read_text()).get("frozen", {})


def ablations_of(directories, run):
    """{name: directory of its stage} of the ablations.

    Args:
      directories: {name: work directory, or None}.
      run: {name: directory} of the finished stages of the run.

    Raises:
      UserError: StyleTalker is not finished there, or not in the run.
    """
    stages = {name: pathlib.Path(path) / STAGE for name, path in directories.items() if path}
    for name, stage in stages.items():
        if STAGE not in run or not (stage / "finished.json").exists():
            where = stage if STAGE in run else "the run"
            raise UserError(f"--{name}: found no finished {STAGE} in {where}; train it to its end")
    return stages


def kept_stages(taken_from, bundle):
    """Names of the stages that those of the run were trained on, and that it did not train.

    Args:
      taken_from: {name: directory of a finished stage}, the ablations among them.
      bundle: directory of the bundle that they are taken from.

    Raises:
      UserError: it does not have them.
    """
    needed = {name for directory in taken_from.values() for name in trained_on(directory)}
    kept = sorted(needed - taken_from.keys())
    missing = [name for name in kept if not has_weights(bundle / name)]
    if missing:
        raise UserError(
            f"--workdir: found no weights of {', '.join(missing)}, which the run was trained on, "
            f"expected them finished in the run, or in {bundle}; train them there"
        )
    return kept


def check_sources(taken_from, packed):
    """Each stage must have been trained on the weights that are packed beside it.

    Those are the weights of the run, or what is packed of them: in half precision, and without the
    networks that are left behind.

    Args:
      taken_from: {name: directory of a finished stage}, the ablations among them.
      packed: directory of what is packed, those and the stages that are kept.

    Raises:
      UserError: one was trained on others.
    """
    expected = {path.name: [digest(load_weights(path)[0])] for path in packed.iterdir()}
    for name, directory in taken_from.items():
        expected[name].append(digest(load_weights(directory / "weights")[0]))
    for name, directory in taken_from.items():
        option = "workdir" if directory.name == name else name
        for other, found in trained_on(directory).items():
            if found not in expected[other]:
                raise UserError(
                    f"--{option}: {directory} was trained on other weights of {other} than those "
                    f"of the bundle: found the digest {found[:8]}, expected "
                    f"{' or '.join(text[:8] for text in expected[other])}; train it again on "
                    f"those, or have in the run the {other} that it was trained on"
                )


def pack(stage_directory, new):
    """Writes the weights of a finished stage into a directory; returns its row of the card."""
    stage = stage_directory.name
    variables, config = load_weights(stage_directory / "weights")
    taken = {k: v for k, v in variables.items() if k not in LEFT_BEHIND.get(stage, ())}
    save_weights(new, halved(taken, stage), portable(config), compressed=True)
    corpus = config[stage].data.get("corpus") or config.dataset.name
    return {"seed": config.seed, "corpus": corpus, **history(stage_directory)}


def keep(name, old, new):
    """Takes a stage from the bundle `old` over into `new`; returns its row of the card."""
    variables, config = load_weights(old / name)
    save_weights(new / name, halved(variables, name), portable(config), compressed=True)
    return json.loads((old / "card.json").read_text())["stages"][name]


def make(workdir, bundle=BUNDLE, note="", ablations=None, claims=None):
    """Writes the bundle of `workdir` under `bundle`; returns the card.

    Args:
      workdir: of the run.
      bundle: folder that the preset's folder is in.
      note: how it was made, for the card.
      ablations: {"no_flow", "no_sync": work directory or None}; without one, the bundle is, too.
      claims: report.json of this bundle, for the card; None = the card has no claims.

    Raises:
      UserError: no finished stage there; stages or ablations that were trained on others than the
        bundle's; a report of another bundle; or this one would be too large.
    """
    finished = sorted(pathlib.Path(workdir).glob("*/finished.json"))
    if not finished:
        raise UserError(f"--workdir: found no finished stage in {workdir}, expected a trained run")
    taken_from = {path.parent.name: path.parent for path in finished}
    taken_from |= ablations_of(ablations or {}, taken_from)
    old = bundle / load_config(finished[0].parent / "weights").preset
    kept = kept_stages(taken_from, old)
    bundle.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=bundle) as temporary:
        new = pathlib.Path(temporary) / "new"
        stages = {name: pack(directory, new / name) for name, directory in taken_from.items()}
        stages |= {name: keep(name, old, new) for name in kept}
        check_sources(taken_from, new)
        for name, row in stages.items():
            row["megabytes"] = round((new / name / "weights.npz").stat().st_size / 1e6, 3)
        card = {
            **{"note": note, "commit": commit(), "machine": machine()},
            "stages": dict(sorted(stages.items())),
        }
        if claims:
            card |= claims_of(claims, new)
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
    parser.add_argument("--claims", help="report.json of this bundle, for the card")
    args = parser.parse_args(argv)
    try:
        ablations = {"no_flow": args.no_flow, "no_sync": args.no_sync}
        card = make(args.workdir, note=args.note, ablations=ablations, claims=args.claims)
    except UserError as error:
        sys.exit(f"error: {error}")
    for name, row in card["stages"].items():
        print(f"{name:12} {row['megabytes']:6.2f} MB")


if __name__ == "__main__":
    main()
