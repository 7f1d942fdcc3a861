"""Metrics of how heads, eyes and mouths move: control, naturalness, diversity, silence.

numpy in float64, one clip at a time, time first. What is compared as a set (variance, spectrum)
has a function of a clip and one of two sets of its values, so that clips can be resampled for an
interval. `PROTOCOLS` is the table of names.
"""

import numpy as np
from scipy import ndimage, signal

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.landmarks import SHAPE
from jaxtalk.metrics.signals import FPS, checked, correlation

SAMPLE_RATE_HZ = 16_000
SPECTRUM_FRAMES = 64
ROUNDING = 1e-5  # of a signal's size: what float32 landmarks of a still picture may differ by
# Points that no expression moves much (nose, corners of the eyes) and where they are on the mean
# head of the embedded corpus: cm; x to the right, y up, z to the camera.
RIGID = [27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45]
RIGID_CM = np.array([
    [0.0, 2.6, 5.6], [0.0, 1.5, 6.0], [0.0, 0.4, 6.7], [0.0, -0.7, 7.4], [-1.2, -1.6, 6.1],
    [-0.6, -1.8, 6.0], [0.0, -1.9, 6.0], [0.6, -1.8, 6.0], [1.2, -1.6, 6.1], [-4.6, 2.7, 3.2],
    [-1.8, 2.6, 4.2], [1.8, 2.6, 4.2], [4.6, 2.7, 3.2],
])  # fmt: skip


def head_pose(landmarks):
    """`head-pose/weak-perspective`: angles of the head from its landmarks.

    Least-squares affine camera of 13 rigid points of a mean head (POS of DeMenthon and Davis 1995),
    its rows made orthonormal. Another face than the mean one shifts the angles by a constant, which
    correlations, variances and spectra do not see.

    Args:
      landmarks: [T, 68, 2] px.

    Returns:
      [T, 3] rad: yaw positive turns to the right of the picture, pitch positive looks down, roll
      positive tilts the crown to the left of the picture; the rotation is roll @ yaw @ pitch.
    """
    points = checked("landmarks", landmarks, SHAPE)[:, RIGID] * (1.0, -1.0)
    points = points - points.mean(axis=1, keepdims=True)
    model = RIGID_CM - RIGID_CM.mean(axis=0)
    camera = np.einsum("tnk,ni->tki", points, np.linalg.pinv(model).T)  # [T, 2, 3]
    left, _, right = np.linalg.svd(camera, full_matrices=False)
    rows = left @ right
    depth = np.cross(rows[:, 0], rows[:, 1])
    yaw = -np.arcsin(np.clip(depth[:, 0], -1.0, 1.0))
    pitch = np.arctan2(depth[:, 1], depth[:, 2])
    roll = np.arctan2(rows[:, 1, 0], rows[:, 0, 0])
    return np.stack([yaw, pitch, roll], axis=-1)


def pose_correlation(fake, source, angle):
    """`pose-correlation/pearson`: how well the head follows a motion source, StyleTalker eq. 18.

    Args:
      fake, source: [T, D], D at least 2: yaw and pitch first, as from `head_pose` or a corpus.
      angle: "yaw" or "pitch". Each is judged by itself, as a source may turn and never nod.

    Returns:
      float; 0 for a head that does not move.

    Raises:
      UserError: lengths differ, or the source does not move in this angle.
    """
    fake, source = (checked(n, x, ("T", "D")) for n, x in (("fake", fake), ("source", source)))
    if min(fake.shape[1], source.shape[1]) < 2:
        raise UserError("pose: found a single angle, expected yaw and pitch first in [T, D]")
    column = ("yaw", "pitch").index(angle)
    return float(correlation(fake[:, column], source[:, column]))


def pose_variance(pose):
    """`pose-variance/within-clip`: variance of each channel around the clip's own mean.

    Args:
      pose: [T, D], T at least 2.

    Returns:
      [D], unbiased, in squared units of the pose.
    """
    return checked("pose", pose, ("T", "D"), 2).var(axis=0, ddof=1)


def variance_ratio(fake, real):
    """Mean variance of generated clips in units of that of real ones.

    Args:
      fake: [N, D], `pose_variance` of each generated clip.
      real: [M, D], of each real clip.

    Returns:
      [D].

    Raises:
      UserError: a channel of the real clips does not move.
    """
    fake, real = (checked(n, x, ("N", "D"), 1) for n, x in (("fake", fake), ("real", real)))
    return fake.mean(axis=0) / _moving(real.mean(axis=0))


def pose_spectrum(pose, *, fps=FPS):
    """`pose-spectrum/octaves`: power spectral density of each channel in five octaves.

    Welch 1967: Hann windows of 64 frames, half overlapping, each without its mean. The octaves
    begin at 0.39, 0.78, 1.6, 3.1 and 6.25 Hz at 25 fps; single frequencies of a few clips scatter
    too much to be compared.

    Args:
      pose: [T, D], T at least 64.

    Returns:
      [5, D] mean density in squared units per Hz.
    """
    pose = checked("pose", pose, ("T", "D"), SPECTRUM_FRAMES)
    _, power = signal.welch(pose, fps, nperseg=SPECTRUM_FRAMES, detrend="constant", axis=0)
    widths = 2 ** np.arange(5)
    return np.add.reduceat(power[1:32], widths - 1, axis=0) / widths[:, None]


def spectrum_distance(fake, real):
    """Distance in dB of the mean spectra of two sets of clips.

    Root mean square, over octaves and channels, of 10 log10 (mean fake / mean real). Densities
    below a thousandth of a channel's largest real one count as that thousandth: what is left there
    is the noise of the measurement, which both sets should share: take their poses by the same
    network, or a jitter that only one has will be seen. A factor of 1.5 everywhere is 1.76 dB; read
    it beside the distance of two halves of the real clips, which is not 0 either.

    Args:
      fake: [N, F, D], `pose_spectrum` of each generated clip.
      real: [M, F, D], of each real clip.

    Returns:
      float.

    Raises:
      UserError: a channel of the real clips does not move.
    """
    fake, real = (checked(n, x, ("N", "F", "D"), 1) for n, x in (("fake", fake), ("real", real)))
    fake, real = fake.mean(axis=0), real.mean(axis=0)
    floor = 1e-3 * _moving(real.max(axis=0))
    decibel = 10 * np.log10(np.maximum(fake, floor) / np.maximum(real, floor))
    return float(np.sqrt(np.mean(decibel**2)))


def blinks(eye_opening, *, fps=FPS):
    """`blinks/ear`: frames at which the eyes are shut in a blink.

    The opening is set against its running median over 3 s. A blink is a run of 2 or more frames
    that are more than a quarter closed, at most 0.6 s long, at least half closed somewhere. So slow
    changes, squinting, single wrong frames and long closures are none.

    Args:
      eye_opening: [T], see `jaxtalk.metrics.landmarks.eye_opening`.

    Returns:
      int [K], the frame of each blink where the eyes are most closed.
    """
    opening = checked("eye_opening", eye_opening, ("T",), 3)
    usual = ndimage.median_filter(opening, 2 * round(1.5 * fps) + 1)
    closure = 1 - opening / np.maximum(usual, 1e-9)
    runs, count = ndimage.label(closure > 0.25)
    labels = np.arange(1, count + 1)
    if not count:
        return np.zeros(0, int)
    deepest = np.array(ndimage.maximum_position(closure, runs, labels))[:, 0]
    length = np.bincount(runs.ravel())[1:]
    return deepest[(closure[deepest] >= 0.5) & (length >= 2) & (length <= 0.6 * fps)]


def blink_rate(eye_opening, *, fps=FPS):
    """`blink-rate/ear`: `blinks` per minute, a float; people blink about 15 to 30 times."""
    return float(60 * fps * len(blinks(eye_opening, fps=fps)) / len(eye_opening))


def seed_diversity(motions):
    """`diversity/pairwise`: how much the motions differ that several seeds give for one input.

    Args:
      motions: [S, T, ..., D] of S seeds, at least 2: poses [S, T, 3] in rad, or landmarks
        [S, T, 68, 2] in face heights. Distances are Euclidean in the last axis.

    Returns:
      dict of floats: `mean`, the mean distance over pairs of seeds, frames and points; `closest`,
      that of the pair that is most alike, 0 if two seeds gave the same.
    """
    motions = np.asarray(motions)
    motions = checked("motions", motions, ("S", "T", "N", "D")[: max(3, motions.ndim)], 2)
    first, second = np.triu_indices(len(motions), 1)
    distance = np.linalg.norm(motions[first] - motions[second], axis=-1)
    distance = distance.reshape(len(first), -1).mean(axis=-1)
    return {"mean": float(distance.mean()), "closest": float(distance.min())}


def pauses(audio, num_frames):
    """Frames at which nobody speaks, by the loudness of the audio.

    A frame is quiet if its root mean square is 30 dB below the 95th percentile of the clip's
    frames; a pause is a run of at least 6 quiet frames (0.24 s), so closures of stops are none.
    Quiet at either end of the clip is taken to go on beyond it.

    Args:
      audio: [S], 16 kHz mono of any scale, of at least num_frames - 1 frames of 640 samples.
      num_frames: T, at 25 fps.

    Returns:
      bool [T].

    Raises:
      UserError: the audio is too short or all zeros.
    """
    size = SAMPLE_RATE_HZ // FPS
    audio = checked("audio", audio, ("S",), size * (num_frames - 1) + 1)[: size * num_frames]
    audio = np.pad(audio, (0, size * num_frames - len(audio)))
    power = np.mean(audio.reshape(num_frames, size) ** 2, axis=1)
    if not power.any():
        raise UserError("audio: found only zeros, expected speech; give the clip's audio")
    quiet = power < 1e-3 * np.percentile(power, 95)
    return ndimage.binary_opening(np.pad(quiet, 6, mode="edge"), np.ones(6))[6:-6]


def silence_score(mouth, audio):
    """`silence/motion-energy`: motion of the mouth in pauses, as a share of that in speech.

    Motion energy is the mean squared change from frame to frame. Of the `pauses` of the audio, 2
    frames at either end, in which the mouth may close and prepare, count to neither side. A mouth
    that is still in speech scores 1 by definition: the share is not defined for it, and to leave
    out the clips in which a generated mouth is frozen would leave out just those that fail.

    Args:
      mouth: [T] opening of the mouth, or [T, D] what else describes it, at 25 fps.
      audio: [S], 16 kHz mono.

    Returns:
      float; 0 is a mouth that rests in pauses, 1 one that does not care.

    Raises:
      UserError: no pause or no speech in the audio.
    """
    mouth = checked("mouth", mouth, ("T", "D")[: max(1, np.ndim(mouth))], 2)
    pause = pauses(audio, len(mouth))
    # At the ends of the clip a pause goes on beyond it.
    inner = ndimage.binary_erosion(pause, np.ones(5), border_value=1)
    energy = (np.diff(mouth, axis=0) ** 2).reshape(len(mouth) - 1, -1).sum(axis=1)
    in_pause, in_speech = inner[1:] & inner[:-1], ~pause[1:] & ~pause[:-1]
    if not (in_pause.any() and in_speech.any()):
        raise UserError(
            f"audio: found {pause.sum()} of {len(pause)} frames in pauses, expected pauses of at "
            "least 0.24 s and speech; leave this clip out"
        )
    in_pause, in_speech = energy[in_pause].mean(), energy[in_speech].mean()
    size = (mouth**2).reshape(len(mouth), -1).sum(axis=1).mean()
    if in_speech <= ROUNDING**2 * size:
        return 1.0
    return float(in_pause / in_speech)


def _moving(value):
    if not np.all(value > 0):
        raise UserError("motion: found none to compare with, expected some; leave this clip out")
    return value


# Protocol -> function of a clip, or of the two sets named above.
PROTOCOLS = {
    "head-pose/weak-perspective": head_pose,
    "pose-correlation/pearson": pose_correlation,
    "pose-variance/within-clip": pose_variance,
    "pose-spectrum/octaves": pose_spectrum,
    "blinks/ear": blinks,
    "blink-rate/ear": blink_rate,
    "diversity/pairwise": seed_diversity,
    "silence/motion-energy": silence_score,
}
