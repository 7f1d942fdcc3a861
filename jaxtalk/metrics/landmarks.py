"""Metrics of the 68 landmarks of a clip (iBUG order): distances, openings, smoothness.

Landmarks are [T, 68, 2] in px, x to the right and y down. numpy in float64. Each function names its
protocol; `PROTOCOLS` is the table of them. Mouth opening over time is compared by
`jaxtalk.metrics.signals`.
"""

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.signals import FPS, checked, checked_pair

SHAPE = ("T", 68, 2)
ALL, FACE, MOUTH = slice(0, 68), slice(0, 48), slice(48, 68)
BROWS, CHIN = slice(17, 27), 8
UPPER_LIP, LOWER_LIP = [61, 62, 63], [67, 66, 65]  # inner contour
EYES = np.array([[36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47]])


def lmd_absolute(fake, real):
    """`lmd/px68/absolute`: mean distance of the 68 points as they lie in the picture, in px.

    StyleLipSync's LMD, section 5.2.

    Args:
      fake, real: [T, 68, 2] px.

    Returns:
      [T]; the mean over frames is the clip's value.
    """
    fake, real = checked_pair(fake, real, SHAPE)
    return _mean_distance(fake, real)


def lmd(fake, real):
    """`lmd/px68`: mean distance of the 68 points, each set centred on its mean, in px.

    The whole face, so StyleTalk's F-LMD: [T, 68, 2] twice -> [T].
    """
    return _centred_distance(fake, real, ALL)


def mouth_lmd(fake, real):
    """`m-lmd/px68`: as `lmd`, of the mouth's points 48..67 alone, centred on their own mean.

    Chen et al. 2019; the LMD of StyleTalker and the M-LMD of StyleTalk: [T, 68, 2] twice -> [T].
    """
    return _centred_distance(fake, real, MOUTH)


def face_lmd(fake, real):
    """`f-lmd/px48`: as `lmd`, of the 48 points outside the mouth: [T, 68, 2] twice -> [T].

    No paper's number: StyleTalk's F-LMD has the mouth in it and is `lmd/px68`.
    """
    return _centred_distance(fake, real, FACE)


def normalised_lmd(fake, real):
    """`lmd/normalised`: as `mouth_lmd`, each set in units of its own face size, no unit.

    AVCT's normalised relative distance. The paper leaves the face size open; here it is the mean
    over the clip of sqrt(width * height) of the box around the 68 points (the unit of the
    normalised mean error of Bulat and Tzimiropoulos 2017).

    Returns:
      [T].

    Raises:
      UserError: all points of a clip coincide.
    """
    fake, real = checked_pair(fake, real, SHAPE)
    fake, real = (x[:, MOUTH] / _face_size(name, x) for name, x in (("fake", fake), ("real", real)))
    return _mean_distance(_centred(fake), _centred(real))


def face_height(landmarks):
    """Distance in px from the middle of the brows to the chin, median over the clip: a float.

    One number for a clip, so that a jaw that drops does not change the unit.

    Raises:
      UserError: it is zero.
    """
    landmarks = checked("landmarks", landmarks, SHAPE)
    brows = landmarks[:, BROWS].mean(axis=1)
    height = np.median(np.linalg.norm(landmarks[:, CHIN] - brows, axis=-1))
    return float(_positive("landmarks", "face height", height))


def mouth_opening(landmarks):
    """`mouth-opening/inner-lips`: distance of the inner lips in face heights.

    Mean over the pairs 61-67, 62-66 and 63-65: [T, 68, 2] -> [T].
    """
    height = face_height(landmarks)
    landmarks = np.asarray(landmarks, np.float64)
    gap = landmarks[:, UPPER_LIP] - landmarks[:, LOWER_LIP]
    return np.linalg.norm(gap, axis=-1).mean(axis=-1) / height


def eye_opening(landmarks):
    """`eye-opening/ear`: eye aspect ratio (Soukupova and Cech 2016, eq. 1), mean of both eyes.

    Returns:
      [T]; about 0.3 for open eyes.

    Raises:
      UserError: both corners of an eye coincide.
    """
    eyes = checked("landmarks", landmarks, SHAPE)[:, EYES]  # [T, 2, 6, 2]
    p1, p2, p3, p4, p5, p6 = np.moveaxis(eyes, 2, 0)
    length = np.linalg.norm
    width = _positive("landmarks", "width of an eye", length(p1 - p4, axis=-1))
    ratio = (length(p2 - p6, axis=-1) + length(p3 - p5, axis=-1)) / (2 * width)
    return ratio.mean(axis=-1)


def jerk(landmarks, *, fps=FPS):
    """`jerk/px68`: mean size of the third difference of the points, in face heights per s^3.

    Args:
      landmarks: [T, 68, 2], T at least 4.

    Returns:
      [T - 3]; the mean is the clip's value.
    """
    return _difference(landmarks, 3) * fps**3


def acceleration_ratio(fake, real):
    """`acceleration-ratio/px68`: frame-to-frame acceleration of `fake` in units of `real`'s.

    Mean size of the second difference of the points, each clip in its own face heights. 1 is as
    smooth as the ground truth; more is jitter.

    Args:
      fake, real: [T, 68, 2], of any two lengths of at least 3.

    Returns:
      float.

    Raises:
      UserError: `real` does not move.
    """
    fake, real = _difference(fake, 2).mean(), _difference(real, 2).mean()
    return float(fake / _positive("real", "acceleration", real))


def _centred(points):
    return points - points.mean(axis=1, keepdims=True)


def _mean_distance(fake, real):
    """[T, N, 2] twice -> [T]."""
    return np.linalg.norm(fake - real, axis=-1).mean(axis=-1)


def _centred_distance(fake, real, points):
    fake, real = checked_pair(fake, real, SHAPE)
    return _mean_distance(_centred(fake[:, points]), _centred(real[:, points]))


def _face_size(name, landmarks):
    """Mean over the clip of sqrt(width * height) of the box around the points: a float."""
    size = np.sqrt(np.prod(np.ptp(landmarks, axis=1), axis=-1)).mean()
    return _positive(name, "face size", size)


def _difference(landmarks, order):
    """Mean size of the n-th difference in face heights: [T, 68, 2] -> [T - n]."""
    landmarks = checked("landmarks", landmarks, SHAPE, order + 1)
    change = np.diff(landmarks, n=order, axis=0) / face_height(landmarks)
    return np.linalg.norm(change, axis=-1).mean(axis=-1)


def _positive(name, what, value):
    if not np.all(value > 0):
        raise UserError(f"{name}: found a {what} of 0, expected more; leave this clip out")
    return value


# Protocol -> function. Values per frame are averaged over the clip.
PROTOCOLS = {
    "lmd/px68/absolute": lmd_absolute,
    "lmd/px68": lmd,
    "m-lmd/px68": mouth_lmd,
    "f-lmd/px48": face_lmd,
    "lmd/normalised": normalised_lmd,
    "mouth-opening/inner-lips": mouth_opening,
    "eye-opening/ear": eye_opening,
    "jerk/px68": jerk,
    "acceleration-ratio/px68": acceleration_ratio,
}
