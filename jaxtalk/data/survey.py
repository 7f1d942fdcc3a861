"""What is in a corpus: numbers of its clips, read one at a time, and of the report of its build."""

import collections
import dataclasses
import math
import sys
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from jaxtalk.core.errors import UserError
from jaxtalk.data.histogram import Histogram
from jaxtalk.data.source import open_corpus, report_lines
from jaxtalk.media import audio as audio_lib
from jaxtalk.media import clip_filters
from jaxtalk.media.video import decode_frames, num_frames

_MAX_TOLD = 20  # faults; the others are counted
_MAX_MEASURES = 30  # of a report
_SHARPNESS_FRAMES = 3


class Measure(NamedTuple):
    """Of clips or frames: what the axis says, the narrowest bin, and whether values are whole."""

    title: str
    finest: float = 2.0**-10
    whole: bool = False


MEASURES = {
    "duration_s": Measure("duration, s", 0.25),
    "face_px": Measure("face, px: longer side of the landmarks' box", 1.0),
    "yaw": Measure("yaw of each frame, degrees", 1.0),
    "pitch": Measure("pitch of each frame, degrees", 1.0),
    "roll": Measure("roll of each frame, degrees", 1.0),
    "av_offset_frames": Measure("offset of sound and picture, frames", whole=True),
    "sharpness": Measure("sharpness within the landmarks' box", 2.0**-9),
    "loudness_db": Measure("loudness, dB of full scale", 0.5),
    "speech_part": Measure("speech, part of the frames", 2.0**-5),
}
REPORT_MEASURES = {
    **MEASURES,
    "face_px": Measure("face in the source video, px", 1.0),
    "sharpness": Measure("sharpness of the face", 2.0**-9),
    "padding": Measure("part of the crop beyond the picture", 2.0**-6),
    "av_offset_frames": Measure("offset in the source video, frames", whole=True),
}


@dataclasses.dataclass
class SplitSurvey:
    """Of the clips of a split that were looked at; `num_clips` are there."""

    name: str
    num_clips: int
    num_read: int = 0
    num_frames: int = 0
    seconds: float = 0.0
    speakers: set = dataclasses.field(default_factory=set)
    styles: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    num_faults: int = 0
    faults: list = dataclasses.field(default_factory=list)  # (number of the clip, what is wrong)


def new_histograms():
    """dict from a name of `MEASURES` to an empty `Histogram`."""
    return {name: Histogram(m.finest, whole=m.whole) for name, m in MEASURES.items()}


def survey_split(dataset, split, histograms, *, limit=None, num_strips=0, draw=None):
    """Looks at the clips of a split, one in memory at a time; a bad one is told and passed over.

    Args:
      dataset: as `open_corpus`.
      split: its name.
      histograms: of `new_histograms`, which are added to.
      limit: how many clips to look at, evenly spaced; None = all.
      num_strips: how many of these to draw, evenly spaced.
      draw: from a clip to what is kept of it.

    Returns:
      (`SplitSurvey`, list of what was drawn)
    """
    corpus = open_corpus(dataset, split)
    found, drawn = SplitSurvey(split, len(corpus)), []
    indices = _evenly(range(len(corpus)), limit)
    to_draw = set(_evenly(indices, num_strips))
    for index in tqdm(indices, desc=split, unit="clip", disable=None):
        try:
            clip = corpus[index]
            measures = measure(clip)
            strip = draw(clip) if index in to_draw else None
        except Exception as error:  # whatever a damaged record brings about
            found.num_faults += 1
            fault = f"{type(error).__name__}: {error}".partition("\n")[0]
            if len(found.faults) < _MAX_TOLD:
                found.faults.append((index, fault))
                print(f"{split} {index}: passed over: {fault}", file=sys.stderr)
            continue
        if strip is not None:
            drawn.append(strip)
        _count(found, clip, measures, histograms)
    return found, drawn


def _evenly(indices, count):
    """At most `count` of a sequence; None = all."""
    if count is None or count >= len(indices):
        return list(indices)
    places = np.linspace(0, len(indices) - 1, count).round().astype(int).tolist()
    return [indices[place] for place in places]


def _count(found, clip, measures, histograms):
    found.num_read += 1
    found.num_frames += measures["num_frames"]
    found.seconds += measures["duration_s"]
    found.sizes[measures["size"]] += 1
    found.speakers.add(bytes(clip.get("speaker", b"")))
    found.styles[bytes(clip.get("style", b""))] += 1
    for name, histogram in histograms.items():
        if name in measures:
            histogram.add(measures[name])


def measure(clip):
    """dict of the `MEASURES` that a clip has, and `num_frames`, `size`: (width, height) px.

    Raises:
      UserError or another exception: a damaged clip.
    """
    count, fps, sound = num_frames(clip["video"]), float(clip["fps"]), clip["audio"]
    if not (count and math.isfinite(fps) and fps > 0):
        raise UserError(f"video: found {count} frames at {fps:g} fps, expected some")
    indices = np.linspace(0, count - 1, min(count, _SHARPNESS_FRAMES)).round().astype(int)
    frames = decode_frames(clip["video"], indices.tolist())
    found = {
        "num_frames": count,
        "size": frames.shape[2:0:-1],
        "duration_s": count / fps,
        "loudness_db": clip_filters.loudness_db(sound),
    }
    if audio_lib.num_video_frames(len(sound)):
        found["speech_part"] = clip_filters.speech_frames(sound).mean()
    if "landmarks" in clip:
        points = clip["landmarks"]
        boxes = np.concatenate([points.min(1), points.max(1)], axis=1)
        found["face_px"] = clip_filters.face_px(boxes)
        pairs = zip(frames, boxes[indices])
        seen = [clip_filters.sharpness(f, box) for f, box in pairs if np.isfinite(box).all()]
        found["sharpness"] = np.median(seen) if seen else np.nan
    if "pose" in clip:
        angles = np.degrees(clip["pose"][:, :3]).T
        found |= dict(zip(("yaw", "pitch", "roll"), angles))
    if "av_offset_frames" in clip:
        found["av_offset_frames"] = clip["av_offset_frames"]
    return found


@dataclasses.dataclass
class Report:
    """Of build_report.jsonl.

    Attributes:
      num_kept: clips that are in the corpus.
      reasons: Counter of why the others are not.
      examples: dict from a reason to the first source with it, and the detail.
      histograms: dict from a measure to a `Histogram` of two groups: kept, left out.
      num_damaged: lines that are no JSON object.
    """

    num_kept: int = 0
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    examples: dict = dataclasses.field(default_factory=dict)
    histograms: dict = dataclasses.field(default_factory=dict)
    num_damaged: int = 0


def read_report(dataset):
    """`Report` of a corpus, read line by line; None where there is no such file."""
    lines = report_lines(dataset)
    if lines is None:
        return None
    report = Report()
    for line in lines:
        if line is None:
            report.num_damaged += 1
        else:
            _count_line(report, line)
    return report


def _count_line(report, line):
    if kept := line.get("kept") is True:
        report.num_kept += 1
    else:
        reason = str(line.get("reason"))
        report.reasons[reason] += 1
        detail = str(line.get("source")), str(line.get("detail") or "")
        report.examples.setdefault(reason, detail)
    for name, value in line.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or name == "start_s":
            continue
        if name not in report.histograms and len(report.histograms) == _MAX_MEASURES:
            continue
        known = REPORT_MEASURES.get(name, Measure(name))
        histogram = report.histograms.setdefault(
            name, Histogram(known.finest, whole=known.whole, groups=2)
        )
        histogram.add(value, 0 if kept else 1)
