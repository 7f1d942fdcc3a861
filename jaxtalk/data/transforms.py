"""From a clip of a corpus to one example of a batch: numpy functions of a clip and a generator.

Each draws its part of the clip from `rng` (`numpy.random.Generator`) and returns arrays as
`jaxtalk.core.batch` lists them, without the batch axis; or None when the clip is too short.
"""

import numpy as np

from jaxtalk.media.audio import audio_excerpt
from jaxtalk.media.face_mesh import eye_aspect_ratio
from jaxtalk.media.video import decode_frames, num_frames


def random_frame(clip, rng):
    """One frame, `frames`, and those of its annotations `landmarks`, `pose`, `expression` and
    `speaker_id` that the clip has.

    Landmarks go from px to [-1, 1] over the picture, edge to edge.
    """
    index = int(rng.integers(num_frames(clip["video"])))
    (frame,) = decode_frames(clip["video"], [index])
    example = {"frames": frame}
    if "landmarks" in clip:
        example["landmarks"] = _over_picture(clip["landmarks"][index], frame)
    for name in ("pose", "expression"):
        if name in clip:
            example[name] = clip[name][index]
    if "speaker_id" in clip:
        example["speaker_id"] = np.int32(clip["speaker_id"])
    return example


def random_pair(clip, rng, *, num_candidates=1):
    """Two frames, `video` of length 2, and their `landmarks` and `pose`, if the clip has them.

    They are drawn independently; but, as eyes are rarely shut, in half of the pairs of clips with
    landmarks the second one is that of `num_candidates` whose eyes are least like the first one's.
    """
    indices = rng.integers(num_frames(clip["video"]), size=2)
    if num_candidates > 1 and "landmarks" in clip and rng.random() < 0.5:
        others = rng.integers(num_frames(clip["video"]), size=num_candidates)
        eyes = eye_aspect_ratio(clip["landmarks"]).mean(axis=-1)
        indices[1] = others[np.abs(eyes[others] - eyes[indices[0]]).argmax()]
    example = {"video": decode_frames(clip["video"], indices)}
    if "landmarks" in clip:
        example["landmarks"] = _over_picture(clip["landmarks"][indices], example["video"][0])
    if "pose" in clip:
        example["pose"] = clip["pose"][indices]
    return example


def random_clip(clip, rng, *, clip_frames):
    """Consecutive frames and their sound: `video`, `audio`."""
    start = _random_start(rng, num_frames(clip["video"]), clip_frames)
    if start is None:
        return None
    return {
        "video": decode_frames(clip["video"], range(start, start + clip_frames)),
        "audio": audio_excerpt(clip["audio"], start, clip_frames),
    }


def random_codes(clip, codes, rng, *, clip_frames, window_frames):
    """Style codes of consecutive frames, their sound, and the real frames of a part of them.

    Args:
      clip: the clip itself.
      codes: float32 [T, num_ws, w_dim], the codes of all its frames; may be memory-mapped.
      rng: draws where the clip begins, then where the window begins in it.
      clip_frames: length of `w` and `audio`.
      window_frames: length of `window`.
    """
    start = _random_start(rng, len(codes), clip_frames)
    if start is None:
        return None
    window_start = _random_start(rng, clip_frames, window_frames)
    first = start + window_start
    return {
        "w": np.array(codes[start : start + clip_frames]),
        "audio": audio_excerpt(clip["audio"], start, clip_frames),
        "window_start": np.int32(window_start),
        "window": decode_frames(clip["video"], range(first, first + window_frames)),
    }


def _over_picture(landmarks, frame):
    """px -> [-1, 1] over a picture, edge to edge."""
    height, width, _ = frame.shape
    return landmarks * np.float32([2 / width, 2 / height]) - np.float32(1)


def _random_start(rng, available, wanted):
    return int(rng.integers(available - wanted + 1)) if available >= wanted else None
