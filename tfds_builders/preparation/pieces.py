"""A video as a stream of shots, and the faces in each: one pass, in constant memory."""

import collections
import itertools
from typing import NamedTuple

import numpy as np

from jaxtalk.media import face_track, shots

from .sources import Segment

_MIN_OVERLAP = 0.25  # with the first box of a clip, as in the first-order model's preparation
_MIN_FACE_OVERLAP = 0.1  # with a published box, which is often larger than the face


class Piece(NamedTuple):
    """Consecutive frames of one shot and one segment.

    Attributes:
      start: its first frame, in frames of the video at the corpus' rate.
      segment: `Segment` that it is part of.
      image_size: (height, width) px.
      faces: list of `face_detector.Face`, one list a frame.
      fault: why it has no frames, or "".
    """

    start: int
    segment: Segment
    image_size: tuple[int, int]
    faces: list
    fault: str = ""


class Candidate(NamedTuple):
    """What could be a clip: frames `start` to `start + len(track.boxes)` of the video."""

    start: int
    piece: Piece
    track: face_track.FaceTrack


def pieces(frames, segments, detector, fps, max_frames):
    """Divides a video at its cuts, and where a piece gets too long.

    Args:
      frames: iterable of uint8 [H, W, 3] at `fps`.
      segments: tuple of `Segment`; () = all.
      detector: `face_detector.FaceDetector`.
      fps, max_frames: of the corpus, and of a piece.

    Yields:
      `Piece`s in order; what no segment holds is left out. Before them, those of the frames that an
      earlier segment has taken, and of segments that round to none; after them, those that the
      video does not reach: all these without faces, with their `fault`.
    """
    parts, taken = collections.deque(), 0
    for segment in segments or (Segment(),):
        start, stop = _span(segment, fps)
        if start < taken:
            yield _without_frames(start, segment, f"overlap: found {_told(segment, taken, fps)}")
        elif start >= stop:
            yield _without_frames(start, segment, "too short: found no frame in it")
        if max(start, taken) < stop:
            parts.append((max(start, taken), stop, segment))
        taken = max(taken, stop)
    piece = None
    for index, (frame, begins_shot) in enumerate(_with_cuts(frames)):
        while parts and index >= parts[0][1]:
            parts.popleft()
            if piece:
                yield piece
                piece = None
        if not parts:
            return
        if index < parts[0][0]:
            continue
        if piece and (begins_shot or len(piece.faces) == max_frames):
            yield piece
            piece = None
        if piece is None:
            piece = Piece(index, parts[0][2], frame.shape[:2], [])
        piece.faces.append(detector.detect(frame))
    if piece:
        yield piece
        parts.popleft()
    for start, _, segment in parts:
        yield _without_frames(start, segment, "too short: the video ends before")


def _span(segment, fps):
    """(first frame, frame behind the last)."""
    stop = np.inf if segment.stop_s is None else round(segment.stop_s * fps)
    return round(segment.start_s * fps), stop


def _without_frames(start, segment, fault):
    return Piece(start, segment, (0, 0), [], fault)


def _told(segment, taken, fps):
    return (
        f"a part that starts at {segment.start_s:g} s, before the end of another at "
        f"{taken / fps:g} s, expected parts one after the other; what is left is taken"
    )


def _with_cuts(frames):
    """Pairs (frame, whether it begins a shot)."""
    waiting = collections.deque()

    def taken():
        for frame in frames:
            waiting.append(frame)
            yield frame

    for begins in shots.shot_changes(taken()):
        yield waiting.popleft(), begins


def candidates(piece, max_gap):
    """(list of `Candidate`, reason or None) of a piece: one face, without holes, about in place."""
    if piece.fault:
        return [], piece.fault
    tracks = face_track.face_tracks(piece.faces, max_gap=max_gap)
    if not tracks:
        return [], "no face"
    if piece.segment.face:
        main = _followed(tracks, piece)
        if main is None:
            return [], "no face: found none where the published box is"
    else:
        main = face_track.main_track(tracks)
        if face_track.num_rivals(tracks, main):
            return [], "several faces"
    parts = itertools.chain.from_iterable(
        _steady(part) for part in face_track.filled(main, max_gap)
    )
    return [Candidate(piece.start + int(part.frames[0]), piece, part) for part in parts], None


def _followed(tracks, piece):
    """The track that overlaps most with the published box of the segment; None = none does."""
    height, width = piece.image_size
    box = np.array(piece.segment.face) * (width, height, width, height)
    overlaps = [face_track.overlap(track.boxes, box).sum() / len(piece.faces) for track in tracks]
    best = int(np.argmax(overlaps))
    return tracks[best] if overlaps[best] >= _MIN_FACE_OVERLAP else None


def _steady(track):
    """Divides a track without holes where the face has left the place where it was."""
    start = 0
    for stop in range(1, len(track.frames) + 1):
        ended = stop == len(track.frames)
        if ended or face_track.overlap(track.boxes[start], track.boxes[stop]) < _MIN_OVERLAP:
            part = slice(start, stop)
            yield face_track.FaceTrack(
                *(None if values is None else values[part] for values in track)
            )
            start = stop
