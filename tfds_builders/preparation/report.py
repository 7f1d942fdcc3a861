"""What became of each video: build_report.jsonl, and a table of it."""

import collections
import hashlib
import json
from typing import NamedTuple

from jaxtalk.media import files

MISSING = "missing"


class Clip(NamedTuple):
    """A clip that goes into the corpus.

    Attributes:
      name: unique in the corpus.
      source: `Source` that it was cut from.
      key, number: of its arrays in the store.
      start_s, duration_s: within the source.
    """

    name: str
    source: object
    key: str
    number: int
    start_s: float
    duration_s: float


class Outcome(NamedTuple):
    """Of a build: what is kept, why the rest is not, and how much work it was.

    Attributes:
      clips: list of `Clip`.
      reasons: Counter of the reasons in the report.
      num_videos: that are there.
      seconds: that processes spent on them, whenever they did.
    """

    clips: list
    reasons: collections.Counter
    num_videos: int
    seconds: float


def write(path, listing, store):
    """Writes one JSON object a line, of every clip and of every video or part without one.

    Read from the store, so it is the same whatever order the videos were prepared in. Of videos
    with the same content, the first is kept. The file is whole or absent.

    Returns:
      `Outcome`.
    """
    clips, reasons, first, seconds = [], collections.Counter(), {}, 0.0
    with files.replacing(path) as temporary, open(temporary, "w") as file:
        for source in listing.sources:
            record = store.noted(source)
            key = record and record["key"]
            result = key and store.result(key)
            if result and key not in first:
                seconds += result["seconds"]
            for line, number in _lines(source, record, result, first):
                if number is not None:
                    clips.append(
                        Clip(line["clip"], source, key, number, line["start_s"], line["duration_s"])
                    )
                elif not line["kept"]:
                    reasons[line["reason"]] += 1
                file.write(json.dumps(line) + "\n")
            first.setdefault(key, source.name)
        for name, detail in listing.missing:
            reasons[MISSING] += 1
            line = {"source": name, "kept": False, "reason": MISSING, "detail": detail}
            file.write(json.dumps(line) + "\n")
    return Outcome(clips, reasons, len(listing.sources), seconds)


def _lines(source, record, result, first):
    """Pairs (line of the report, number of the clip or None) of a source; `first`: dict from key
    to the name of the source that had it first."""
    head = {"source": source.name, "split": source.split, "speaker": source.speaker}
    if not result:
        problem = (record and record["problem"]) or ["pending", "not prepared, or changed since"]
    elif record["key"] in first:
        problem = ["duplicate", f"has the content of {first[record['key']]}"]
    else:
        problem = result["problem"]
    if problem:
        yield {**head, "kept": False, "reason": problem[0], "detail": problem[1]}, None
        return
    for entry in result["clips"]:
        line = {**head, **entry}
        number = line.pop("number", None)
        if number is not None:
            line["clip"] = f"{source.name}/{number:03d}"
        yield line, number


def fingerprint(texts):
    """16 digits that change with any of the texts."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def table(outcome, num_made):
    """Lines that sum a build up: clips and hours of each split, what was left out and why, rate.

    Args:
      outcome: `Outcome`.
      num_made: how many videos this run prepared; the others were prepared before.
    """
    kept = collections.defaultdict(list)
    for clip in outcome.clips:
        kept[clip.source.split].append(clip)
    rows = [("split", "speakers", "clips", "hours")]
    for split, clips in sorted(kept.items()):
        speakers = {clip.source.speaker for clip in clips}
        hours = sum(clip.duration_s for clip in clips) / 3600
        rows.append((split, str(len(speakers)), str(len(clips)), f"{hours:.3g}"))
    lines = _aligned(rows)
    if reasons := outcome.reasons:
        lines += [
            "",
            *_aligned([("left out", ""), *((r, str(n)) for r, n in reasons.most_common())]),
        ]
    lines += ["", f"{outcome.num_videos} videos, {num_made} of them prepared now"]
    if outcome.seconds:
        minutes = outcome.seconds / 60
        video_s = sum(clip.duration_s for clip in outcome.clips)
        lines.append(
            f"{len(outcome.clips) / minutes:.1f} clips, {video_s / minutes:.0f} s of clips per "
            "minute and process"
        )
    return lines


def shown_reasons(outcome, limit):
    """The most frequent reasons in one line, such as "no face: 3, duplicate: 1"."""
    shown = outcome.reasons.most_common(limit)
    return ", ".join(f"{reason}: {count}" for reason, count in shown) or "and no reason"


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]
