"""Which frames and samples a clip has, and how its sound is brought in step with its lips."""

import itertools
import math

import numpy as np

from jaxtalk.media import audio, face_mesh, face_track

from .sound import sample_at

MAX_OFFSET = 15  # frames at 25 fps
MAX_SHIFT = MAX_OFFSET * audio.SAMPLES_PER_FRAME


class Frames:
    """Stretches of a stream of frames, each after the one before it."""

    def __init__(self, frames):
        self._frames, self._next = frames, 0

    def take(self, start, count):
        """Iterator over frames `start` to `start + count`."""
        stop, skipped = start + count, start - self._next
        self._next = stop
        return itertools.islice(self._frames, skipped, skipped + count)


def span(candidate, fps):
    """(first sample, sample behind the last) of a `pieces.Candidate` in its video."""
    start = sample_at(candidate.start, fps)
    return start, start + sample_at(len(candidate.track.boxes), fps)


def in_step(candidate, box, samples, parameters, streams):
    """Finds the offset of a clip's sound, and what is left of the clip when it is taken back.

    The sound is taken from the recording as many frames earlier as the lips lag. What the recording
    does not have there is cut off, at the beginning or end of the video only.

    Args:
      candidate: `pieces.Candidate`.
      box: the square that is cut out, px of the picture.
      samples: int16 [S] of the clip's time.
      parameters: `Parameters`.
      streams: of `clips`, with a `lip_sync`.

    Returns:
      (`pieces.Candidate`; shift, samples by which its sound is to be taken earlier; measures for
      the report, `av_offset_frames`, of 40 ms, by which the lips lag in the video, before the
      sound is moved, and `sync_confidence`; reason to leave it out or None).
    """
    lip_sync, fps = streams.lip_sync, parameters.fps
    # Frames at 25 fps that lie within the clip.
    first = math.ceil(candidate.start * audio.FPS / fps)
    stop = math.floor((candidate.start + len(candidate.track.boxes)) * audio.FPS / fps)
    if stop - first < lip_sync.min_frames:
        fault = (
            f"too short: found {stop - first} frames, expected at least {lip_sync.min_frames} to "
            f"find an offset among +-{MAX_OFFSET}"
        )
        return candidate, 0, {}, fault
    skipped = audio.SAMPLES_PER_FRAME * first - span(candidate, fps)[0]
    found = lip_sync.measure(
        streams.seen.take(first, stop - first),
        samples[skipped:],
        box=box,
        size=parameters.size,
        points=_points(candidate, first, stop, fps),
    )
    shown = {"av_offset_frames": found.offset, "sync_confidence": found.confidence}
    if fault := _fault(found, parameters):
        return candidate, 0, shown, fault
    shift = audio.SAMPLES_PER_FRAME * found.offset
    return _cut(candidate, shift, fps, streams.sound), shift, shown, None


def _fault(found, parameters):
    if abs(found.offset) > MAX_OFFSET:
        return (
            f"out of sync: found lips and sound more than {MAX_OFFSET} frames apart, expected at "
            "most as many"
        )
    if not found.confidence >= parameters.min_sync_confidence:  # NaN too
        return (
            f"no sync: found sync_confidence {found.confidence:.3g}, expected at least "
            f"{parameters.min_sync_confidence:g}"
        )
    return None


def _points(candidate, first, stop, fps):
    """Landmarks [T, 68, 2] of the frames at 25 fps, px of the picture; None without a mesh."""
    meshes = candidate.track.meshes
    if meshes is None:
        return None
    nearest = np.round(np.arange(first, stop) * fps / audio.FPS).astype(int) - candidate.start
    return face_mesh.landmarks_68(meshes[nearest.clip(0, len(meshes) - 1)])


def _cut(candidate, shift, fps, sound):
    """The `pieces.Candidate` without the frames that have no sound `shift` samples earlier."""
    start, stop = span(candidate, fps)
    head = math.ceil(max(0, shift - start) * fps / audio.SAMPLE_RATE_HZ)
    # A sound track that is a little shorter than its video is so with or without a shift.
    missing = min(sound.lacks(start - shift, stop - shift), max(0, -shift))
    tail = math.ceil(missing * fps / audio.SAMPLE_RATE_HZ)
    kept = slice(head, len(candidate.track.boxes) - tail)
    values = (None if value is None else value[kept] for value in candidate.track)
    return candidate._replace(start=candidate.start + head, track=face_track.FaceTrack(*values))
