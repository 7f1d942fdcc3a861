"""What a clip is annotated with, besides its pictures and its sound."""

from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, face_mesh, head_pose, phonemes

from . import transcripts

NUM_MESH = 468


class Script(NamedTuple):
    """What is said in a video.

    Attributes:
      segments: pairs (phoneme class, start in s of the video), or None: not known.
      problem: why it is not known, or "".
    """

    segments: list | None = None
    problem: str = ""


def script(source, sound_path, parameters):
    """`Script` of a `Source`; its `problem` where its transcript is missing or does not fit."""
    if parameters.phonemes != "transcript":
        return Script()
    if source.transcript is None:
        suffixes = " or ".join(transcripts.SUFFIXES)
        return Script(problem=f"found no {suffixes} beside the video")
    try:
        return Script(transcripts.segments(source.transcript, sound_path))
    except UserError as error:
        return Script(problem=str(error))


def frame_phonemes(samples, start_sample, num_frames, parameters, script):
    """Classes of the frames of a clip, and what to tell of them in the report.

    Args:
      samples: int16 [S] of the clip.
      start_sample: of the recording, with which it begins.
      num_frames: T.
      parameters: `Parameters`.
      script: `Script` of the video.

    Returns:
      (int32 [T]; dict, empty unless transcripts are asked for: `phonemes` "aligned", or
      "recognised" and `phonemes_detail`, why).
    """
    if parameters.phonemes == "none":
        return np.full(num_frames, phonemes.PHONEME_INDEX["NSN"], np.int32), {}
    if script.segments is not None:
        start_s = start_sample / audio.SAMPLE_RATE_HZ
        segments = [(index, time_s - start_s) for index, time_s in script.segments]
        classes = phonemes.frame_phonemes(segments, num_frames, parameters.fps)
        return classes, {"phonemes": "aligned"}
    classes = phonemes.recognise_phonemes(samples, num_frames=num_frames, fps=parameters.fps)
    if parameters.phonemes != "transcript":
        return classes, {}
    return classes, {"phonemes": "recognised", "phonemes_detail": script.problem}


def of_track(track, box, size):
    """Landmarks in px of the clip, mesh without pose, pose, mouth; NaN without a mesh.

    Args:
      track: `face_track.FaceTrack` in px of the picture.
      box: the square that is cut out, x0, y0, x1, y1 in px of the picture.
      size: its side in px of the clip.
    """
    num_frames = len(track.boxes)
    if track.meshes is None:
        shapes = {"landmarks": (68, 2), "mesh": (NUM_MESH, 3), "pose": (6,), "mouth_box": (4,)}
        return {
            name: np.full((num_frames, *shape), np.nan, np.float32)
            for name, shape in shapes.items()
        }
    x0, y0, x1, _ = box
    meshes = (track.meshes.astype(np.float64) - (x0, y0, 0)) * (size / (x1 - x0))
    landmarks = face_mesh.landmarks_68(meshes)
    return {
        "landmarks": landmarks,
        "mesh": head_pose.head_frame(meshes),
        "pose": head_pose.head_pose(meshes, (size, size)),
        "mouth_box": face_mesh.mouth_box(landmarks).astype(np.float32),
    }
