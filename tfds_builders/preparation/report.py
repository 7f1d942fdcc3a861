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
    """Of a build: the `Clip`s, the lines of the report, and the seconds that workers spent."""

    clips: list
    lines: list
    seconds: float


def outcome(listing, store):
    """Reads from the store what became of every source; the same whatever order they were made in.

    Of videos with the same content, the first is kept.
    """
    clips, lines, first, seconds = [], [], {}, 0.0
    for source in listing.sources:
        head = {"source": source.name, "split": source.split, "speaker": source.speaker}
        record = store.noted(source)
        result = record and record["key"] and store.result(record["key"])
        if not result:
            problem = (record and record["problem"]) or [
                "unreadable",
                "it changed during the build",
            ]
        elif record["key"] in first:
            problem = ["duplicate", f"has the content of {first[record['key']]}"]
        else:
            problem = result["problem"]
            first[record["key"]] = source.name
            seconds += result["seconds"]
        if problem:
            lines.append({**head, "kept": False, "reason": problem[0], "detail": problem[1]})
            continue
        for entry in result["clips"]:
            number = entry.get("number")
            line = {**head, **{k: v for k, v in entry.items() if k != "number"}}
            if number is not None:
                name = f"{source.name}/{number:03d}"
                clips.append(
                    Clip(
                        name,
                        source,
                        record["key"],
                        number,
                        entry["start_s"],
                        entry["duration_s"],
                    )
                )
                line["clip"] = name
            lines.append(line)
    for name, detail in listing.missing:
        lines.append({"source": name, "kept": False, "reason": MISSING, "detail": detail})
    return Outcome(clips, lines, seconds)


def fingerprint(names):
    """16 digits that change with the names."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def write(path, lines):
    """One JSON object a line; whole or absent."""
    with files.replacing(path) as temporary, open(temporary, "w") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


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
    if reasons := _reasons(outcome.lines):
        lines += [
            "",
            *_aligned([("left out", ""), *((r, str(n)) for r, n in reasons.most_common())]),
        ]
    sources = {line["source"] for line in outcome.lines if line["reason"] != MISSING}
    lines += ["", f"{len(sources)} videos, {num_made} of them prepared now"]
    if outcome.seconds:
        minutes = outcome.seconds / 60
        video_s = sum(clip.duration_s for clip in outcome.clips)
        lines.append(
            f"{len(outcome.clips) / minutes:.1f} clips, {video_s / minutes:.0f} s of clips per "
            "minute and process"
        )
    return lines


def shown_reasons(lines, limit):
    """The most frequent reasons in one line, such as "no face: 3, duplicate: 1"."""
    shown = _reasons(lines).most_common(limit)
    return ", ".join(f"{reason}: {count}" for reason, count in shown) or "and no reason"


def _reasons(lines):
    return collections.Counter(line["reason"] for line in lines if not line["kept"])


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]
