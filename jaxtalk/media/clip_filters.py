"""Which clips are worth training on: measures of a clip, and the first reason to leave it out."""

import itertools
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxtalk.media import audio as audio_lib
from jaxtalk.media import crop, face

_SHARPNESS_PX = 128  # all faces are compared at this size
_STEP = audio_lib.SAMPLE_RATE_HZ // 100  # energies are taken every 10 ms
_FLOOR_DB = -100.0
_SPEECH_OVER_NOISE_DB, _SPEECH_MIN_DB = 12.0, -55.0
_HANGOVER = 10  # energies: closures of 0.1 s belong to speech


class ClipLimits(NamedTuple):
    """What a clip must have.

    Attributes:
      min_face_px: median of the longer side of the face's box.
      min_sharpness: see `sharpness`; faces of procedural heads that are 140 px tall have 0.24 to
        0.48, enlarged from a half of the pixels 0.03 to 0.09, from a quarter 0.005 to 0.02.
      min_duration_s, max_padding (see `crop.padding`).
      min_loudness_db: of the sound, root mean square, 0 = full scale.
      min_speech_part: of the frames.
    """

    min_face_px: float = 64.0
    min_sharpness: float = 0.01
    min_duration_s: float = 1.0
    max_padding: float = 0.25
    min_loudness_db: float = -50.0
    min_speech_part: float = 0.25


class ClipMeasures(NamedTuple):
    """Of one clip; `loudness_db` and `speech_part` are None without a sound track."""

    face_px: float
    sharpness: float
    duration_s: float
    padding: float
    loudness_db: float | None
    speech_part: float | None


def face_px(boxes):
    """Median over time of the longer side of a face's box, [n, 4] -> px."""
    return float(np.median((boxes[:, 2:] - boxes[:, :2]).max(1)))


def sharpness(image, box):
    """Variance of the Laplacian of a face, relative to its variance of brightness.

    Measured at 128 px whatever the face's size, so that a face that was enlarged counts as
    blurred, and a large one is not favoured; contrast cancels.

    Args:
      image: uint8 [H, W, 3].
      box: of the face, [4] px.

    Returns:
      float, 0 for an even picture.
    """
    square = face.portrait_crop(image, _SHARPNESS_PX, crop.crop_box(box, increase=0.0))
    grey = np.asarray(Image.fromarray(square).convert("L"), np.float64)
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * inner) / max(np.var(inner), 1.0))


def loudness_db(audio):
    """Root mean square of int16 or float [S] sound in dB of full scale; at least -100."""
    return float(_decibel(np.mean(_power(audio)))) if len(audio) else _FLOOR_DB


def speech_frames(audio):
    """Whether somebody speaks in each video frame at 25 fps, by energy: [S] -> bool [T].

    Speech is what is 12 dB louder than the clip's quietest tenth, and above -55 dB; breaks under
    0.1 s belong to it. Sound that is always equally loud (noise, a hum) is none. T covers the
    recording, as `audio.num_video_frames`.
    """
    num_frames = audio_lib.num_video_frames(len(audio))
    if not num_frames:
        return np.zeros(0, bool)
    power = _power(audio)
    power = np.pad(power, (0, -len(power) % _STEP), mode="edge").reshape(-1, _STEP).mean(1)
    energy_db = _decibel(power)
    noise_db = np.quantile(energy_db, 0.1)
    loud = energy_db > max(noise_db + _SPEECH_OVER_NOISE_DB, _SPEECH_MIN_DB)
    edges = np.flatnonzero(loud)
    for start, stop in itertools.pairwise(edges):
        if stop - start <= _HANGOVER:
            loud[start:stop] = True
    loud = np.pad(loud, (0, 4 * num_frames - len(loud)))
    return loud.reshape(num_frames, 4).any(1)


def _power(audio):
    scale = 32768.0 if audio.dtype == np.int16 else 1.0
    return (audio.astype(np.float64) / scale) ** 2


def _decibel(power):
    return 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))


def reject_reason(measures, limits=ClipLimits()):  # noqa: B008, immutable
    """Why a clip is left out, one line with what was found and expected; None = it is kept."""
    at_least = (
        ("duration_s", limits.min_duration_s, "too short"),
        ("face_px", limits.min_face_px, "face too small"),
        ("sharpness", limits.min_sharpness, "blurred"),
        ("loudness_db", limits.min_loudness_db, "silent"),
        ("speech_part", limits.min_speech_part, "no speech"),
    )
    if measures.loudness_db is None or measures.speech_part is None:
        return "no audio: found no sound track"
    for name, limit, reason in at_least:
        value = getattr(measures, name)
        if not value >= limit:  # NaN too
            return f"{reason}: found {name} {value:.3g}, expected at least {limit:g}"
    if not measures.padding <= limits.max_padding:
        return (
            f"face at the border: found padding {measures.padding:.3g}, expected at most "
            f"{limits.max_padding:g}"
        )
    return None
