"""AVCT's features of speech (Wang et al. 2022): 41 numbers every 10 ms, four times a video frame.

Agrees with the public release, which computes them by python_speech_features 0.6 and pyworld 0.3.5,
in float64. They are normalised by the loudest sample of the recording and pitch is tracked through
all of it, so they are made of whole recordings, ahead of training.
"""

import functools

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media.pitch import harvest

# A window of 25 ms every 10 ms.
SAMPLE_RATE_HZ, WINDOW, HOP, FFT = 16_000, 400, 160, 512
NUM_CEPSTRA, NUM_BANDS = 13, 26
NUM_FEATURES = NUM_CEPSTRA + NUM_BANDS + 2
STEPS_PER_FRAME = 4
_PREEMPHASIS, _LIFTER = 0.97, 22
_TINY = np.finfo(np.float64).eps


def speech_features(audio):
    """Features of a whole recording.

    Args:
      audio: [S] mono at 16 kHz, of any scale, at least 0.2 s.

    Returns:
      float64 [N, 41] with N = 1 + ceil((S - 400) / 160), at most S // 160 + 1: log energy and 12
      cepstral coefficients, 26 logarithmic filter bank energies, the pitch in Hz, with lines drawn
      through unvoiced parts (0 in a recording without voice), and 1 where speech is voiced, else 0.

    Deviation: the release takes one channel of a stereo file, `jaxtalk.media.audio.read_audio` the
    mean of all.

    Raises:
      UserError: the recording is silent or too short, or has another shape.
    """
    audio = np.asarray(audio, np.float64)
    if audio.ndim != 1 or len(audio) < SAMPLE_RATE_HZ // 5:
        raise UserError(
            f"audio: found samples of shape {audio.shape}, expected one channel of at least "
            f"{SAMPLE_RATE_HZ // 5} samples; convert it to mono at 16 kHz"
        )
    audio = audio - audio.mean()
    peak = np.abs(audio).max()
    if not 0 < peak < np.inf:
        raise UserError(
            "audio: found silence or samples that are not finite, expected speech; record it again"
        )
    audio = audio / peak
    cepstra, bands = cepstra_and_bands(audio)
    pitch = harvest(audio)
    num_rows = min(len(cepstra), len(pitch))
    pitch_and_flag = np.stack([interpolated_pitch(pitch), pitch != 0], axis=1)
    return np.concatenate([cepstra[:num_rows], bands[:num_rows], pitch_and_flag[:num_rows]], axis=1)


def cepstra_and_bands(audio):
    """Two views of the spectrum of windows of 25 ms, the last filled up with zeros.

    Args:
      audio: [S] at 16 kHz.

    Returns:
      (float64 [N, 13], log energy and mel cepstra 1 .. 12, liftered; float64 [N, 26], natural
      logarithms of the energies of triangular filters on the mel scale).
    """
    num_windows = 1 + max(0, -(-(len(audio) - WINDOW) // HOP))
    emphasized = np.append(audio[0], audio[1:] - _PREEMPHASIS * audio[:-1])
    emphasized = np.pad(emphasized, (0, max(0, (num_windows - 1) * HOP + WINDOW - len(audio))))
    windows = np.lib.stride_tricks.sliding_window_view(emphasized, WINDOW)[::HOP][:num_windows]
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2 / FFT  # [N, 257]
    bands = np.log(np.maximum(power @ _filters().T, _TINY))
    cepstra = bands @ _cosines()
    cepstra *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(NUM_CEPSTRA) / _LIFTER)
    cepstra[:, 0] = np.log(np.maximum(power.sum(axis=1), _TINY))
    return cepstra, bands


def interpolated_pitch(pitch):
    """[N] in Hz, 0 where unvoiced -> [N], zeros filled by lines between voiced frames.

    Before the first and after the last of them their pitch is held; without any, zeros stay.
    """
    (voiced,) = np.nonzero(pitch)
    if not len(voiced):
        return np.zeros(len(pitch))
    return np.interp(np.arange(len(pitch)), voiced, pitch[voiced])


def frame_features(features):
    """[N, 41] -> float32 [N // 4, 4, 41], those of each video frame at 25 fps; the rest is cut."""
    num_frames = len(features) // STEPS_PER_FRAME
    used = features[: num_frames * STEPS_PER_FRAME]
    return used.reshape(num_frames, STEPS_PER_FRAME, -1).astype(np.float32)


def feature_windows(frames, centres, radius=5):
    """What `jaxtalk.nn.avct.AudioToKeypoints` hears around video frames.

    Args:
      frames: [T, 4, 41], see `frame_features`.
      centres: int [M], frames, 0 .. T - 1.
      radius: frames on each side.

    Returns:
      [M, 2 radius + 1, 4, 41] of the same dtype; zeros outside the recording.
    """
    padded = np.pad(frames, ((radius, radius), (0, 0), (0, 0)))
    return padded[np.asarray(centres)[:, None] + np.arange(2 * radius + 1)]


@functools.cache
def _filters():
    """Triangles of height 1 with corners on whole bins: float64 [26, 257]."""
    top = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    hz = 700 * (10 ** (np.linspace(0, top, NUM_BANDS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * hz / SAMPLE_RATE_HZ)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(FFT // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


@functools.cache
def _cosines():
    """The orthonormal cosine transform of type 2: float64 [26, 13]."""
    middle = (np.arange(NUM_BANDS)[:, None] + 0.5) / NUM_BANDS
    cosines = np.cos(np.pi * middle * np.arange(NUM_CEPSTRA)) * np.sqrt(2 / NUM_BANDS)
    cosines[:, 0] = np.sqrt(1 / NUM_BANDS)
    return cosines
