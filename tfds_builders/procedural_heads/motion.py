"""Expression and pose of a clip: everything that moves, as a function of the speech.

Nods and brow raises fall on stressed vowels, blinks gather at pauses, the head drifts slowly, the
eyes fixate and jump, and a speaking style (emotion x level, as in MEAD) changes the amplitude of
the mouth, the brows, the pace and the pitch.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from . import visemes
from .expression import INDEX, NUM_EXPRESSION
from .speech import SAMPLE_RATE_HZ, SIL

FPS = 25


class Style(NamedTuple):
    """What level 3 of an emotion does; levels 1 and 2 do 40 % and 70 % of it."""

    mouth: float = 0.0  # added to the jaw's gain of 1
    pace: float = 0.0  # relative change of the words per minute
    pitch: float = 0.0  # espeak-ng units
    pitch_range: float = 0.0
    gestures: float = 0.0  # relative change of the size of nods and drift
    pitch_rad: float = 0.0  # the head's bearing, positive looks down
    face: dict = {}  # expression parameter: offset  # noqa: RUF012


STYLES = {
    "neutral": Style(),
    "happy": Style(0.18, 0.06, 10, 18, 0.3, -0.03,
                   {"smile": 0.75, "squint": 0.45, "brow_outer": 0.15, "lip_wide": 0.15}),
    "sad": Style(-0.22, -0.16, -9, -18, -0.4, 0.10,
                 {"corner_down": 0.75, "brow_inner": 0.85, "eye_wide": -0.45}),
    "angry": Style(0.28, 0.08, 6, 14, 0.5, 0.05,
                   {"brow_lower": 0.95, "squint": 0.35, "upper_lip_raise": 0.18,
                    "lip_press": 0.1, "nose_wrinkle": 0.3}),
    "surprised": Style(0.22, 0.02, 14, 22, 0.2, -0.05,
                       {"brow_inner": 0.85, "brow_outer": 0.9, "eye_wide": 0.8}),
    "disgusted": Style(-0.05, -0.05, -5, 0, 0.0, -0.04,
                       {"nose_wrinkle": 0.85, "upper_lip_raise": 0.3, "brow_lower": 0.55,
                        "squint": 0.4, "corner_down": 0.3}),
    "fearful": Style(-0.05, 0.14, 12, 6, -0.1, 0.0,
                     {"brow_inner": 0.9, "brow_lower": 0.3, "eye_wide": 0.65, "lip_wide": 0.25}),
    "contempt": Style(-0.12, -0.06, -3, -6, -0.2, -0.07,
                      {"smile": 0.25, "smile_side": 0.8, "brow_side": 0.5, "squint": 0.25}),
}  # fmt: skip


# Of the parameters; the others are 0..1.
LIMITS = dict.fromkeys(
    ("lip_wide", "smile_side", "brow_side", "brow_inner", "brow_outer", "eye_wide", "cheek_puff"),
    (-1.0, 1.0),
) | {"jaw_open": (0.0, 2.2), "jaw_side": (-0.4, 0.4), "gaze_yaw": (-0.5, 0.5),
     "gaze_pitch": (-0.4, 0.4)}  # fmt: skip


def style_amount(level):
    """How much of a style a level (1..3) shows."""
    return (0.4, 0.7, 1.0)[level - 1]


def loudness_of(phones, audio):
    """[len(phones)] in [0, 1]: root mean square of each phone relative to the loudest ones."""
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    edges = [(round(p.start_s * SAMPLE_RATE_HZ), round(p.end_s * SAMPLE_RATE_HZ)) for p in phones]
    top = len(audio)
    rms = np.array([
        np.sqrt((energy[min(e, top)] - energy[min(s, top)]) / max(1, e - s)) for s, e in edges
    ])  # fmt: skip
    return np.clip(rms / (np.quantile(rms, 0.95) + 1e-9), 0.0, 1.0)


def _pulse(time_s, centre_s, rise_s, fall_s):
    """Smooth pulse of height 1 at `centre_s`."""
    distance = time_s - centre_s
    return np.exp(-((distance / np.where(distance < 0, rise_s, fall_s)) ** 2))


def _drift(rng, num_frames, period_s):
    """Smooth noise of variance 1, with little above 1 / period_s."""
    margin = 200
    noise = ndimage.gaussian_filter1d(rng.standard_normal(num_frames + 2 * margin), period_s * FPS)
    return noise[margin:-margin] * np.sqrt(2.0 * np.sqrt(np.pi) * period_s * FPS)


def _blinks(rng, time_s, phones):
    """Closure of the lids [T] in [0, 1]."""
    end_s = time_s[-1]
    times = [p.start_s + rng.uniform(0.0, 0.2) for p in phones if p.index == SIL
             and p.end_s - p.start_s > 0.08 and rng.random() < 0.6]  # fmt: skip
    times += list(rng.uniform(0.0, end_s, rng.poisson(0.22 * end_s)))
    closure, last_s = np.zeros_like(time_s), -1.0
    for when_s in sorted(times):
        if when_s - last_s < 0.5:
            continue
        last_s = when_s
        depth = rng.uniform(0.92, 1.0)
        rise = np.clip((time_s - when_s) / 0.09, 0, 1)
        fall = np.clip((when_s + 0.28 - time_s) / 0.15, 0, 1)
        closure = np.maximum(closure, depth * np.minimum(rise, fall))
    return closure


def _gaze(rng, time_s, yaw, pitch):
    """Eye directions [T] relative to the head: mostly at the camera, with jumps away."""
    yaw_eye, pitch_eye = np.zeros_like(time_s), np.zeros_like(time_s)
    when_s = 0.0
    while when_s < time_s[-1]:
        length_s = rng.gamma(3.0, 0.35) + 0.25
        away = rng.random() < 0.4
        target = rng.normal(0.0, (0.16, 0.09)) if away else rng.normal(0.0, (0.02, 0.015))
        inside = (time_s >= when_s) & (time_s < when_s + length_s)
        yaw_eye[inside], pitch_eye[inside] = target
        when_s += length_s
    yaw_eye = ndimage.gaussian_filter1d(yaw_eye, 0.5, mode="nearest")
    pitch_eye = ndimage.gaussian_filter1d(pitch_eye, 0.5, mode="nearest")
    # Eyes stay on their target when the head turns, as far as they go.
    return np.clip(yaw_eye - 0.75 * yaw, -0.42, 0.42), np.clip(pitch_eye - 0.75 * pitch, -0.3, 0.3)


def _speaking(phones, time_s):
    """[T], 1 while somebody speaks, 0 inside silences, with ramps of 80 ms."""
    speaking = np.zeros_like(time_s)
    for phone in phones:
        if phone.index != SIL:
            distance = np.maximum(np.maximum(phone.start_s - time_s, time_s - phone.end_s), 0.0)
            speaking = np.maximum(speaking, 1.0 - distance / 0.08)
    return np.clip(speaking, 0.0, 1.0)


def _beats(rng, time_s, phones, loudness):
    """(nods, lifts of the brows) [T]: pulses on stressed vowels, about 1 high."""
    nod, lift = np.zeros_like(time_s), np.zeros_like(time_s)
    for phone, loud in zip(phones, loudness):
        if not phone.stress or phone.start_s > time_s[-1] + 0.3:
            continue
        centre_s = 0.5 * (phone.start_s + phone.end_s)
        if rng.random() < 0.45:
            nod += rng.uniform(0.4, 1.0) * loud * _pulse(time_s, centre_s, 0.10, 0.16)
        if rng.random() < 0.35:
            lift += rng.uniform(0.3, 0.9) * loud * _pulse(time_s, centre_s, 0.10, 0.22)
    return nod, np.minimum(lift, 1.2)


def motion(rng, phones, audio, num_frames, emotion, level, liveliness):
    """Motion of a clip whose first frame is at 0 s of `phones` and `audio`.

    Args:
      rng: numpy generator. phones: list of `speech.Phone`. audio: int16 [S] at 16 kHz.
      emotion: key of STYLES. level: 1..3.
      liveliness: the speaker's own size of mouth movements and gestures, about 1.

    Returns:
      expression float64 [T, 64], rotation float64 [T, 3] (yaw, pitch, roll in rad; yaw positive
      turns to the right of the picture, pitch positive looks down, roll positive tilts the crown to
      the left of the picture) and shift float64 [T, 3] in cm around the seat.
    """
    style, amount = STYLES[emotion], style_amount(level)
    time_s = np.arange(num_frames) / FPS
    loudness = loudness_of(phones, audio)
    nod, lift = _beats(rng, time_s, phones, loudness)

    size = (1.0 + amount * style.gestures) * liveliness
    seat = rng.normal(0.0, (0.17, 0.06, 0.04)) * (rng.random(3) < 0.8)
    seat[1] += amount * style.pitch_rad
    sway = np.stack([_drift(rng, num_frames, period) for period in (0.55, 0.5, 0.6)], axis=1)
    rotation = seat + size * (sway * (0.085, 0.035, 0.030) + np.outer(nod, (0.0, 0.06, 0.0)))
    rotation = np.clip(rotation, (-0.50, -0.26, -0.20), (0.50, 0.26, 0.20))
    shift = np.stack([_drift(rng, num_frames, 0.7) for _ in range(3)], axis=1) * (0.30, 0.15, 0.30)

    tracks = visemes.mouth_tracks(phones, loudness, liveliness * (1.0 + amount * style.mouth))
    face = {name: np.zeros(num_frames) for name in INDEX}
    face.update({name: visemes.sample(track, num_frames) for name, track in tracks.items()})
    for name, value in style.face.items():
        face[name] = face[name] + amount * value * (1.0 + 0.15 * _drift(rng, num_frames, 0.4))
    face["brow_inner"] = face["brow_inner"] + 0.5 * lift + 0.06 * _drift(rng, num_frames, 0.4)
    face["brow_outer"] = face["brow_outer"] + 0.6 * lift + 0.06 * _drift(rng, num_frames, 0.4)
    face["eye_wide"] = face["eye_wide"] + 0.3 * lift
    face["blink_left"] = _blinks(rng, time_s, phones)
    face["blink_right"] = face["blink_left"] * rng.uniform(0.96, 1.04)
    face["gaze_yaw"], face["gaze_pitch"] = _gaze(rng, time_s, rotation[:, 0], rotation[:, 1])
    face["jaw_side"] = 0.05 * _drift(rng, num_frames, 0.3) * np.minimum(face["jaw_open"], 1.0)
    # A mouth that smiles or frowns does not lose its closures; sealed lips hold back some air.
    speaking, sealed = _speaking(phones, time_s), np.clip(face["lip_press"], 0.0, 1.0)
    for name in ("upper_lip_raise", "lower_lip_drop"):
        face[name] = face[name] * (1.0 - sealed) * speaking
    face["cheek_puff"] = 0.25 * sealed**2 * speaking
    expression = np.zeros((num_frames, NUM_EXPRESSION))
    for name, index in INDEX.items():
        expression[:, index] = np.clip(face[name], *LIMITS.get(name, (0.0, 1.0)))
    return expression, rotation, shift
