"""The command line of `jaxtalk.evaluate`."""

import shlex

from jaxtalk.core import command_line
from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.scoring.metrics import METRICS
from jaxtalk.scoring.observers import KINDS
from jaxtalk.scoring.protocols import PROTOCOLS, chosen

# What to do -> the options that name it, all of which must be given.
MODES = {
    "folders": ("pred", "target"),
    "checkpoint": ("checkpoint", "dataset"),
    "mos_page": ("mos_page",),
    "mos": ("mos",),
    "table": ("table",),
}
SCORES = ("metrics", "weights", "stand_ins", "landmarks", "baseline", "rank_by", "limit")
# What to do -> the options that it takes besides those and --out.
OPTIONS = {
    "folders": (*SCORES, "audio", "more_seeds", "landmark_files", "allow_mismatch"),
    "checkpoint": (
        *(*SCORES, "data_dir", "split", "claims", "protocols", "no_flow", "no_sync", "seed"),
        "allow_mismatch",
    ),
    "mos_page": ("seed", "limit", "allow_mismatch"),
    "mos": (),
    "table": (),
}


def parse(argv, description):
    """Command line -> namespace; `mode` is a key of `MODES`."""
    parser = command_line.Parser("jaxtalk.evaluate", description)
    add = parser.add_argument
    add("--checkpoint", help='a work directory, or "bundle"')
    add("--dataset", help="e.g. procedural_heads/demo_64")
    add("--data_dir", default="data", help="folder that holds the corpora")
    add("--split", default="test")
    add("--out", default="runs/evaluation", help="folder of the report")
    add(
        "--claims", nargs="*", choices=CLAIMS, default=None, metavar="CLAIM",
        help=f"rows of the table, all if none is named: {', '.join(CLAIMS)}",
    )  # fmt: skip
    add(
        "--protocols", nargs="*", choices=PROTOCOLS, default=None, metavar="PROTOCOL",
        help="what a checkpoint generates to be scored: "
        f"{', '.join(PROTOCOLS)}; all, or none with --claims, if not given; without a name, none",
    )  # fmt: skip
    add("--landmarks", help="work directory of configs/landmarks.py")
    add("--no_flow", help="work directory of configs/styletalker.py:no_flow")
    add("--no_sync", help="work directory of configs/styletalker.py:no_sync")
    add("--pred", help="folder of videos to score")
    add("--target", help="folder of the real ones, of the same names")
    add("--audio", help="folder of their speech; else that of the videos")
    add("--more_seeds", nargs="+", default=[], metavar="DIR", help="--pred by other seeds")
    add(
        "--landmark_files", action="store_true",
        help="landmarks of your detector: NAME.landmarks.npy [T, 68, 2] in px beside each video",
    )  # fmt: skip
    add(
        "--metrics", nargs="+", choices=METRICS, default=None, metavar="METRIC",
        help=f"which to measure: {', '.join(METRICS)}",
    )  # fmt: skip
    add(
        "--weights", nargs="+", default=[], metavar="KIND=DIR",
        help=f"measuring networks, converted or trained: {', '.join(KINDS)}",
    )  # fmt: skip
    add(
        "--stand_ins", default=None,
        help='checkpoint whose networks measure where no --weights are given, or "none"; '
        "default: --checkpoint, else bundle",
    )  # fmt: skip
    add("--allow_mismatch", action="store_true", help="score what predictions and targets share")
    add("--baseline", help="report.json of another system on the same clips, to test against")
    add("--rank_by", choices=METRICS, default="ssim", metavar="METRIC", help="of best and worst")
    add("--seed", type=int, default=0, help="of the generated videos, and of the user study")
    add("--limit", type=int, help="number of clips, from the first")
    add("--mos_page", nargs="+", metavar="NAME=DIR", help="page of a user study of these systems")
    add("--mos", nargs="+", metavar="JSON", help="results of it, to compute the opinion scores of")
    add("--table", nargs="+", metavar="NAME=DIR", help="reports of scores to show side by side")
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        raise UserError(f"--limit: found {args.limit}, expected 1 or more")
    args.mode = _mode(args)
    taken = {"out", "mode", *MODES[args.mode], *OPTIONS[args.mode]}
    for name, value in vars(args).items():
        if name not in taken and value not in (parser.get_default(name), ""):
            beside = [mode for mode, names in OPTIONS.items() if name in names]
            expected = " or ".join(" with ".join(f"--{n}" for n in MODES[m]) for m in beside)
            raise UserError(
                f"--{name}: found it beside --{MODES[args.mode][0]}, expected it beside "
                f"{expected} only"
            )
    if args.mode == "checkpoint" and args.baseline and not chosen(args):
        raise UserError("--baseline: found no --protocols to compare, expected one or more")
    args.stand_ins = args.stand_ins or args.checkpoint or "bundle"
    args.command = shlex.join(["python", "-m", "jaxtalk.evaluate", *argv])
    return args


def _mode(args):
    begun = [mode for mode, names in MODES.items() if any(getattr(args, n) for n in names)]
    if len(begun) != 1:
        found = " and ".join(f"--{MODES[mode][0]}" for mode in begun) or "neither"
        raise UserError(
            f"found {found}, expected one of --checkpoint with --dataset, --pred with --target, "
            "--mos_page, --mos, --table"
        )
    missing = [name for name in MODES[begun[0]] if not getattr(args, name)]
    if missing:
        raise UserError(f"--{missing[0]}: found nothing, expected it beside --{MODES[begun[0]][0]}")
    return begun[0]
