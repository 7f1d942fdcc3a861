"""From the faces of single frames to one face over time."""

import itertools
from typing import NamedTuple

import numpy as np


class FaceTrack(NamedTuple):
    """One face over time.

    Attributes:
      frames: int [n], rising numbers of the frames in which the face was seen.
      boxes: float32 [n, 4], x0, y0, x1, y1 in px.
      scores: float32 [n], 0 where interpolated.
      meshes: float32 [n, 468, 3] in px, or None where the detector makes none.
    """

    frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    meshes: np.ndarray | None


def overlap(one, other):
    """Intersection over union of boxes [..., 4], broadcast against each other."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1) for box in (one, other)]
    union = areas[0] + areas[1] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def face_tracks(detections, *, min_overlap=0.3, max_gap=10):
    """Joins the faces of consecutive frames; those that overlap most are joined first.

    A face with a mesh takes 6 KB: divide shots that last for many minutes.

    Args:
      detections: iterable with the list of `face_detector.Face` of each frame, of one shot.
      min_overlap: of a face with the track's last box, intersection over union.
      max_gap: frames that a face may be missing before its track ends.

    Returns:
      List of `FaceTrack`, in the order of their first frames; each face is in one of them.
    """
    ended, open_tracks = [], []  # a track is a list of (frame, Face)
    for frame, faces in enumerate(detections):
        ended += [track for track in open_tracks if frame - track[-1][0] > max_gap + 1]
        open_tracks = [track for track in open_tracks if frame - track[-1][0] <= max_gap + 1]
        for track, face in _matches(open_tracks, faces, min_overlap):
            if track is None:
                open_tracks.append(track := [])
            track.append((frame, face))
    tracks = sorted(ended + open_tracks, key=lambda track: track[0][0])
    return [_stacked(track) for track in tracks]


def _matches(tracks, faces, min_overlap):
    """Pairs (track or None, face), one for each face; greedy."""
    if not tracks or not faces:
        return [(None, face) for face in faces]
    last = np.array([track[-1][1].box for track in tracks])
    scores = overlap(last[:, None], np.array([face.box for face in faces]))
    pairs, track_of = np.argwhere(scores >= min_overlap), {}
    taken = set()
    for t, f in sorted(pairs.tolist(), key=lambda pair: -scores[tuple(pair)]):
        if t not in taken and f not in track_of:
            taken.add(t)
            track_of[f] = tracks[t]
    return [(track_of.get(f), face) for f, face in enumerate(faces)]


def _stacked(track):
    frames, faces = zip(*track)
    meshes = [face.mesh for face in faces]
    return FaceTrack(
        np.array(frames),
        np.array([face.box for face in faces], np.float32),
        np.array([face.score for face in faces], np.float32),
        None if any(mesh is None for mesh in meshes) else np.array(meshes, np.float32),
    )


def main_track(tracks):
    """The track of a clip: the largest sum of box areas over its frames, so that a face that is
    long in the picture and near wins; None if there is none."""
    return max(tracks, default=None, key=lambda track: np.prod(_sides(track.boxes), axis=-1).sum())


def num_rivals(tracks, main, min_part=0.5):
    """How many other faces are as prominent as the main one.

    Counted are tracks that share frames with it and whose boxes have at least `min_part` of its
    mean side: who of them speaks cannot be told from the pictures.
    """
    side = np.mean(_sides(main.boxes))
    return sum(
        track is not main
        and bool(np.isin(track.frames, main.frames).any())
        and np.mean(_sides(track.boxes)) >= min_part * side
        for track in tracks
    )


def _sides(boxes):
    return boxes[:, 2:] - boxes[:, :2]


def filled(track, max_gap=10):
    """The parts of a track without holes: gaps are interpolated linearly, longer ones divide it.

    Args:
      track: `FaceTrack`.
      max_gap: missing frames that are filled in.

    Returns:
      List of `FaceTrack` with consecutive frames, in order; one, if no gap is too long.
    """
    breaks = np.flatnonzero(np.diff(track.frames) > max_gap + 1) + 1
    edges = [0, *breaks.tolist(), len(track.frames)]
    return [_interpolated(track, slice(*part)) for part in itertools.pairwise(edges)]


def _interpolated(track, part):
    seen = track.frames[part]
    frames = np.arange(seen[0], seen[-1] + 1)
    after = np.minimum(np.searchsorted(seen, frames), len(seen) - 1)
    before = np.maximum(after - (seen[after] != frames), 0)
    step = np.maximum(seen[after] - seen[before], 1)
    weight = ((frames - seen[before]) / step).astype(np.float32)

    def between(values):
        w = weight.reshape(-1, *[1] * (values.ndim - 1))
        return values[before] + w * (values[after] - values[before])

    there = np.isin(frames, seen)
    return FaceTrack(
        frames,
        between(track.boxes[part]),
        np.where(there, track.scores[part][before], 0.0).astype(np.float32),
        None if track.meshes is None else between(track.meshes[part]),
    )
