"""What decides how videos become clips."""

import hashlib
import json
from typing import NamedTuple

from jaxtalk.core.errors import UserError
from jaxtalk.media.clip_filters import ClipLimits

# Goes up when the same video and parameters would give another clip.
REVISION = 1
VIDEO_KINDS = ("mp4", "jpeg")
PHONEME_KINDS = ("none", "pocketsphinx", "transcript")


class Parameters(NamedTuple):
    """How videos become clips; all of it is plain, and noted in the corpus.

    Attributes:
      size: px of the square pictures.
      fps: 25, or 30 as StyleTalk; 30 needs `video` "jpeg".
      video: "mp4" (H.264 at `crf`, a key frame each second), or "jpeg", one for each frame.
      crf: of the mp4.
      detector: "mesh" or "cascade", see `media.face_detector`.
      phonemes: "pocketsphinx" recognises them, "transcript" aligns what is said, where that is
        known, or "none": all are NSN, unknown sound.
      syncnet: `LipSync.name` of what brings sound and picture in step, or "none".
      min_sync_confidence: of its measure, see `lip_sync`.
      coefficients: of `expression`: "deng2019", of files beside the videos, or "none".
      max_clip_s: longer shots become several clips.
      max_gap: frames that a face may be missing within a clip.
      limits: what a clip must have.
    """

    size: int = 256
    fps: int = 25
    video: str = "mp4"
    crf: int = 18
    detector: str = "mesh"
    phonemes: str = "none"
    syncnet: str = "none"
    min_sync_confidence: float = 0.0
    coefficients: str = "none"
    max_clip_s: float = 20.0
    max_gap: int = 10
    limits: ClipLimits = ClipLimits()

    def plain(self):
        """dict of plain values, flat."""
        values = self._asdict()
        return {**values.pop("limits")._asdict(), **values}

    @property
    def digest(self):
        """16 digits that change with any of them."""
        text = json.dumps([REVISION, self.plain()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(parameters):
    """UserError for values that do not go together."""
    p = parameters
    for name, value, known in (
        ("fps", p.fps, (25, 30)),
        ("video", p.video, VIDEO_KINDS),
        ("phonemes", p.phonemes, PHONEME_KINDS),
    ):
        if value not in known:
            raise UserError(
                f"--{name}: found {value}, expected one of {', '.join(map(str, known))}"
            )
    if p.fps != 25 and p.video == "mp4":
        raise UserError("--fps: found 30 with --video mp4, which is 25; expected --video jpeg")
    if p.size < 32 or p.size % 2:
        raise UserError(f"--size: found {p.size}, expected an even number of at least 32 px")
    if p.max_clip_s < p.limits.min_duration_s:
        raise UserError(
            f"--max_clip_s: found {p.max_clip_s:g}, expected at least --min_duration_s, "
            f"{p.limits.min_duration_s:g}"
        )
