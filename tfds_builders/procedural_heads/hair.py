"""Hair as strands: roots on the scalp, grown step by step under comb, gravity and curl.

A strand stands for a lock of some twenty hairs. Strands are polylines in the head's frame; they are
grown once per person and only transformed from frame to frame.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate

POINTS = 16


class Style(NamedTuple):
    """Length and volume in cm, comb direction, pull of gravity 0..1, curl radius in cm."""

    length: float
    volume: float
    comb: str
    gravity: float
    curl: float
    curl_turns: float
    count: int
    clump: float


STYLES = {
    "long": Style(30.0, 1.1, "part", 0.35, 0.10, 1.0, 3200, 0.5),
    "wavy": Style(24.0, 1.5, "part", 0.30, 0.55, 3.0, 3200, 0.6),
    "bob": Style(15.0, 1.4, "part", 0.30, 0.10, 0.8, 3000, 0.5),
    "bun": Style(13.0, 0.45, "back", 0.0, 0.04, 1.0, 2600, 0.3),
    "short": Style(4.5, 1.0, "side", 0.10, 0.12, 0.8, 3200, 0.5),
    "swept": Style(7.5, 1.5, "swept", 0.06, 0.15, 0.7, 3200, 0.6),
    "crop": Style(1.1, 0.35, "stand", 0.10, 0.05, 1.0, 3600, 0.2),
    "afro": Style(6.5, 3.2, "stand", 0.0, 0.55, 4.0, 4200, 0.1),
    "bald": Style(0.25, 0.05, "stand", 0.1, 0.0, 1.0, 1400, 0.0),
}
_CENTRE = np.array([0.0, 2.5, -2.6])


class Strands(NamedTuple):
    """points [S, P, 3] and outward directions [S, P, 3] in the head's frame, tint [S, P] (factor
    of the hair's colour), width [S] cm, sway [S, P] weight of the head's rotation, jaw [S] of the
    beard."""

    points: np.ndarray
    outward: np.ndarray
    tint: np.ndarray
    width: np.ndarray
    rigid: np.ndarray


def inside_hairline(angle, y, hairline):
    """How far (cm) a point of the head is inside the hair's border; negative on the face."""
    degrees = np.degrees(np.abs(angle))
    h = hairline
    border = interpolate.PchipInterpolator(
        [0, 22, 42, 56, 68, 78, 86, 98, 112, 135, 180],
        [h, h + 0.15, h - 0.5, h - 2.4, 3.6, 0.9, 0.8, 1.0, -2.0, -4.5, -5.6],
    )(degrees)
    slope = 1.0 - 0.55 * np.exp(-(((degrees - 60.0) / 16.0) ** 2))
    return (y - border) * slope


def _radii(surface):
    return np.array([surface.half_width(4.0), surface.top - 2.5, 7.9])


def _roots(rng, surface, hairline, count):
    """(angle, y, position [N, 3], distance inside the hairline [N])."""
    n = 4 * count
    direction = rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    y = _CENTRE[1] + _radii(surface)[1] * direction[:, 1]
    angle = np.arctan2(direction[:, 0], direction[:, 2])
    y = np.clip(y, surface.bottom, surface.top - 0.02)
    inside = inside_hairline(angle, y, hairline) + 0.35 * rng.standard_normal(n)
    keep = np.flatnonzero(inside > 0.0)[:count]
    return angle[keep], y[keep], surface.point(angle[keep], y[keep]), inside[keep]


def _comb(style, hair, root, normal, rng):
    """Initial direction [S, 3] of growth."""
    n = len(root)
    up, right, front = np.eye(3)[[1, 0, 2]]
    noise = 0.14 * rng.standard_normal((n, 3))
    x, top = root[:, 0], np.clip((root[:, 1] - 6.0) / 5.0, 0.0, 1.0)[:, None]
    if style.comb == "part":
        side = np.where(x > hair.parting, 1.0, -1.0)[:, None]
        direction = side * right * (0.4 + top) - up * (1.0 - 0.8 * top) + 0.35 * normal
        direction = direction - 0.35 * front
    elif style.comb == "back":
        direction = -1.2 * front + 0.35 * up + 0.1 * normal - 0.1 * np.sign(x)[:, None] * right
    elif style.comb == "swept":
        side = np.sign(hair.parting)
        direction = normal * 0.6 - 0.75 * front * top - side * 0.6 * right * top
        direction = direction - up * (1.0 - top) - 0.4 * front * (1 - top)
    elif style.comb == "side":
        side = np.sign(hair.parting)
        direction = normal * 0.5 - side * right * 0.8 * top + 0.35 * front * top - up * (1.2 - top)
    else:
        direction = normal.copy()
    direction = direction + noise
    return direction / np.linalg.norm(direction, axis=1, keepdims=True)


def _push_out(points, radii, lift):
    """Moves points that lie inside the skull, enlarged by `lift` cm, to its surface."""
    scaled = (points - _CENTRE) / (radii + lift[:, None])
    norm = np.linalg.norm(scaled, axis=1, keepdims=True)
    pushed = _CENTRE + scaled / np.maximum(norm, 1e-6) * (radii + lift[:, None])
    below = np.clip((-1.0 - points[:, 1]) / 3.0, 0.0, 1.0)[:, None]  # the skull ends at the neck
    return np.where(norm < 1.0, pushed + below * (points - pushed), points)


def grow(rng, surface, hair, density=1.0):
    """`Strands` of a person; `density` scales their number (and width against it)."""
    style = STYLES[hair.style]
    count = int(style.count * density)
    angle, y, root, inside = _roots(rng, surface, hair.hairline, count)
    count = len(root)
    radii = _radii(surface)
    normal = (root - _CENTRE) / radii**2
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    length = style.length * hair.length * rng.uniform(0.75, 1.1, count)
    # Hair at the border and at the neck is short and fine.
    length *= 0.35 + 0.65 * np.clip(inside / 1.2, 0.0, 1.0)
    if style.comb in ("side", "swept", "stand"):
        length *= 0.35 + 0.65 * np.clip((root[:, 1] - 2.0) / 6.0, 0.0, 1.0)
    lift = style.volume * rng.uniform(0.15, 1.0, count) * np.clip(0.35 + inside / 2.5, 0.3, 1.0)
    direction = _comb(style, hair, root, normal, rng)
    if style.clump:  # neighbours share a direction
        key = np.floor(np.stack([root[:, 0] / 1.3, root[:, 1] / 1.3, root[:, 2] / 1.3], 1))
        cell = ((key @ np.array([73.0, 157.0, 311.0])) % 997).astype(int)
        wave = rng.standard_normal((997, 3))[cell]
        direction = direction + 0.28 * style.clump * wave
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    phase = rng.uniform(0, 2 * np.pi, count)
    points = np.empty((count, POINTS, 3))
    points[:, 0] = root - 0.05 * normal
    p = root.copy()
    step = (length / (POINTS - 1))[:, None]
    down = np.array([0.0, -1.0, 0.0])
    for k in range(1, POINTS):
        pull = style.gravity * np.clip(1.6 * k / POINTS, 0.0, 1.0)
        direction = direction * (1.0 - pull) + pull * down
        if style.comb == "back":
            target = np.array([0.0, 4.5, -10.5]) - p
            direction = direction + 0.25 * target / np.linalg.norm(target, axis=1, keepdims=True)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        p = p + step * direction
        # Keep the face free: what hangs before it moves to the sides.
        hanging = (p[:, 2] > 1.0) & (p[:, 1] < hair.hairline - 0.5) & (style.comb == "part")
        away = np.where(p[:, 0] > 0, 1.0, -1.0) * np.clip(7.3 - np.abs(p[:, 0]), 0.0, 1.0)
        p[:, 0] += hanging * away * 0.8
        p[:, 2] -= hanging * 0.5
        if style.comb != "stand":
            p = _push_out(p, radii, lift)
        direction = p - points[:, k - 1]
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
        points[:, k] = p
    t = np.linspace(0, 1, POINTS)[None]
    curl = style.curl * hair.curl
    if curl:
        turn = 2 * np.pi * style.curl_turns * t + phase[:, None]
        ramp = np.clip(2.0 * t, 0, 1)
        points[..., 0] += curl * ramp * np.cos(turn) * 0.8
        points[..., 2] += curl * ramp * np.sin(turn) * 0.8
        points[..., 1] += 0.4 * curl * ramp * np.sin(turn + 1.0)
    outward = (points - _CENTRE) / (radii + 1.0) ** 2
    outward[..., 1] = np.where(points[..., 1] < 2.0, 0.3 * outward[..., 1], outward[..., 1])
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    shade = rng.normal(1.0, 0.16, count)[:, None] * (0.62 + 0.38 * np.clip(lift / (
        0.75 * style.volume + 1e-6), 0.3, 1.0))[:, None]  # fmt: skip
    tint = np.clip(shade * (0.75 + 0.35 * t), 0.2, 1.6)
    width = np.full(count, 0.13 if hair.style != "crop" else 0.08) / np.sqrt(density)
    rigid = np.clip((points[..., 1] + 18.0) / 12.0, 0.0, 1.0)
    del y, angle
    return Strands(points, outward, tint, width, rigid)
