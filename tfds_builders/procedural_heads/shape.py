"""The head's geometry: neutral mesh, expression fields, 68 landmarks.

Head frame in cm: x to the right of the picture, y up, z to the camera, origin mid-face. The head is
a grid of `rows x columns` around a vertical axis; the row of the mouth occurs twice, so the lips
part, and the triangles between (the "mouth") are the window through which the inner mouth is traced.
Ears and torso are meshes of their own. Expression moves vertices linearly: neutral + features @
fields, with a few features made from the 64 parameters by `features`.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate

from .expression import INDEX

SKIN, MOUTH, EAR, TORSO = range(4)  # materials of triangles
NUM_LANDMARKS, NUM_MESH = 68, 315
FEATURES = (
    "jaw upper_lip lower_lip wide round press tuck smile smile_side corner_down jaw_side puff "
    "brow_inner brow_outer brow_lower brow_side squint wrinkle blink_left blink_right"
).split()

# y, half-width, front z, centre z of the cross-section.
_PROFILE = np.array([
    [12.62, 0.05, -2.6, -2.60], [12.25, 2.2, -0.6, -2.60], [11.3, 4.10, 1.5, -2.60],
    [9.9, 5.60, 3.25, -2.60], [8.2, 6.65, 4.40, -2.60], [5.0, 7.40, 5.25, -2.60],
    [2.5, 7.45, 5.05, -2.50], [0.0, 7.15, 5.05, -2.20], [-2.0, 6.75, 5.10, -1.60],
    [-4.9, 5.95, 5.05, -0.20], [-6.5, 5.00, 4.85, 1.10], [-7.9, 3.75, 4.60, 2.40],
    [-8.8, 2.45, 4.45, 3.20], [-9.3, 1.05, 4.15, 3.70], [-9.42, 0.05, 3.9, 3.85],
])  # fmt: skip


class Shape(NamedTuple):
    """Sizes of one person's head; 1 or 0 is the average of everybody (units cm or factors)."""

    width: float
    height: float
    jaw: float
    chin: float
    cheekbone: float
    cheek: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_tip: float
    nose_bridge: float
    eye_x: float
    eye_y: float
    eye_half_width: float
    eye_open: float
    eye_tilt: float
    eye_depth: float
    brow_y: float
    brow_arch: float
    mouth_y: float
    mouth_half_width: float
    upper_lip: float
    lower_lip: float
    bow: float
    ear: float
    neck: float
    shoulders: float


class Geometry(NamedTuple):
    """Neutral vertices [V, 3], triangles [F, 3], material [F], fields [K, V, 3], weight of the
    head's rotation [V], cm inside the hairline [V], how many vertices (the first) are the head's,
    first landmark vertex, and the vertices of the clip's `mesh`."""

    neutral: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    fields: np.ndarray
    rigid: np.ndarray
    scalp: np.ndarray
    head_vertices: int
    first_landmark: int
    mesh_vertices: np.ndarray
    eyes: np.ndarray  # [2, 3] centres of the eyeballs, picture left first


EYE_RADIUS = 1.25


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _gauss(x, y, x0, y0, sx, sy):
    return np.exp(-(((x - x0) / sx) ** 2) - ((y - y0) / sy) ** 2)


class Surface:
    """The front of the head as a function: half-widths, depth, and the face's relief."""

    def __init__(self, shape):
        self.shape = s = shape
        profile = _PROFILE.copy()
        y = profile[:, 0]
        low = smoothstep(1.0, -7.0, y)
        profile[:, 1] *= s.width * (1.0 + (s.jaw - 1.0) * low)
        profile[:, 2] += 0.5 * (s.chin - 1.0) * smoothstep(-5.5, -8.5, y)
        profile[:, 0] = np.where(y > 0, y * s.height, y * (0.5 + 0.5 * s.height))
        order = np.argsort(profile[:, 0])
        self.profile = profile[order]
        p = self.profile
        self.half_width, self.front, self.centre = (
            interpolate.PchipInterpolator(p[:, 0], p[:, k]) for k in (1, 2, 3)
        )
        self.bottom, self.top = p[0, 0], p[-1, 0]

    def relief(self, x, y):
        """What the face adds to the ellipses in z, [..] cm."""
        s, ax = self.shape, np.abs(x)
        my = s.mouth_y
        base = -1.9 - 0.9 * (s.nose_length - 1.0)  # where the nose ends
        tip = base + 1.15
        z = 0.42 * s.brow_ridge * _gauss(ax, y, 2.7, s.eye_y + 1.55, 2.1, 0.75)
        z += 0.18 * s.brow_ridge * _gauss(ax, y, 0.0, s.eye_y + 1.6, 1.2, 0.8)
        z -= 0.80 * s.eye_depth * _gauss(ax, y, s.eye_x - 0.35, s.eye_y + 0.15, 1.75, 1.05)
        z -= 0.35 * _gauss(ax, y, 1.35, s.eye_y - 0.2, 0.75, 1.2)
        z += 0.46 * _gauss(ax, y, s.eye_x, s.eye_y - 0.02, 1.15, 0.66)
        z += 0.55 * s.cheekbone * _gauss(ax, y, 4.5, 0.1, 1.8, 1.35)
        z += (0.25 + 0.5 * (s.cheek - 1.0)) * _gauss(ax, y, 4.4, -3.2, 1.7, 2.0)
        z -= 0.30 * _gauss(ax, y, 6.7, 4.8, 1.3, 2.0)
        # Nose: ridge, tip, wings.
        knots = np.array([base - 0.55, base - 0.12, base + 0.3, tip, tip + 0.8, 1.2, 2.3,
                          s.eye_y + 0.9, s.eye_y + 2.0])  # fmt: skip
        height = np.array([0.0, 0.35, 1.75, 2.40 * s.nose_tip, 2.0, 1.30, 0.76, 0.30, 0.0])
        height[4:7] *= s.nose_bridge
        half = np.array([0.7, 0.78, 0.92, 0.95, 0.80, 0.64, 0.58, 0.72, 1.0]) * s.nose_width
        ridge = interpolate.PchipInterpolator(knots, height)(np.clip(y, knots[0], knots[-1]))
        width = interpolate.PchipInterpolator(knots, half)(np.clip(y, knots[0], knots[-1]))
        z += ridge * np.exp(-np.abs(x / width) ** 2.2)
        z += 1.05 * _gauss(ax, y, 1.22 * s.nose_width, base + 0.62, 0.40 * s.nose_width, 0.50)
        z -= 0.20 * _gauss(ax, y, 1.85 * s.nose_width, base + 0.5, 0.3, 0.6)
        # Mouth: muzzle, lips, philtrum, the hollow under the lower lip, chin.
        z += 0.62 * _gauss(ax, y, 0.0, my + 0.1, 2.5, 1.75)
        t = np.clip(ax / s.mouth_half_width, 0.0, 1.0)
        fade = (1.0 - t**2) ** 0.8
        up, low = 0.55 * s.upper_lip, 0.50 * s.lower_lip
        lip = 0.34 * np.exp(-(((y - my - up) / (0.62 * s.upper_lip)) ** 2)) * (y >= my)
        lip += 0.42 * np.exp(-(((y - my + low) / (0.62 * s.lower_lip)) ** 2)) * (y < my)
        lip -= 0.26 * np.exp(-(((y - my) / 0.16) ** 2))
        z += lip * fade
        z -= 0.14 * _gauss(ax, y, s.mouth_half_width + 0.1, my, 0.45, 0.5)
        z -= 0.10 * _gauss(ax, y, 0.0, 0.5 * (base + my + s.upper_lip), 0.28, 0.6)
        z -= 0.38 * _gauss(ax, y, 0.0, my - s.lower_lip - 0.75, 1.7, 0.45)
        z += 0.55 * s.chin * _gauss(ax, y, 0.0, my - 3.2, 1.5, 0.95)
        return z - 0.10 * np.exp(-((ax - 1.8 - 0.33 * (base + 1.0 - y)) ** 2) / 0.10) * (
            smoothstep(my - 0.4, my + 0.6, y) * smoothstep(base + 0.9, base + 0.2, y)
        )

    def point(self, angle, y):
        """Points [.., 3] at an angle around the vertical axis (0 = front) and a height."""
        y = np.clip(y, self.bottom, self.top)
        half, front, centre = self.half_width(y), self.front(y), self.centre(y)
        x = half * np.sin(angle)
        z = centre + (front - centre) * np.cos(angle)
        facing = smoothstep(0.05, 0.5, np.cos(angle))
        return np.stack([x, y + 0.0 * x, z + facing * self.relief(x, y)], axis=-1)

    def at(self, x, y):
        """Points [.., 3] of the face above (x, y)."""
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        angle = np.arcsin(np.clip(x / self.half_width(y), -0.999, 0.999))
        return self.point(angle, y)

    def lip_border(self, x, upper):
        """y of the outer edge of a lip at x."""
        s = self.shape
        t = np.clip(np.abs(x) / s.mouth_half_width, 0.0, 1.0)
        if upper:
            bow = 1.0 - 0.24 * s.bow * np.exp(-((t / 0.2) ** 2))
            return s.mouth_y + s.upper_lip * (1.0 - t**1.9) * bow
        return s.mouth_y - s.lower_lip * (1.0 - t**2.3)

    def lid(self, t, upper):
        """y of an open eye's lid relative to the eye's centre; t from -1 (inner) to 1 (outer)."""
        s = self.shape
        arch = np.clip(1.0 - t * t, 0.0, 1.0)
        tilt = s.eye_tilt * t
        if upper:
            return tilt + s.eye_open * 1.02 * arch**0.72 * (1.0 - 0.10 * t)
        return tilt - s.eye_open * 0.68 * arch**0.85 * (1.0 + 0.12 * t)

    def brow(self, x):
        """y of a brow's centre line at |x|."""
        s = self.shape
        t = (np.abs(x) - 1.0) / 4.3
        return s.eye_y + s.brow_y + 0.35 * s.brow_arch * (1.0 - ((t - 0.62) / 0.62) ** 2) - 0.12


def _angles():
    """Columns: dense in front, sparse behind, symmetrical, one at 0."""
    t = np.linspace(0.0, 1.0, 37)[1:]
    half = np.radians(63.0) * t + np.radians(117.0) * t**4.2
    return np.concatenate([-half[::-1][1:], [0.0], half])


def _row_heights(surface):
    s, top, bottom = surface.shape, surface.top, surface.bottom
    my = s.mouth_y
    lips = np.array([0.0, 0.07, 0.18, 0.32, 0.48, 0.66, 0.88, 1.12])
    above = np.concatenate([my + lips, np.linspace(my + 1.34, s.eye_y + 3.1, 36)])
    above = np.concatenate([above, np.linspace(above[-1] + 0.4, 0.82 * top, 8)])
    dome = top - (top - above[-1]) * (1.0 - np.linspace(0, 1, 8)[1:]) ** 1.7
    above = np.concatenate([above, dome])
    below = np.concatenate([my - lips, np.linspace(my - 1.4, bottom + 0.75, 14)])
    under = bottom + (below[-1] - bottom) * (1.0 - np.linspace(0, 1, 6)[1:]) ** 1.6
    return above[::-1], np.concatenate([below, under])


def _grid_faces(rows, columns, closed, first=0):
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns - (not closed)), indexing="ij")
    right = (c + 1) % columns
    a, b = r * columns + c, r * columns + right
    d, e = (r + 1) * columns + c, (r + 1) * columns + right
    faces = np.stack([np.stack([a, d, b], -1), np.stack([b, d, e], -1)], axis=2)
    return faces.reshape(-1, 3) + first, np.repeat(r.reshape(-1), 2)


def _ear(surface, side):
    """A grid [rows, columns, 3] of an ear: rim, hollow and lobe on a plane that stands out."""
    s = surface.shape
    radius, theta = np.meshgrid(np.linspace(0, 1, 11), np.linspace(0, 2 * np.pi, 28), indexing="ij")
    # Outline in the ear's plane: u backwards, v up.
    outline_u = 1.55 * np.cos(theta) * np.where(np.cos(theta) > 0, 1.0, 0.72)
    outline_v = 3.05 * np.sin(theta)
    outline_u = outline_u * (1.0 - 0.28 * smoothstep(0.3, -3.0, outline_v)) + 0.10 * outline_v
    u, v = radius * outline_u, radius * outline_v
    back = smoothstep(-0.5, 0.2, np.cos(theta)) + smoothstep(0.2, 0.8, np.sin(theta))
    back = np.clip(back, 0, 1) * smoothstep(-0.95, -0.55, np.sin(theta))
    rim = np.exp(-(((radius - 0.90) / 0.085) ** 2)) * back
    fold = np.exp(-(((radius - 0.60) / 0.11) ** 2)) * back
    bowl = smoothstep(0.50, 0.15, np.hypot((u + 0.15) / 1.15, (v + 0.35) / 1.6))
    tragus = _gauss(u, v, -0.85, -0.55, 0.30, 0.45)
    edge = smoothstep(0.93, 1.0, radius)
    w = 0.30 * rim + 0.24 * fold - 0.55 * bowl + 0.4 * tragus - 0.40 * edge
    w += 1.25 * smoothstep(-1.3, 1.5, u)  # the back of the ear stands away from the head
    scale = 0.92 * s.ear
    y0, z0 = 0.55, -2.2
    lean = 0.16
    y = y0 + scale * (v * np.cos(lean) - u * np.sin(lean))
    z = z0 - scale * (u * np.cos(lean) + v * np.sin(lean)) * 0.93
    x = side * (surface.half_width(np.clip(y, 0.0, 9.0)) - 0.30 + scale * w)
    return np.stack([x, y, z], axis=-1)


def _torso(shape):
    """A grid [rows, columns, 3] of neck, shoulders and chest."""
    neck, wide = shape.neck, shape.shoulders
    rows = np.array([
        # y, half-width, half-depth, centre z, squareness
        [-3.0, 4.5 * neck, 4.5 * neck, -3.4, 2.0], [-6.0, 4.55 * neck, 4.6 * neck, -3.2, 2.0],
        [-9.0, 4.75 * neck, 4.7 * neck, -3.3, 2.0], [-11.5, 5.3 * neck, 4.9 * neck, -3.6, 2.0],
        [-13.2, 6.8 * neck, 5.4, -3.9, 2.0], [-14.6, 9.5, 6.2, -4.2, 2.1],
        [-15.8, 13.2 * wide, 7.4, -4.6, 2.2], [-17.4, 17.2 * wide, 8.6, -5.0, 2.4],
        [-19.6, 19.4 * wide, 9.4, -5.0, 2.5], [-24.0, 20.6 * wide, 10.2, -4.6, 2.6],
        [-40.0, 21.0 * wide, 11.0, -4.2, 2.6],
    ])  # fmt: skip
    y = np.concatenate([np.linspace(-3.0, -20.0, 27), [-22, -25, -30, -40]])
    half, depth, centre, power = (
        interpolate.PchipInterpolator(-rows[:, 0], rows[:, k])(-y)[:, None] for k in range(1, 5)
    )
    angle = np.concatenate([np.linspace(-100, 100, 41), np.linspace(118, 242, 7)]) * np.pi / 180
    sin, cos = np.sin(angle)[None], np.cos(angle)[None]
    norm = (np.abs(sin) ** power + np.abs(cos) ** power) ** (1.0 / power)
    x, z = half * sin / norm, centre + depth * cos / norm
    yy = y[:, None] + 0.0 * x
    # Tendons of the neck and the hollow between the collar bones.
    tendon = np.exp(-(((np.abs(x) - 1.0 - 0.28 * (yy + 14.0)) / 0.7) ** 2))
    z = z + 0.30 * tendon * smoothstep(-14.5, -12.0, yy) * smoothstep(-4.0, -8.0, yy) * (cos > 0)
    z = z - 0.5 * _gauss(x, yy, 0.0, -14.0, 1.0, 0.8) * (cos > 0)
    collar = np.exp(-((yy + 15.2 - 0.06 * np.abs(x)) ** 2) / 0.35) * smoothstep(1.2, 3.0, np.abs(x))
    z = z + 0.35 * collar * (cos > 0)
    return np.stack([x, yy, z], axis=-1)


def _landmarks(surface):
    """Neutral positions [68, 3] and whether each lies on the lower side of the mouth."""
    s = surface.shape
    points = np.zeros((NUM_LANDMARKS, 3))
    lower = np.zeros(NUM_LANDMARKS, bool)
    y = np.array([1.6, -0.4, -2.3, -4.1, -5.7, -7.0, -8.0, -8.75, -9.1])
    y = np.where(y > 0, y * s.height, y * (0.5 + 0.5 * s.height))
    angle = np.radians([84, 83, 82, 80, 76, 68, 54, 30, 0])
    points[:9] = surface.point(-angle, y)
    points[8:17] = surface.point(angle[::-1], y[::-1])
    x = np.array([5.0, 4.2, 3.2, 2.2, 1.1])
    points[17:22] = surface.at(-x, surface.brow(x))
    points[22:27] = surface.at(x[::-1], surface.brow(x[::-1]))
    base = -1.9 - 0.9 * (s.nose_length - 1.0)
    points[27:31] = surface.at(np.zeros(4), np.linspace(s.eye_y, base + 1.15, 4))
    points[31:36] = surface.at(
        np.array([-1.15, -0.6, 0.0, 0.6, 1.15]) * s.nose_width,
        base + np.array([0.25, 0.1, 0.0, 0.1, 0.25]),
    )
    t = np.array([1.0, 0.38, -0.38, -1.0])
    dx = s.eye_half_width * t
    up, low = surface.lid(t, True), surface.lid(t, False)
    points[36:40] = surface.at(-(s.eye_x + dx), s.eye_y + up)
    points[[41, 40]] = surface.at(-(s.eye_x + dx[1:3]), s.eye_y + low[1:3])
    points[42:46] = surface.at((s.eye_x + dx)[::-1], s.eye_y + up[::-1])
    points[[46, 47]] = surface.at(s.eye_x + dx[1:3], s.eye_y + low[1:3])
    half = s.mouth_half_width
    x = half * np.array([-1.0, -0.62, -0.24, 0.0, 0.24, 0.62, 1.0])
    points[48:55] = surface.at(x, surface.lip_border(x, True))
    points[55:60] = surface.at(x[5:0:-1], surface.lip_border(x[5:0:-1], False))
    x = half * np.array([-0.93, -0.45, 0.0, 0.45, 0.93])
    points[60:65] = surface.at(x, np.full(5, s.mouth_y))
    points[65:68] = surface.at(x[3:0:-1], np.full(3, s.mouth_y))
    points[[48, 54], 1] = s.mouth_y
    lower[55:60] = lower[65:68] = True
    return points, lower


def _fields(shape, points, lower):
    """Displacement [K, N, 3] per unit of each feature, for points with a side of the mouth."""
    s = shape
    x, y, z = points.T
    ax, sign = np.abs(x), np.sign(x)
    my, half = s.mouth_y, s.mouth_half_width
    front = smoothstep(-1.0, 2.0, z)
    fields = {name: np.zeros((len(points), 3)) for name in FEATURES}
    t = np.clip(ax / half, 0.0, 1.0)
    open_profile = (1.0 - t**2.2) ** 0.62
    depth = my - y
    base = 0.42 * smoothstep(-1.6, 0.0, depth) + 0.58 * smoothstep(0.0, 1.5, depth)
    near = np.exp(-((depth / 0.9) ** 2))
    jaw = base + open_profile * near * np.where(lower, 1.0 - base, -base)
    lever = np.clip((z + 2.0) / 7.5, 0.0, 1.2) * front
    fields["jaw"][:, 1] = -0.80 * jaw * lever
    fields["jaw"][:, 2] = -0.22 * jaw * front
    fields["jaw"][:, 0] = -0.05 * sign * _gauss(ax, y, 4.0, my, 2.0, 2.5)
    fields["jaw_side"][:, 0] = jaw * lever
    reach_up, reach_down = np.exp(-((depth / 1.25) ** 2)), np.exp(-((depth / 1.1) ** 2))
    fields["upper_lip"][:, 1] = np.where(lower, 0.0, open_profile * reach_up)
    fields["upper_lip"][:, 2] = np.where(lower, 0.0, 0.12 * open_profile * reach_up)
    fields["lower_lip"][:, 1] = np.where(lower, -open_profile * reach_down, 0.0)
    fields["lower_lip"][:, 2] = np.where(lower, -0.10 * open_profile * reach_down, 0.0)
    around = np.exp(-((np.maximum(ax - half, 0.0) / 1.3) ** 2) - (depth / 1.5) ** 2) * front
    fields["wide"][:, 0] = 0.16 * x * around
    fields["wide"][:, 2] = -0.16 * around * t**2
    fields["round"][:, 0] = -0.36 * x * around
    fields["round"][:, 2] = 0.60 * np.exp(-((ax / 1.9) ** 2) - (depth / 1.2) ** 2)
    lips = np.exp(-((np.maximum(ax - half, 0.0) / 0.8) ** 2) - (depth / 0.9) ** 2) * front
    fields["press"][:, 1] = -0.30 * (y - my) * lips
    fields["press"][:, 2] = -0.16 * np.exp(-((depth / 0.5) ** 2)) * open_profile
    tuck = np.where(lower, open_profile * np.exp(-((depth / 0.8) ** 2)), 0.0)
    fields["tuck"][:, 1], fields["tuck"][:, 2] = 0.10 * tuck, -0.34 * tuck
    corner = _gauss(ax, y, half, my, 1.35, 1.15) * front
    apple = _gauss(ax, y, 3.9, -0.4, 1.6, 1.3) * front
    smile = np.stack([sign * (0.42 * corner + 0.08 * apple), 0.52 * corner + 0.32 * apple,
                      -0.22 * corner + 0.34 * apple], axis=1)  # fmt: skip
    fields["smile"] = smile
    fields["smile_side"] = smile * sign[:, None] * smoothstep(0.0, 1.2, ax)[:, None]
    fields["corner_down"][:, 1] = -0.50 * corner
    fields["corner_down"][:, 0] = 0.06 * sign * corner
    puff = _gauss(ax, y, 4.2, my + 0.4, 1.8, 1.7) * front
    fields["puff"][:, 2], fields["puff"][:, 0] = 0.5 * puff, 0.35 * sign * puff
    by = s.eye_y + s.brow_y
    lid_guard = smoothstep(s.eye_y + 0.45, s.eye_y + 1.2, y)
    inner = _gauss(ax, y, 1.2, by + 0.3, 1.5, 1.5) * lid_guard * front
    outer = _gauss(ax, y, 4.1, by + 0.3, 1.7, 1.5) * lid_guard * front
    fields["brow_inner"][:, 1] = 0.62 * inner
    fields["brow_outer"][:, 1] = 0.55 * outer
    fields["brow_side"][:, 1] = 0.5 * (outer + 0.4 * inner) * sign
    fields["brow_lower"][:, 1] = -0.48 * inner - 0.22 * outer
    fields["brow_lower"][:, 0] = -0.28 * sign * inner * smoothstep(0.0, 0.8, ax)
    fields["brow_lower"][:, 2] = 0.14 * inner
    under = _gauss(ax, y, 3.3, s.eye_y - 1.5, 1.8, 0.7) * front
    fields["squint"][:, 1], fields["squint"][:, 2] = 0.18 * under, 0.10 * under
    wing = _gauss(ax, y, 1.3, -1.3, 0.8, 0.9) * front
    fields["wrinkle"][:, 1] = 0.22 * wing + np.where(lower, 0.0, 0.22 * open_profile * reach_up)
    fields["wrinkle"][:, 0] = 0.06 * sign * wing
    return np.stack([fields[name] for name in FEATURES])


def build(shape, hairline, swelling):
    """`Geometry` of a person.

    hairline: (angle, y) -> cm inside the hair's border [N]. swelling: (points [N, 3], cm inside) ->
    what is added to them under the hair [N, 3].
    """
    surface = Surface(shape)
    above, below = _row_heights(surface)
    angles = _angles()
    columns = len(angles)
    heights = np.concatenate([above, below])
    head = surface.point(angles[None, :], heights[:, None]).reshape(-1, 3)
    lower = np.repeat(np.arange(len(heights)) >= len(above), columns)
    faces, face_row = _grid_faces(len(heights), columns, closed=True)
    material = np.where(face_row == len(above) - 1, MOUTH, SKIN)
    inside = np.abs(head[faces][:, :, 0]).min(axis=1) < shape.mouth_half_width
    front = head[faces][:, :, 2].min(axis=1) > 0
    keep = (material != MOUTH) | (inside & front)
    faces, material = faces[keep], material[keep]
    # Beyond the corners both rows of the mouth are one, so that no seam shows there.
    first, last = len(above) * columns, (len(above) + 1) * columns
    one = np.abs(head[first:last, 0]) >= shape.mouth_half_width
    one |= head[first:last, 2] < 0
    merged = np.arange(len(head))
    merged[first:last] -= columns * one
    faces = merged[faces]

    points, sides, all_faces, materials = [head], [lower], [faces], [material]
    count = len(head)
    for side in (-1, 1):
        grid = _ear(surface, side)
        ear_faces, _ = _grid_faces(grid.shape[0], grid.shape[1], closed=False, first=count)
        all_faces.append(ear_faces if side > 0 else ear_faces[:, ::-1])
        materials.append(np.full(len(ear_faces), EAR))
        points.append(grid.reshape(-1, 3))
        sides.append(np.zeros(grid[..., 0].size, bool))
        count += grid[..., 0].size
    first_torso = count
    torso = _torso(shape)
    torso_faces, _ = _grid_faces(torso.shape[0], torso.shape[1], closed=True, first=count)
    all_faces.append(torso_faces)
    materials.append(np.full(len(torso_faces), TORSO))
    points.append(torso.reshape(-1, 3))
    sides.append(np.zeros(torso[..., 0].size, bool))
    count += torso[..., 0].size
    landmarks, landmark_side = _landmarks(surface)
    points.append(landmarks)
    sides.append(landmark_side)

    neutral, side = np.concatenate(points), np.concatenate(sides)
    scalp = np.full(len(neutral), -9.0)
    around = np.broadcast_to(angles[None], (len(heights), columns)).reshape(-1)
    scalp[: len(head)] = hairline(around, head[:, 1])
    neutral[: len(head)] += swelling(head, scalp[: len(head)])
    fields = _fields(shape, neutral, side)
    fields[:, len(head) : count] = 0.0
    for name, (first, corner) in {"blink_left": (36, -1), "blink_right": (42, 1)}.items():
        upper = [first + 1, first + 2]
        below_lid = [first + 5, first + 4]
        k = FEATURES.index(name)
        fields[k, count + np.array(upper)] = landmarks[below_lid] - landmarks[upper]
        del corner
    rigid = np.ones(len(neutral))
    rigid[first_torso:count] = smoothstep(-14.0, -7.0, neutral[first_torso:count, 1])

    rows = np.arange(9, len(heights), 5)  # without the crown
    rows = np.union1d(rows, [len(above) - 1, len(above), len(above) - 3, len(above) + 2])
    wanted = np.flatnonzero(np.abs(angles) < np.radians(75))[::4]
    r, c = np.meshgrid(rows, wanted, indexing="ij")
    grid_vertices = (r * columns + c).reshape(-1)
    mesh = np.concatenate([count + np.arange(NUM_LANDMARKS), grid_vertices])

    eye = surface.at(np.array([-1.0, 1.0]) * shape.eye_x, np.full(2, shape.eye_y))
    eye[:, 2] -= EYE_RADIUS - 0.02
    return Geometry(neutral, np.concatenate(all_faces).astype(np.int32),
                    np.concatenate(materials).astype(np.int32), fields, rigid, scalp, len(head),
                    count, mesh, eye)  # fmt: skip


def features(expression):
    """Feature values [.., K] of expression parameters [.., 64]."""
    e = {name: expression[..., index] for name, index in INDEX.items()}
    free = 1.0 - e["lip_press"]
    values = {
        "jaw": e["jaw_open"],
        "upper_lip": (0.22 * e["jaw_open"] + 0.34 * e["upper_lip_raise"]) * free,
        "lower_lip": 0.40 * e["lower_lip_drop"] * free - 0.74 * e["jaw_open"] * e["lip_press"],
        "wide": e["lip_wide"],
        "round": e["lip_round"],
        "press": e["lip_press"],
        "tuck": e["lip_tuck"],
        "smile": e["smile"],
        "smile_side": e["smile"] * e["smile_side"],
        "corner_down": e["corner_down"],
        "jaw_side": e["jaw_side"],
        "puff": e["cheek_puff"],
        "brow_inner": e["brow_inner"],
        "brow_outer": e["brow_outer"],
        "brow_lower": e["brow_lower"],
        "brow_side": e["brow_side"],
        "squint": e["squint"],
        "wrinkle": e["nose_wrinkle"],
        "blink_left": e["blink_left"],
        "blink_right": e["blink_right"],
    }
    return np.stack([values[name] for name in FEATURES], axis=-1)
