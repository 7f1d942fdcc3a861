"""Hair as strands: guides grown over the scalp, and locks of strands around them.

A guide grows step by step along a combing direction, under gravity, at a height over the scalp that
the style sets; strands take the mean shape of the guides around their roots and draw together
towards the nearest one. Strands are made once per person and only transformed from frame to frame.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate, spatial

from .shape import smoothstep

POINTS = 14
_GUIDES = 420
CENTRE = np.array([0.0, 2.5, -2.6])


class Style(NamedTuple):
    """Lengths of top and sides and height over the scalp in cm, combing, pull of gravity 0..1,
    curls (radius in cm, turns), strands, how much locks draw together 0..1."""

    top: float
    sides: float
    volume: float
    comb: str
    gravity: float
    curl: float
    turns: float
    count: int
    clump: float


STYLES = {
    "long": Style(31.0, 26.0, 0.9, "part", 0.30, 0.06, 1.2, 6500, 0.75),
    "wavy": Style(27.0, 22.0, 1.3, "part", 0.26, 0.45, 3.2, 6500, 0.8),
    "bob": Style(18.0, 13.0, 1.2, "part", 0.30, 0.06, 1.0, 6000, 0.7),
    "bangs": Style(8.5, 17.0, 1.1, "bangs", 0.28, 0.05, 1.0, 6500, 0.6),
    "bun": Style(15.0, 12.0, 0.35, "back", 0.0, 0.03, 1.0, 5000, 0.5),
    "short": Style(6.0, 2.0, 0.9, "side", 0.05, 0.08, 0.8, 6000, 0.7),
    "swept": Style(8.0, 2.2, 1.5, "swept", 0.0, 0.10, 0.7, 6000, 0.75),
    "fringe": Style(5.0, 2.2, 0.8, "forward", 0.04, 0.08, 0.8, 6000, 0.8),
    "crop": Style(1.3, 0.7, 0.5, "stand", 0.10, 0.03, 1.0, 6500, 0.3),
    "buzz": Style(0.45, 0.35, 0.2, "stand", 0.10, 0.0, 1.0, 6000, 0.0),
    "curls": Style(4.0, 2.2, 1.6, "stand", 0.12, 0.42, 3.0, 6000, 0.85),
    "afro": Style(5.6, 4.2, 3.2, "stand", 0.0, 0.38, 4.0, 8000, 0.3),
    "ring": Style(1.2, 1.2, 0.4, "stand", 0.3, 0.04, 1.0, 4500, 0.2),
    "bald": Style(0.15, 0.15, 0.05, "stand", 0.1, 0.0, 1.0, 0, 0.0),
}


def inside_hairline(angle, y, hair):
    """How far (cm) a point of the head is inside the hair's border; negative on the face."""
    degrees, h = np.degrees(np.abs(angle)), hair.hairline
    border = interpolate.PchipInterpolator(
        [0, 20, 40, 54, 66, 76, 86, 98, 112, 135, 180],
        [h, h + 0.2 * hair.temples, h - 0.3 + 0.8 * hair.temples, h - 2.2 + 0.7 * hair.temples,
         4.2, 1.2, 0.4, 0.8, -2.0, -4.5, -5.6],
    )(degrees)  # fmt: skip
    slope = 1.0 - 0.5 * np.exp(-(((degrees - 58.0) / 16.0) ** 2))
    inside = (y - border) * slope
    if hair.style == "ring":  # bald on top
        inside = np.minimum(inside, 6.3 - y + 0.8 * smoothstep(90.0, 150.0, degrees))
    elif hair.style == "bald":
        inside = inside - 30.0
    return inside


def swelling(points, inside, volume):
    """What is added to points [N, 3] of the head under hair: a third of its volume, softly, so that
    light does not fall between the strands."""
    ray = points - CENTRE
    ray = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    return ray * (0.35 * volume * smoothstep(0.2, 3.5, inside))[:, None]


class _Scalp:
    """Radius of the skull seen from its centre, in every direction."""

    def __init__(self, surface):
        angle = np.radians(np.arange(-180.0, 180.0, 7.5))[None, :]
        y = np.concatenate([np.linspace(-7.0, 9.0, 24), surface.top - np.geomspace(3.4, 0.03, 12)])
        points = surface.point(angle, y[:, None]).reshape(-1, 3) - CENTRE
        self.radius = np.linalg.norm(points, axis=1)
        self.tree = spatial.cKDTree(points / self.radius[:, None])

    def project(self, points, height):
        """Points moved along the ray from the centre to `height` cm over the skull."""
        ray = points - CENTRE
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True) + 1e-9
        return CENTRE + ray * (self.at(ray) + height)[..., None]

    def at(self, ray):
        distance, index = self.tree.query(ray, k=4)
        weight = 1.0 / (distance + 0.02) ** 2
        return (weight * self.radius[index]).sum(-1) / weight.sum(-1)


def _roots(rng, surface, hair, count):
    """Positions [N, 3] on the scalp and how far inside the hairline [N] they are."""
    ray = rng.standard_normal((6 * count, 3))
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    y = np.clip(CENTRE[1] + (surface.top - CENTRE[1]) * ray[:, 1], -7.5, surface.top - 0.02)
    angle = np.arctan2(ray[:, 0], ray[:, 2])
    inside = inside_hairline(angle, y, hair)
    # The border is irregular: single hairs grow before it.
    keep = np.flatnonzero(inside + rng.gumbel(0.0, 0.15, len(y)) > 0.15)[:count]
    root = surface.point(angle[keep], y[keep])
    return root + swelling(root, inside[keep], STYLES[hair.style].volume), inside[keep]


def _comb(comb, hair, points, side):
    """Directions [N, 3] in which hair is combed at points over the scalp."""
    x, y, z = points.T
    top = smoothstep(6.5, 10.5, y)
    one = np.ones_like(x)
    if comb == "part":
        aside = side * (0.25 + top) * smoothstep(-5.0, 2.0, y)
        direction = np.stack([aside, -(1.0 - 0.85 * top), -0.35 - 0.25 * top], 1)
    elif comb == "bangs":
        front = smoothstep(0.5, 3.0, z) * smoothstep(5.5, 3.5, np.abs(x))
        aside = 0.9 * side * (1 - front) * smoothstep(-5.0, 2.0, y)
        direction = np.stack([aside + 0.06 * x * front, -0.8 + 0.4 * top,
                              1.3 * front * (0.4 + top) - 0.3 * (1 - front)], 1)  # fmt: skip
    elif comb == "back":
        direction = np.stack([-0.12 * x, 0.45 - 0.5 * top, -1.2 * one], 1)
    elif comb == "swept":
        direction = np.stack([0.35 * hair.side * top, -(1.0 - top) + 0.2 * top, -1.0 * one], 1)
    elif comb == "side":
        over = hair.side * smoothstep(-1.0, 1.0, hair.side * (x - hair.parting))
        over = over - hair.side * (1.0 - np.abs(over))
        direction = np.stack([over * top, -(1.0 - top), 0.35 * top - 0.25 * (1 - top)], 1)
    elif comb == "forward":
        direction = np.stack([0.35 * hair.side * top, -(1 - top) - 0.1, 1.0 * top + 0.1 * one], 1)
    else:
        return np.zeros_like(points)
    return direction / (np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9)


def _grow_guides(rng, surface, hair, style):
    """(points [G, P, 3], heights [G, P]) of the guides, and their roots."""
    scalp = _Scalp(surface)
    root, inside = _roots(rng, surface, hair, _GUIDES)
    count = len(root)
    normal = root - CENTRE
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    top = smoothstep(4.5, 8.5, root[:, 1])
    length = (style.sides + top * (style.top - style.sides)) * hair.length
    length = length * rng.uniform(0.8, 1.12, count)
    if style.comb not in ("part", "bangs", "back"):
        length *= 0.45 + 0.55 * smoothstep(0.0, 2.5, inside)
    volume = style.volume * (0.35 + 0.65 * top) * rng.uniform(0.6, 1.15, count)
    side = np.sign(root[:, 0] - hair.parting * smoothstep(-6.0, 3.0, root[:, 2]))
    bend = 0.10 * rng.standard_normal((count, 3))
    points = np.empty((count, POINTS, 3))
    points[:, 0] = p = root
    direction = normal * 0.9 + _comb(style.comb, hair, root, side) * 0.8 + bend
    step = (length / (POINTS - 1))[:, None]
    down = np.array([0.0, -1.0, 0.0])
    for k in range(1, POINTS):
        if style.comb == "stand":
            direction = direction + bend + style.gravity * down
        else:
            blend = 0.55 if k < 6 else 0.25
            direction = (1 - blend) * direction + blend * (_comb(style.comb, hair, p, side) + bend)
            direction = direction + style.gravity * down
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
        p = p + step * direction
        if style.comb != "stand":
            # Lies on the hair below it; hangs freely under the ears.
            height = volume * np.minimum(1.0, 0.45 + k * step[:, 0] / 2.0) + 0.08
            lying = smoothstep(-2.5, 0.5, p[:, 1])[:, None]
            on_scalp = scalp.project(p, height)
            out = np.linalg.norm(p - CENTRE, axis=1) > np.linalg.norm(on_scalp - CENTRE, axis=1)
            p = np.where((out[:, None]) & (lying < 1.0), p + lying * (on_scalp - p), on_scalp)
            if style.comb in ("part", "bangs"):
                before = (p[:, 2] > -1.0) & (p[:, 1] < 5.0)
                if style.comb == "bangs":
                    before &= np.abs(p[:, 0]) > 4.5
                push = np.clip(hair.frame - np.abs(p[:, 0]), 0.0, 0.9) * before
                p[:, 0] += np.sign(p[:, 0]) * push
                p[:, 2] -= 0.25 * before
        direction = p - points[:, k - 1]
        points[:, k] = p
    return points


def _frizz(rng, points, style, hair):
    """Curls and single stray hairs, added to strands [S, P, 3]."""
    count = len(points)
    t = np.linspace(0.0, 1.0, POINTS)[None]
    radius = style.curl * hair.curl * rng.uniform(0.5, 1.3, count)[:, None] * np.clip(3 * t, 0, 1)
    turn = 2 * np.pi * style.turns * t * rng.uniform(0.8, 1.2, count)[:, None]
    turn = turn + rng.uniform(0, 2 * np.pi, count)[:, None]
    points = points + np.stack([np.cos(turn), 0.5 * np.sin(turn + 1), np.sin(turn)], 2) * (
        radius[..., None])  # fmt: skip
    stray = 0.02 + 0.10 * (rng.random(count) < 0.10)
    walk = np.cumsum(rng.standard_normal((count, POINTS, 3)), axis=1) / np.sqrt(POINTS)
    size = stray[:, None, None] * np.clip(np.linalg.norm(points[:, -1] - points[:, 0], axis=1),
                                          0.5, 6.0)[:, None, None]  # fmt: skip
    return points + size * walk * t[..., None]


def _trim(points, surface, style):
    """Strands [S, P, 3] that end where they would hang into the face."""
    brow = surface.shape.eye_y + surface.shape.brow_y
    low = brow - 0.2 if style.comb == "bangs" else brow + 0.9
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    wide = 5.2 + 1.2 * smoothstep(brow, -4.0, y)
    inside = (np.abs(x) < wide) & (y < low) & (y > -11.0) & (z > 0.5)
    last = np.where(inside.any(axis=1), np.argmax(inside, axis=1) - 1, points.shape[1] - 1)
    index = np.minimum(np.arange(points.shape[1])[None], np.maximum(last, 0)[:, None])
    return np.take_along_axis(points, index[..., None], axis=1)


def _bun(rng, count, width):
    """Strands wound into a knot at the crown."""
    t = np.linspace(0, 1, POINTS)[None]
    theta = rng.uniform(0, 2 * np.pi, count)[:, None] + 1.8 * t
    phi = rng.uniform(-1.2, 1.4, count)[:, None] + 0.5 * np.sin(3 * t + theta)
    r = rng.uniform(0.86, 1.0, count)[:, None] * width
    return np.stack([r * np.cos(phi) * np.cos(theta), 12.3 + 0.85 * r * (np.sin(phi) + 0.6),
                     -5.0 + r * np.cos(phi) * np.sin(theta)], axis=2)  # fmt: skip


def grow(rng, surface, hair, density):
    """(points [S, P, 3], height over the scalp relative to the style's, 0..1 [S])."""
    style = STYLES[hair.style]
    if not style.count:
        return np.zeros((0, POINTS, 3)), np.zeros(0)
    guides = _grow_guides(rng, surface, hair, style)
    root, _ = _roots(rng, surface, hair, int(style.count * density))
    count = len(root)
    tree = spatial.cKDTree(guides[:, 0])
    distance, near = tree.query(root, k=4)
    # Strands on the other side of a parting do not mix.
    tips = guides[near][:, :, POINTS // 2, 0]
    agree = np.sign(tips) == np.sign(tips[:, :1])
    if style.comb not in ("part", "bangs"):
        agree = np.ones_like(agree)
    weight = agree / (distance + 0.15) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    shapes = guides[near] - guides[near][:, :, :1]  # [S, 4, P, 3]
    mean = np.einsum("sk,skpx->spx", weight, shapes)
    t = np.linspace(0.0, 1.0, POINTS)[None, :, None]
    stretch = rng.uniform(0.72, 1.08, count)[:, None, None]
    points = root[:, None] + mean * stretch
    pull = style.clump * smoothstep(0.0, 0.9, t) * rng.uniform(0.3, 1.0, count)[:, None, None]
    points = points + pull * (guides[near[:, 0]] - points) * (distance[:, :1, None] < 2.5)
    # Strands fill the volume between scalp and guides, most of them near the outside.
    depth = rng.beta(2.2, 1.0, count)
    ray = points - CENTRE
    ray /= np.linalg.norm(ray, axis=2, keepdims=True)
    scatter = (depth - 0.75)[:, None, None] * style.volume * 0.9 * np.clip(3 * t, 0, 1)
    points = points + scatter * ray
    points = _trim(_frizz(rng, points, style, hair), surface, style)
    if hair.style == "bun":
        points = np.concatenate([points, _bun(rng, count // 4, 2.4)])
        depth = np.concatenate([depth, rng.uniform(0.5, 1.0, count // 4)])
    return points, depth
