"""What a builder finds under its root: videos, who speaks in them, and what is not there."""

import collections
import hashlib
import os
from typing import NamedTuple

from jaxtalk.core.errors import UserError

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv"),
    *(".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".asf", ".ogv"),
)


class Segment(NamedTuple):
    """A part of a video.

    Attributes:
      start_s, stop_s: in s of the video; stop None = its end.
      face: where the face to follow is on average, x0, y0, x1, y1 in parts of the picture's width
        and height; None = the main one.
      window: the square to cut out, x0, y0, side in parts of the picture's height; None = that of
        the face.
    """

    start_s: float = 0.0
    stop_s: float | None = None
    face: tuple[float, ...] | None = None
    window: tuple[float, ...] | None = None


class Source(NamedTuple):
    """A video file.

    Attributes:
      name: of the source in the corpus; unique, "/" between its parts, the same on each machine.
      path: of the file.
      speaker: who speaks; of one split only where splits are disjoint by identity.
      split: "train", "validation" or "test".
      style: emotion and level where known, else "".
      audio: file with the sound, where the video has none of its own; or None.
      segments: of `Segment`, rising and without overlap; () = all of it.
      transcript: text file with what is said, or None; see `transcripts`.
      coefficients: file with its expression, or None; see `coefficients`.
    """

    name: str
    path: str
    speaker: str
    split: str
    style: str = ""
    audio: str | None = None
    segments: tuple[Segment, ...] = ()
    transcript: str | None = None
    coefficients: str | None = None

    @property
    def files(self):
        """Paths of all files that decide its clips."""
        paths = (self.path, self.audio, self.transcript, self.coefficients)
        return [path for path in paths if path]


class Listing(NamedTuple):
    """What is there: `Source`s by name; and what is not, as pairs (name, detail)."""

    sources: list
    missing: list


def checked_root(root):
    """`root` as an absolute path.

    Raises:
      UserError: not a folder that can be listed.
    """
    root = os.path.abspath(root)
    try:
        os.listdir(root)
    except OSError as error:
        raise UserError(
            f"--root: found {root} ({error.strerror.lower()}), expected the folder of the data set"
        ) from None
    return root


def contents(folder, limit=6):
    """The first names in a folder, for a message."""
    names = sorted(os.listdir(folder))
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit]) or 'nothing'}{more}"


def walk(root):
    """(paths relative to `root` of all files, faults), in order.

    Links to folders are followed once; hidden files and folders are passed over. Faults are pairs
    (folder, detail) of what cannot be listed.
    """
    faults, found, seen = [], [], set()

    def note(error):
        faults.append((os.path.relpath(error.filename, root), error.strerror.lower()))

    for folder, folders, names in os.walk(root, followlinks=True, onerror=note):
        real = os.path.realpath(folder)
        folders[:] = sorted(n for n in folders if not n.startswith(".")) if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        found += [os.path.join(folder, n) for n in sorted(names) if not n.startswith(".")]
    return sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in found), faults


def is_video(path):
    """Whether a file's name says that it is a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def stem(path):
    """A path without the suffix of its last part."""
    return os.path.splitext(path)[0]


def held_out(speakers, part, salt):
    """A set of about `part` of the speakers, at least one of three or more.

    Chosen by a hash of their names, so that no order or machine changes who they are.
    """
    speakers = sorted(set(speakers), key=lambda name: (_digest(f"{salt}/{name}"), name))
    count = round(part * len(speakers))
    return set(speakers[: max(count, 1) if len(speakers) > 2 else count])


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def unique_names(paths):
    """dict from relative path to the name of a source: without suffix, where that is unique."""
    counts = collections.Counter(stem(path) for path in paths)
    return {path: stem(path) if counts[stem(path)] == 1 else path for path in paths}
