"""TFDS builder of HDTF: politicians who speak to the camera, from YouTube.

HDTF publishes addresses and annotations (MRzzm/HDTF); the root holds both these and the videos:

    HDTF_dataset/WDA_annotion_time.txt          AdamSchiff.mp4 00:05-04:40
    HDTF_dataset/WDA_crop_wh.txt                AdamSchiff_0.mp4 608 726 0 726
    HDTF_dataset/WDA_resolution.txt             AdamSchiff.mp4 1080
    _videos_raw/WDA_AdamSchiff.mp4              as universome/HDTF downloads them; or AdamSchiff.mp4
                                                anywhere below the root

(The second file's numbers are left, width, top, height of the square in px at the third file's
height.)
"""

import os
import re

from jaxtalk.core.errors import UserError
from tfds_builders.preparation import sources
from tfds_builders.preparation.corpus import Corpus

SUBSETS = ("RD", "WDA", "WRA")
CROPS = ("track", "published")
_TEST_PART, _VALIDATION_PART = 0.1, 0.05
_TIMES = re.compile(r"(?:(\d+):)?(\d+):(\d+)-(?:(\d+):)?(\d+):(\d+)")


class Hdtf(Corpus):
    """Clips of HDTF, in the schema that all corpora of this project share.

    `style` is the speaker. Test speakers are not in the training split.
    """

    name = "hdtf"

    def list_sources(self, root):
        """See `Corpus.list_sources`; option `crops`: "track" or "published"."""
        published = self.builder_config.options.get("crops", CROPS[0]) == "published"
        folder = f"{root}/HDTF_dataset"
        subsets = [s for s in SUBSETS if os.path.isfile(f"{folder}/{s}_annotion_time.txt")]
        if not subsets:
            raise UserError(
                f"--root: found {sources.contents(root)} in {root}, expected HDTF's annotations, "
                "such as HDTF_dataset/WDA_annotion_time.txt; clone github.com/MRzzm/HDTF there"
            )
        paths, missing = sources.walk(root)
        videos = {os.path.basename(sources.stem(p)): p for p in paths if sources.is_video(p)}
        missing += [
            (f"HDTF_dataset/{s}_annotion_time.txt", "found no such file")
            for s in SUBSETS
            if s not in subsets
        ]
        found, listed = [], []
        for subset in subsets:
            times = _table(folder, subset, "annotion_time")
            windows = _table(folder, subset, "crop_wh") if published else {}
            heights = _table(folder, subset, "resolution") if published else {}
            for name, spans in times.items():
                listed.append(f"{subset}_{name}")
                path = videos.get(f"{subset}_{name}") or videos.get(name)
                if path is None:
                    missing.append((f"{subset}/{name}", f"found no {name}.mp4"))
                    continue
                segments, faults = _segments(name, spans, windows, heights, published)
                missing += [(f"{subset}/{name}", fault) for fault in faults]
                if segments:
                    speaker = speaker_of(subset, name)
                    source = sources.Source(f"{subset}/{name}", f"{root}/{path}", speaker, "")
                    found.append(source._replace(style=speaker, segments=segments))
        if not listed:
            raise UserError(
                f"--root: found no line in {', '.join(f'{s}_annotion_time.txt' for s in subsets)} "
                f"of {folder}, expected such as AdamSchiff.mp4 00:05-04:40; clone "
                "github.com/MRzzm/HDTF again"
            )
        if not found:
            name, fault = missing[-1]
            raise UserError(
                f"--root: found none to use of the {len(listed)} videos that HDTF lists below "
                f"{root} ({name}: {fault}); expected such as _videos_raw/{listed[-1]}.mp4"
            )
        split_of = splits(source.speaker for source in found)
        return sources.Listing(
            sorted(source._replace(split=split_of[source.speaker]) for source in found), missing
        )


def speaker_of(subset, name):
    """ "WDA", "AmyKlobuchar1" -> "AmyKlobuchar". Who speaks in the videos of RD is not published:
    each counts as somebody of their own."""
    return name if subset == "RD" else name.rstrip("0123456789_")


def splits(speakers):
    """dict from speaker to split: a tenth test, a twentieth validation; RD is in train, since two
    of its videos may show the same person."""
    speakers = set(speakers)
    known = {name for name in speakers if not name.startswith("Radio")}
    test = sources.held_out(known, _TEST_PART, "test")
    validation = sources.held_out(known - test, _VALIDATION_PART, "validation")
    names = {**dict.fromkeys(speakers, "train"), **dict.fromkeys(test, "test")}
    return {**names, **dict.fromkeys(validation, "validation")}


def _table(folder, subset, kind):
    """dict from name, without .mp4, to the other words of its line; {} where there is no file."""
    path = f"{folder}/{subset}_{kind}.txt"
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        rows = [line.split() for line in file]
    return {row[0].removesuffix(".mp4"): row[1:] for row in rows if row}


def _segments(name, spans, windows, heights, published):
    """(rising `Segment`s of a video, faults)."""
    segments, faults = [], [] if spans else ["found no times, expected such as 00:05-04:40"]
    for number, span in enumerate(spans):
        match = _TIMES.fullmatch(span)
        if not match:
            faults.append(f"found {span} in its times, expected such as 00:05-04:40")
            continue
        numbers = [int(part or 0) for part in match.groups()]
        start_s, stop_s = (h * 3600 + m * 60 + s for h, m, s in (numbers[:3], numbers[3:]))
        if stop_s <= start_s:
            faults.append(f"found {span} in its times, expected an end after the start")
            continue
        window = None
        if published:
            window = _window(windows.get(f"{name}_{number}"), heights.get(name))
            if window is None:
                faults.append(f"found no crop of {name}_{number}, or no resolution")
                continue
        segments.append(sources.Segment(float(start_s), float(stop_s), window=window))
    return tuple(sorted(segments, key=lambda s: s.start_s)), faults


def _window(numbers, height):
    """(left, top, side) in parts of the height, from left, width, top, height in px."""
    try:
        left, side, top, _ = map(int, numbers)
        return tuple(round(value / int(height[0]), 5) for value in (left, top, side))
    except (TypeError, ValueError, IndexError, ZeroDivisionError):  # 0: not published
        return None
