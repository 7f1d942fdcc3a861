"""The shape of a head: its sizes, its surface as a function, the 68 landmarks on it.

Head frame in cm: x to the right of the picture, y up, z to the camera, origin mid-face.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate

NUM_LANDMARKS = 68

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


EYE_RADIUS = 1.25


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def gauss(x, y, x0, y0, sx, sy):
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
        z = 0.42 * s.brow_ridge * gauss(ax, y, 2.7, s.eye_y + 1.55, 2.1, 0.75)
        z += 0.18 * s.brow_ridge * gauss(ax, y, 0.0, s.eye_y + 1.6, 1.2, 0.8)
        z -= 0.80 * s.eye_depth * gauss(ax, y, s.eye_x - 0.35, s.eye_y + 0.15, 1.75, 1.05)
        z -= 0.35 * gauss(ax, y, 1.35, s.eye_y - 0.2, 0.75, 1.2)
        z += 0.46 * gauss(ax, y, s.eye_x, s.eye_y - 0.02, 1.15, 0.66)
        z += 0.55 * s.cheekbone * gauss(ax, y, 4.5, 0.1, 1.8, 1.35)
        z += (0.25 + 0.5 * (s.cheek - 1.0)) * gauss(ax, y, 4.4, -3.2, 1.7, 2.0)
        z -= 0.30 * gauss(ax, y, 6.7, 4.8, 1.3, 2.0)
        # Nose: ridge, tip, wings.
        knots = np.array([base - 0.55, base - 0.12, base + 0.3, tip, tip + 0.8, 1.2, 2.3,
                          s.eye_y + 0.9, s.eye_y + 2.0])  # fmt: skip
        height = np.array([0.0, 0.35, 1.75, 2.10 * s.nose_tip, 2.0, 1.30, 0.76, 0.30, 0.0])
        height[4:7] *= s.nose_bridge
        half = np.array([0.7, 0.78, 0.92, 0.95, 0.80, 0.64, 0.58, 0.72, 1.0]) * s.nose_width
        ridge = interpolate.PchipInterpolator(knots, height)(np.clip(y, knots[0], knots[-1]))
        width = interpolate.PchipInterpolator(knots, half)(np.clip(y, knots[0], knots[-1]))
        z += ridge * np.exp(-(np.abs(x / width) ** 2.0))
        z += 0.42 * s.nose_tip * gauss(ax, y, 0.0, tip - 0.1, 0.72 * s.nose_width, 0.62)
        z += 1.15 * gauss(ax, y, 1.22 * s.nose_width, base + 0.60, 0.46 * s.nose_width, 0.52)
        z -= 0.26 * gauss(ax, y, 1.95 * s.nose_width, base + 0.55, 0.28, 0.65)
        # Mouth: muzzle, lips, philtrum, the hollow under the lower lip, chin.
        z += 0.62 * gauss(ax, y, 0.0, my + 0.1, 2.5, 1.75)
        t = np.clip(ax / s.mouth_half_width, 0.0, 1.0)
        fade = (1.0 - t**2) ** 0.8
        up, low = 0.55 * s.upper_lip, 0.50 * s.lower_lip
        lip = 0.34 * np.exp(-(((y - my - up) / (0.62 * s.upper_lip)) ** 2)) * (y >= my)
        lip += 0.42 * np.exp(-(((y - my + low) / (0.62 * s.lower_lip)) ** 2)) * (y < my)
        lip -= 0.26 * np.exp(-(((y - my) / 0.16) ** 2))
        z += lip * fade
        z -= 0.14 * gauss(ax, y, s.mouth_half_width + 0.1, my, 0.45, 0.5)
        z -= 0.10 * gauss(ax, y, 0.0, 0.5 * (base + my + s.upper_lip), 0.28, 0.6)
        z -= 0.38 * gauss(ax, y, 0.0, my - s.lower_lip - 0.75, 1.7, 0.45)
        z += 0.55 * s.chin * gauss(ax, y, 0.0, my - 3.2, 1.5, 0.95)
        # The fold from the nose's wings to the corners of the mouth.
        fold = np.exp(-((ax - 1.8 - 0.33 * (base + 1.0 - y)) ** 2) / 0.10)
        fold *= smoothstep(my - 0.4, my + 0.6, y) * smoothstep(base + 0.9, base + 0.2, y)
        return z - 0.10 * fold

    def point(self, angle, y):
        """Points [.., 3] at an angle around the vertical axis (0 = front) and a height."""
        angle, y = np.broadcast_arrays(angle, np.clip(y, self.bottom, self.top))
        half, front, centre = self.half_width(y), self.front(y), self.centre(y)
        x = half * np.sin(angle)
        z = centre + (front - centre) * np.cos(angle)
        facing = smoothstep(0.05, 0.5, np.cos(angle))
        return np.stack([x, y, z + facing * self.relief(x, y)], axis=-1)

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


def landmarks(surface):
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
