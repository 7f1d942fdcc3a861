"""From phones to the mouth: targets per phoneme, blended over time.

Co-articulation after Cohen and Massaro (1993, "Modeling coarticulation in synthetic visual
speech"): each phone has a target and, per parameter, a dominance that falls off exponentially from
its centre; a parameter is the mean of all targets weighted by dominance. Deviation: lips that must
meet (b, m, p), lip on teeth (f, v) and silences are imposed afterwards, because a weighted mean
only tends towards contact, and a viewer sees a missed closure at once.
"""

import numpy as np

from jaxtalk.media.phonemes import PHONEME_INDEX, PHONEMES, SIL

TRACK_RATE_HZ = 200
PARAMETERS = (
    "jaw_open lip_wide lip_round lip_press upper_lip_raise lower_lip_drop lip_tuck tongue_up"
).split()

# Targets in the order of PARAMETERS, and dominance over (jaw, lip shape). Diphthongs have two.
_TARGETS = {
    "AA": [(1.45, 0.05, 0, 0, 0.15, 0.25, 0, 0)],
    "AE": [(1.25, 0.45, 0, 0, 0.25, 0.30, 0, 0)],
    "AH": [(0.80, 0.10, 0, 0, 0.10, 0.15, 0, 0)],
    "AO": [(1.15, 0, 0.60, 0, 0.10, 0.20, 0, 0)],
    "AW": [(1.35, 0.15, 0.1, 0, 0.15, 0.25, 0, 0), (0.55, 0, 0.75, 0, 0.05, 0.1, 0, 0)],
    "AY": [(1.35, 0.20, 0, 0, 0.15, 0.25, 0, 0), (0.55, 0.55, 0, 0, 0.25, 0.25, 0, 0)],
    "B": [(0.10, 0, 0.05, 1, 0, 0, 0, 0)],
    "CH": [(0.28, 0, 0.60, 0, 0.45, 0.45, 0, 0.2)],
    "D": [(0.30, 0.15, 0, 0, 0.2, 0.25, 0, 0.7)],
    "DH": [(0.35, 0.15, 0, 0, 0.2, 0.25, 0, 1)],
    "EH": [(0.95, 0.40, 0, 0, 0.2, 0.3, 0, 0)],
    "ER": [(0.50, 0, 0.45, 0, 0.2, 0.3, 0, 0.1)],
    "EY": [(0.80, 0.50, 0, 0, 0.25, 0.3, 0, 0), (0.45, 0.70, 0, 0, 0.3, 0.3, 0, 0)],
    "F": [(0.25, 0.10, 0, 0, 0.3, 0, 1, 0)],
    "G": [(0.45, 0.10, 0, 0, 0.1, 0.2, 0, 0)],
    "HH": [(0.60, 0.10, 0, 0, 0.1, 0.15, 0, 0)],
    "IH": [(0.55, 0.40, 0, 0, 0.2, 0.25, 0, 0)],
    "IY": [(0.38, 0.85, 0, 0, 0.3, 0.35, 0, 0)],
    "JH": [(0.28, 0, 0.60, 0, 0.45, 0.45, 0, 0.2)],
    "K": [(0.45, 0.10, 0, 0, 0.1, 0.2, 0, 0)],
    "L": [(0.50, 0.10, 0, 0, 0.15, 0.25, 0, 0.9)],
    "M": [(0.08, 0, 0, 1, 0, 0, 0, 0)],
    "N": [(0.32, 0.15, 0, 0, 0.15, 0.25, 0, 0.7)],
    "NG": [(0.45, 0.10, 0, 0, 0.1, 0.2, 0, 0)],
    "NSN": [(0.40, 0, 0, 0, 0.1, 0.1, 0, 0)],
    "OW": [(0.85, 0, 0.60, 0, 0.1, 0.15, 0, 0), (0.45, 0, 0.95, 0, 0.05, 0.1, 0, 0)],
    "OY": [(0.90, 0, 0.75, 0, 0.1, 0.2, 0, 0), (0.50, 0.5, 0, 0, 0.2, 0.25, 0, 0)],
    "P": [(0.10, 0, 0.05, 1, 0, 0, 0, 0)],
    "R": [(0.38, 0, 0.55, 0, 0.25, 0.3, 0, 0.2)],
    "S": [(0.18, 0.40, 0, 0, 0.4, 0.45, 0, 0.1)],
    "SH": [(0.25, 0, 0.70, 0, 0.5, 0.5, 0, 0.1)],
    "SIL": [(0.0, 0, 0, 0.1, 0, 0, 0, 0)],
    "T": [(0.28, 0.15, 0, 0, 0.2, 0.25, 0, 0.7)],
    "TH": [(0.35, 0.15, 0, 0, 0.2, 0.25, 0, 1)],
    "UH": [(0.55, 0, 0.50, 0, 0.15, 0.2, 0, 0)],
    "UW": [(0.35, 0, 0.95, 0, 0.1, 0.15, 0, 0)],
    "V": [(0.25, 0.10, 0, 0, 0.3, 0, 1, 0)],
    "W": [(0.22, 0, 1.0, 0, 0.05, 0.1, 0, 0)],
    "Y": [(0.35, 0.65, 0, 0, 0.25, 0.3, 0, 0)],
    "Z": [(0.18, 0.40, 0, 0, 0.4, 0.45, 0, 0.1)],
    "ZH": [(0.25, 0, 0.70, 0, 0.5, 0.5, 0, 0.1)],
}
VOWELS = frozenset(PHONEME_INDEX[n] for n in PHONEMES if n[0] in "AEIOU")
BILABIALS = frozenset(PHONEME_INDEX[n] for n in ("B", "M", "P"))
_LABIODENTALS = frozenset(PHONEME_INDEX[n] for n in ("F", "V"))
_STRONG_LIPS = frozenset(PHONEME_INDEX[n] for n in ("W", "UW", "SH", "ZH", "CH", "JH", "OW", "IY"))
_WEAK = frozenset(PHONEME_INDEX[n] for n in ("HH", "K", "G", "NG", "T", "D", "N", "L"))


def _bump(time_s, start_s, end_s, ramp_s):
    """1 between start and end, smoothly 0 at a distance of `ramp_s` outside of them."""
    outside = np.maximum(np.maximum(start_s - time_s, time_s - end_s), 0.0) / ramp_s
    x = np.clip(1.0 - outside, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _targets(phones, loudness, gain):
    """Centres [N], targets [N, 8], dominance [N, 8] and fall-off times [N] of all targets."""
    rows = []
    for phone, level in zip(phones, loudness):
        shapes = _TARGETS[PHONEMES[phone.index]]
        length_s = phone.end_s - phone.start_s
        vowel, silent = phone.index in VOWELS, phone.index == SIL
        scale = gain * (0.75 + 0.4 * level) * (1.12 if phone.stress else 1.0) if vowel else gain
        jaw = 1.0 if vowel or silent else 0.8
        lips = 1.6 if phone.index in _STRONG_LIPS else 0.35 if phone.index in _WEAK else 1.0
        for k, shape in enumerate(shapes):
            centre_s = phone.start_s + length_s * (k + 0.5) / len(shapes)
            values = np.array(shape, np.float64)
            values[0] *= scale
            dominance = np.array([jaw, lips, lips, 1.0, lips, lips, 1.0, 1.0])
            if silent:  # a long silence holds its whole span, see the closure below
                dominance *= 0.7
            rows.append((centre_s, values, dominance, np.clip(0.32 * length_s, 0.03, 0.09)))
    return (np.array(column) for column in zip(*rows))


def mouth_tracks(phones, loudness, gain=1.0):
    """Mouth parameters over time.

    Args:
      phones: list of `speech.Phone` that covers the clip without gaps.
      loudness: [len(phones)] in [0, 1], how loud each phone is within the clip.
      gain: amplitude of the jaw, 1 for relaxed speech.
    Returns:
      {name of PARAMETERS: float64 [N] at TRACK_RATE_HZ from 0 s to the last phone's end}.
    """
    end_s = phones[-1].end_s
    time_s = np.arange(int(np.ceil(end_s * TRACK_RATE_HZ)) + 1) / TRACK_RATE_HZ
    centre_s, values, dominance, fall_s = _targets(phones, loudness, gain)
    distance = np.abs(time_s[:, None] - centre_s[None]) / fall_s[None]
    weight = np.exp(-np.minimum(distance, 50.0))  # [N, phones]
    total = weight @ dominance + 1e-12
    tracks = dict(zip(PARAMETERS, ((weight @ (dominance * values)) / total).T))

    seal = np.zeros_like(time_s)
    tuck = np.zeros_like(time_s)
    silence = np.zeros_like(time_s)
    for phone in phones:
        centre = 0.5 * (phone.start_s + phone.end_s)
        # A plateau of 44 ms: one frame in 25 a second always falls into it.
        half = max(0.022, 0.25 * (phone.end_s - phone.start_s))
        if phone.index in BILABIALS:
            seal = np.maximum(seal, _bump(time_s, centre - half, centre + half, 0.06))
        elif phone.index in _LABIODENTALS:
            tuck = np.maximum(tuck, _bump(time_s, centre - half, centre + half, 0.06))
        elif phone.index == SIL and phone.end_s - phone.start_s > 0.1:
            # The mouth closes after the last sound and opens a little before the next one.
            begin = phone.start_s + (0.0 if phone.start_s == 0 else 0.07)
            end = phone.end_s - (0.0 if phone.end_s == end_s else 0.07)
            if end > begin:
                silence = np.maximum(silence, _bump(time_s, begin, end, 0.07))
    for name in ("jaw_open", "upper_lip_raise", "lower_lip_drop", "tongue_up"):
        tracks[name] = tracks[name] * (1.0 - silence)
    for name in ("lip_wide", "lip_round", "lip_tuck"):
        tracks[name] = tracks[name] * (1.0 - 0.8 * silence)
    tracks["lip_press"] = np.maximum(np.minimum(tracks["lip_press"], 0.5) * (1 - tuck), seal)
    tracks["lip_press"] = np.maximum(tracks["lip_press"], 0.15 * silence)
    tracks["lip_tuck"] = np.maximum(tracks["lip_tuck"] * (1.0 - seal), tuck)
    tracks["jaw_open"] = tracks["jaw_open"] * (1.0 - 0.75 * np.maximum(seal, 0.6 * tuck))
    return tracks


def sample(track, num_frames, fps=25.0):
    """Values of a track at the instants t / fps of `num_frames` frames."""
    instants = np.arange(num_frames) / fps * TRACK_RATE_HZ
    return np.interp(instants, np.arange(len(track)), track)
