"""Measures the claims of StyleTalker on the clips of a corpus that training never saw.

  python -m jaxtalk.evaluate --checkpoint bundle --dataset procedural_heads/demo_64 --split test

Prints a table with 95 % intervals and writes it to --out as report.json and report.md. What has not
reached its bar stays in the table and is no error. Stages that measure (arcface, syncnet,
landmarks) are those of the checkpoint; a row whose stage is missing says so.
"""

import pathlib
import shlex
import sys

from ml_collections import ConfigDict

from jaxtalk.core import command_line
from jaxtalk.core.errors import UserError
from jaxtalk.evaluation import report
from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.evaluation.measure import measure
from jaxtalk.training.mesh import use_compilation_cache


def parse(argv):
    """Command line -> namespace."""
    parser = command_line.Parser("jaxtalk.evaluate", __doc__)
    parser.add_argument("--checkpoint", required=True, help='a work directory, or "bundle"')
    parser.add_argument("--dataset", required=True, help="e.g. procedural_heads/demo_64")
    parser.add_argument("--data_dir", default="data", help="folder that holds the corpora")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", default="runs/evaluation", help="folder of the report")
    parser.add_argument(
        "--claims", nargs="*", choices=CLAIMS, default=[], metavar="CLAIM",
        help=f"rows of the table, all if none is named: {', '.join(CLAIMS)}",
    )  # fmt: skip
    parser.add_argument("--landmarks", help="work directory of configs/landmarks.py")
    parser.add_argument("--no_flow", help="work directory of configs/styletalker.py:no_flow")
    parser.add_argument("--no_sync", help="work directory of configs/styletalker.py:no_sync")
    parser.add_argument("--seed", type=int, default=0, help="of the generated videos")
    parser.add_argument("--limit", type=int, help="number of clips, from the first")
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        raise UserError(f"--limit: found {args.limit}, expected 1 or more")
    args.command = shlex.join(["python", "-m", "jaxtalk.evaluate", *argv])
    return args


def evaluate(args):
    """Measures, prints and writes."""
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(
        args.checkpoint,
        ConfigDict({"name": args.dataset, "data_dir": args.data_dir}),
        args.split,
        chosen=args.claims,
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


def main(argv=None):
    """A user's fault is one line and exit status 1."""
    command_line.run(evaluate, parse, argv)


if __name__ == "__main__":
    use_compilation_cache("~/.cache/jaxtalk")
    main()
