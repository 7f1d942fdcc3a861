"""What the command line asks for, carried out: scores, pictures, opinions."""

import contextlib
import pathlib
import sys

from jaxtalk.core.command_line import named_folders
from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.networks import find_stages
from jaxtalk.media.face_detector import face_detector
from jaxtalk.scoring import pictures, report, summary
from jaxtalk.scoring.clips import folder_clips
from jaxtalk.scoring.metrics import METRICS, STANDARD, protocol
from jaxtalk.scoring.observers import FILES, load_observers
from jaxtalk.scoring.run import run


def say(line):
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def observers_of(args):
    """The observers that the chosen metrics need."""
    keys = args.metrics or STANDARD
    families = {METRICS[key].family for key in keys}
    if families & {"identity", "sync"}:
        families.add("landmarks")
    weights = dict(named_folders("weights", args.weights, kind="KIND"))
    stand_ins = None if args.stand_ins == "none" else args.stand_ins
    if args.landmarks:
        found = find_stages(stand_ins or "bundle", args.landmarks)
        weights.setdefault("landmarks", found["landmarks"])
    with contextlib.ExitStack() as stack:
        detector = None
        if args.landmark_files:
            if "landmarks" in weights:
                raise UserError(
                    "--landmark_files: found a network of landmarks too, expected one of the two"
                )
            families.discard("landmarks")
        elif "landmarks" in families and "landmarks" not in weights:
            with contextlib.suppress(UserError):  # not installed, which the report tells
                detector = stack.enter_context(face_detector("mesh"))
        found = load_observers(weights, stand_ins=stand_ins, detector=detector, families=families)
        yield found | ({"landmarks": FILES} if args.landmark_files else {})


def score_folders(args):
    """Scores --pred against --target."""
    clips, unreadable = folder_clips(
        *(args.pred, args.target, args.audio),
        seeds=args.more_seeds,
        landmarks=args.landmark_files,
        limit=args.limit,
        allow_mismatch=args.allow_mismatch,
    )
    folders = {"pred": args.pred, "target": args.target, "audio": args.audio}
    settings = {name: str(pathlib.Path(f).resolve()) for name, f in folders.items() if f}
    settings["more_seeds"] = [str(pathlib.Path(f).resolve()) for f in args.more_seeds]
    with observers_of(args) as observers:
        return score(
            *(args, args.out, args.pred, clips, observers, settings),
            baseline=args.baseline,
            unreadable=unreadable,
        )


def score(args, folder, title, clips, observers, settings, *, baseline=None, unreadable=None):
    """Scores clips, prints the table, and writes the report and its pictures; the report."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keys = args.metrics or STANDARD
    if baseline:
        baseline = summary.read_report(baseline)
        targets = {clip.name: clip.files.get("target") for clip in clips}
        metrics = {key: {"protocol": protocol(key, observers)} for key in keys}
        ours = {"settings": settings, "targets": targets, "metrics": metrics}
        summary.check_comparable(ours, baseline)
    found, records = run(
        *(clips, keys, observers, folder),
        settings=settings,
        unreadable=unreadable,
        allow_mismatch=args.allow_mismatch,
        say=say,
    )
    made_of = {"title": str(title), "command": args.command, "seed": args.seed}
    found = {**made_of, "settings": settings, **found}
    if baseline:
        compared = summary.compare(found, baseline)
        found["baseline"] = {"title": baseline.get("title", args.baseline), "metrics": compared}
    found["pictures"] = pictures.write_plots(folder, found)
    found["pictures"] += pictures.write_clips(
        folder, pictures.chosen_clips(found, clips, args.rank_by)
    )
    report.write_csv(folder / "per_clip.csv", records, found["not_scored"])
    report.write(folder, found)
    print("\n".join(report.terminal(found)))
    print(f"wrote {folder / 'report.json'}, report.md, per_clip.csv, plots and clips")
    return found
