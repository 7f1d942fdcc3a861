"""Measures talking heads: those of a checkpoint, or videos of any system.

  python -m jaxtalk.evaluate --checkpoint bundle --dataset procedural_heads/demo_64 --split test
  python -m jaxtalk.evaluate --pred theirs --target real [--audio speech] --out runs/scores
  python -m jaxtalk.evaluate --mos_page ours=videos/ours theirs=videos/theirs --out runs/study
  python -m jaxtalk.evaluate --mos results/*.json --out runs/study

The first prints the claims of StyleTalker on clips that training never saw, with 95 % intervals,
and writes them to --out as report.json and report.md; then it scores videos that the checkpoint
generates, as the papers do (--protocols), each in a folder of --out. What has not reached its bar
stays in the table and is no error.

The second scores videos by the metrics of the papers, each under the id of its protocol, and writes
report.json, report.md with the papers' published rows, per_clip.csv, plots, contact sheets and
videos of the best, median and worst clips. A metric whose network is not there is reported as not
measured. The same command goes on where a run was killed.

The others make the page of a user study and the opinion scores of its results; --table shows
several reports side by side.
"""

import pathlib
import sys

from ml_collections import ConfigDict

from jaxtalk.core import command_line
from jaxtalk.evaluation import report
from jaxtalk.evaluation.measure import measure
from jaxtalk.scoring import arguments, command, opinions, protocols, side_by_side
from jaxtalk.training.mesh import use_compilation_cache


def measure_checkpoint(args):
    """The claims, and the scores of what the checkpoint generates."""
    dataset = ConfigDict({"name": args.dataset, "data_dir": args.data_dir})
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(
        *(args.checkpoint, dataset, args.split),
        chosen=args.claims or (),
        landmarks=args.landmarks,
        no_flow=args.no_flow,
        no_sync=args.no_sync,
        seed=args.seed,
        limit=args.limit,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    found["command"] = args.command
    report.write(folder, found)
    print("\n".join(report.table(found)))
    print(f"{found['seconds']:.0f} s, wrote {folder / 'report.json'} and report.md")
    if chosen := protocols.chosen(args):
        protocols.score_protocols(args, chosen, dataset)


MODES = {
    "folders": command.score_folders,
    "checkpoint": measure_checkpoint,
    "mos_page": opinions.make_page,
    "mos": opinions.score_opinions,
    "table": side_by_side.tabulate,
}


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(
        lambda args: MODES[args.mode](args), lambda argv: arguments.parse(argv, __doc__), argv
    )


if __name__ == "__main__":
    use_compilation_cache("~/.cache/jaxtalk")
    main()
