"""Head pose from a face mesh, and the mesh without it: perspective-n-point on rigid points.

The points and their weights are those by which MediaPipe aligns its mesh (face geometry module,
Apache License 2.0), at their places in its canonical face, in cm. The head's frame is that of the
corpora: x to the right of the picture, y up, z to the camera; the origin is mid-head, between the
temples.
"""

import numpy as np

# Index, index of the mirrored point, weight, place; the first three lie in the mirror plane.
_RIGID = (
    (4, 4, 0.0709099, (0.0, -0.463170, 7.586580)),
    (6, 6, 0.0321001, (0.0, 2.473255, 5.788627)),
    (10, 10, 0.0084466, (0.0, 8.261778, 4.481535)),
    (33, 263, 0.0587242, (4.445859, 2.663991, 3.173422)),
    (54, 284, 0.0076671, (6.279331, 6.615427, 1.425850)),
    (67, 297, 0.0090781, (3.523964, 8.005976, 3.729163)),
    (117, 346, 0.0097919, (5.258659, 0.945811, 2.974312)),
    (119, 348, 0.0145654, (3.300681, 0.861641, 3.872784)),
    (121, 350, 0.0185914, (1.820731, 1.467954, 4.224124)),
    (127, 356, 0.0051980, (7.743095, 2.364999, -2.005167)),
    (129, 358, 0.1206252, (1.785794, -0.978284, 4.850470)),
    (132, 361, 0.0055600, (7.270895, -2.890917, -2.252455)),
    (133, 362, 0.0532862, (1.856432, 2.585245, 3.757904)),
    (136, 365, 0.0668905, (5.085276, -7.178590, 0.714711)),
    (143, 372, 0.0148165, (6.407571, 2.236021, 1.560843)),
    (147, 376, 0.0142628, (6.234883, -1.944430, 1.663542)),
    (198, 420, 0.0254622, (1.246815, 0.230297, 5.681036)),
    (205, 425, 0.0472523, (3.832928, -1.537326, 4.137731)),
)
_MIRRORED = _RIGID[3:]
RIGID_INDICES = np.array([r[0] for r in _RIGID] + [r[1] for r in _MIRRORED])
RIGID_POINTS = np.array([r[3] for r in _RIGID] + [r[3] for r in _MIRRORED]) * np.where(
    np.arange(len(RIGID_INDICES))[:, None] < len(_RIGID), (-1.0, 1.0, 1.0), 1.0
)
_WEIGHTS = np.array([r[2] for r in _RIGID] + [r[2] for r in _MIRRORED])
_WEIGHTS /= _WEIGHTS.sum()
_ITERATIONS = 8


def head_pose(meshes, image_size, *, focal_px=None):
    """Where the head is and how it is turned.

    Gauss-Newton steps from the similarity transform of `head_frame`. A face mesh knows depths,
    and they enter beside the places in the picture: places alone give half as good a pitch.

    Args:
      meshes: [T, 468, 3] px of the picture; z as by `face_detector.Face`.
      image_size: (height, width) in px; the camera looks at the middle.
      focal_px: of the camera. None = twice the longer side, a field of view of 28 degrees. A wrong
        one scales the distance, and hardly changes the angles.

    Returns:
      float32 [T, 6]: yaw, pitch, roll in rad (to the right of the picture, down, and crown to the
      left are positive; rotation = roll @ yaw @ pitch); x, y, z of the head's origin in the
      camera's frame, in cm of the canonical face (z is negative).
    """
    meshes = _checked(meshes)
    height, width = image_size
    focal_px = focal_px or 2.0 * max(height, width)
    centre = (width / 2, height / 2, 0.0)
    points = (meshes[:, RIGID_INDICES] - centre) * (1.0, -1.0, -1.0) / focal_px
    rotation, scale, shift = _similarity(points)
    position = np.concatenate([shift[:, :2], -np.ones((len(meshes), 1))], axis=1) / scale[:, None]
    for _ in range(_ITERATIONS):
        rotation, position = _gauss_newton_step(points, rotation, position)
    return np.concatenate([_angles(rotation), position], axis=1).astype(np.float32)


def head_frame(meshes):
    """The mesh without pose and size: [T, 468, 3] px -> float32 [T, 468, 3] in the head's frame.

    Aligned by a similarity transform of the rigid points to the canonical face, so in its cm.
    """
    meshes = _checked(meshes) * (1.0, -1.0, -1.0)
    rotation, scale, shift = _similarity(meshes[:, RIGID_INDICES])
    return (((meshes - shift[:, None]) @ rotation) / scale[:, None, None]).astype(np.float32)


def _checked(meshes):
    meshes = np.asarray(meshes, np.float64)
    if meshes.ndim != 3 or meshes.shape[1:] != (468, 3) or not np.isfinite(meshes).all():
        raise ValueError(f"meshes: found {list(meshes.shape)}, expected finite [T, 468, 3]")
    return meshes


def _similarity(points):
    """Rotation [T, 3, 3], scale [T], shift [T, 3] from the rigid points to `points` [T, 33, 3],
    by weighted least squares (Umeyama 1991)."""
    model_mean, mean = _WEIGHTS @ RIGID_POINTS, _WEIGHTS @ points
    model = RIGID_POINTS - model_mean
    weighted = _WEIGHTS[:, None] * model
    u, s, vt = np.linalg.svd(np.swapaxes(points - mean[:, None], 1, 2) @ weighted)
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    u[..., 2] *= sign[:, None]
    s[:, 2] *= sign
    rotation, scale = u @ vt, s.sum(1) / np.sum(weighted * model)
    return rotation, scale, mean - scale[:, None] * (rotation @ model_mean)


def _gauss_newton_step(points, rotation, position):
    """Better rotation [T, 3, 3] and position [T, 3] for the points over the focal length."""
    turned = RIGID_POINTS @ np.swapaxes(rotation, 1, 2)  # [T, 33, 3]
    seen = turned + position[:, None]
    depth = -seen[..., 2]
    x, y, z = np.moveaxis(turned, -1, 0)
    zero = np.zeros_like(x)
    # Of the points by rotation vector and shift.
    moved = np.stack(
        [
            *(np.stack([zero, z, -y], -1), np.stack([-z, zero, x], -1)),
            np.stack([y, -x, zero], -1),
        ],
        axis=-2,
    )
    moved = np.concatenate([moved, np.broadcast_to(np.eye(3), moved.shape)], axis=-1)
    slope = seen[..., :2] / depth[..., None]
    in_picture = (moved[..., :2, :] + slope[..., None] * moved[..., 2:, :]) / depth[..., None, None]
    # Depths only count relative to each other, at the scale of the head's distance.
    distance = -position[:, 2, None]
    relative, target = turned[..., 2] / distance, points[..., 2]
    in_depth = moved[..., 2, :] / distance[..., None]
    residual = np.concatenate(
        [points[..., :2] - slope, (_centred(target) - _centred(relative))[..., None]], axis=-1
    )
    jacobian = np.concatenate([in_picture, _centred(in_depth)[..., None, :]], axis=-2)
    root = np.sqrt(_WEIGHTS)[:, None]
    residual = (residual * root).reshape(len(points), -1, 1)
    jacobian = (jacobian * root[..., None]).reshape(len(points), -1, 6)
    transposed = np.swapaxes(jacobian, 1, 2)
    step = np.linalg.solve(transposed @ jacobian, transposed @ residual)[..., 0]
    return _rotation(step[:, :3]) @ rotation, position + step[:, 3:]


def _centred(values):
    """[T, 33, ...] less its weighted mean over the points."""
    return values - np.tensordot(values, _WEIGHTS, axes=(1, 0))[:, None]


def _rotation(vectors):
    """Rotation matrices [T, 3, 3] of small rotation vectors [T, 3] (Cayley transform)."""
    x, y, z = np.moveaxis(vectors / 2, -1, 0)
    zero = np.zeros_like(x)
    half = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    return np.linalg.solve(np.eye(3) - half, np.eye(3) + half)


def _angles(rotation):
    """[T, 3, 3] = roll @ yaw @ pitch -> yaw, pitch, roll [T, 3] in rad."""
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1.0, 1.0))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return np.stack([yaw, pitch, roll], axis=1)
