"""Geometry of the 68 landmarks in iBUG's order, (x, y) with y down, in any unit of length.

"Left" and "right" are those of the picture. Openings and errors are told as shares of the face
height, so that they do not depend on the size of the face in the picture.
"""

import jax.numpy as jnp
import numpy as np

NUM_LANDMARKS = 68
EYES = np.arange(36, 48)
MOUTH = np.arange(48, 68)

# Point i of a mirrored face is point MIRRORED[i] of the face itself.
MIRRORED = np.concatenate(
    [
        np.arange(17)[::-1],  # jaw
        np.arange(17, 27)[::-1],  # brows
        np.arange(27, 31),  # bridge of the nose
        np.arange(31, 36)[::-1],  # nostrils
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],  # eyes: corners and lids
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],  # outer lips
        [64, 63, 62, 61, 60, 67, 66, 65],  # inner lips
    ]
)

# (above, below), of the inner lips and of the lids of both eyes.
_LIPS = np.array([[61, 67], [62, 66], [63, 65]])
_LIDS = np.array([[37, 41], [38, 40], [43, 47], [44, 46]])


def face_height(landmarks):
    """Height of the box around the landmarks: [..., 68, 2] -> [...]."""
    y = landmarks[..., 1]
    return y.max(axis=-1) - y.min(axis=-1)


def mouth_opening(landmarks):
    """Mean distance of the inner lips: [..., 68, 2] -> [...]."""
    return _distances(landmarks, _LIPS).mean(axis=-1)


def eye_opening(landmarks):
    """Mean distance of the lids of both eyes: [..., 68, 2] -> [...]."""
    return _distances(landmarks, _LIDS).mean(axis=-1)


def landmark_error(landmarks, true, points=slice(None)):
    """Mean distance of the points from their true places as a share of the true face height.

    Args:
      landmarks, true: [..., 68, 2].
      points: which of the landmarks.
    """
    distance = jnp.linalg.norm(landmarks - true, axis=-1)
    return distance[..., points].mean(axis=-1) / face_height(true)


def _distances(landmarks, pairs):
    between = landmarks[..., pairs[:, 0], :] - landmarks[..., pairs[:, 1], :]
    # The gradient of a norm is not defined where the lips meet.
    return jnp.sqrt(jnp.square(between).sum(axis=-1) + 1e-12)
