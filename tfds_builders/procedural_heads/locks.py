"""All that is drawn as strands: hair of the head, beard, brows, and glasses."""

from typing import NamedTuple

import numpy as np
from scipy import spatial

from .hair import CENTRE, POINTS, STYLES, grow
from .shape import smoothstep


class Strands(NamedTuple):
    """S strands of P points in the head's frame."""

    points: np.ndarray  # [S, P, 3] cm
    outward: np.ndarray  # [S, P, 3] unit normals of the volume that they fill
    colour: np.ndarray  # [S, 3] linear
    tint: np.ndarray  # [S, P] factor of the colour along the strand
    width: np.ndarray  # [S] cm
    rigid: np.ndarray  # [S, P] weight of the head's rotation
    follow: np.ndarray  # [S] vertex of the head that a strand moves with, or -1


def _whiskers(rng, surface, hair):
    """Beard: (points [S, P, 3], tint [S])."""
    if hair.beard in ("none", "stubble"):
        return np.zeros((0, POINTS, 3)), np.zeros(0)
    s = surface.shape
    count = 16000
    angle = rng.uniform(-1.45, 1.45, count)
    y = rng.uniform(surface.bottom + 0.05, 1.0, count)
    root = surface.point(angle, y)
    x, ax, my = root[:, 0], np.abs(root[:, 0]), s.mouth_y
    base = -1.9 - 0.9 * (s.nose_length - 1.0)
    lip_top, lip_low = surface.lip_border(x, True), surface.lip_border(x, False)
    moustache = (y > lip_top + 0.12) & (y < 0.45 * lip_top + 0.55 * base - 0.1 * ax) & (ax < 3.0)
    chin = (y < lip_low - 0.35) & (ax < 2.6)
    sides = (ax > 2.4) & (y < my + 0.7 + 0.42 * (ax - 2.4) + 0.9 * smoothstep(5.5, 6.5, ax))
    ring = (ax > 2.5) & (ax < 3.1) & (y < my + 0.9)
    keep = {"moustache": moustache, "goatee": moustache | chin | ring & (y > -8),
            "full": moustache | chin | sides}[hair.beard]  # fmt: skip
    keep &= rng.random(count) < 0.85
    root, angle, y, x, ax = root[keep], angle[keep], y[keep], x[keep], ax[keep]
    count = len(root)
    near = surface.point(angle, y - 0.05), surface.point(angle + 0.01, y)
    normal = np.cross(near[1] - root, root - near[0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    upper = y > my
    down = np.stack([np.where(upper, 0.9 * np.sign(x) * smoothstep(0.1, 0.6, ax), 0.1 * x),
                     np.where(upper, -0.55, -1.0), 0.0 * x], axis=1)  # fmt: skip
    length = hair.beard_length * rng.uniform(0.5, 1.1, count)
    length = np.where(upper & (ax < 3.0), np.minimum(length, 0.75), length)
    length *= 0.4 + 0.6 * smoothstep(-1.0, -5.5, y)
    direction = 0.45 * normal + down + 0.22 * rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    t = np.linspace(0.0, 1.0, POINTS)[None, :, None]
    bulge = normal[:, None] * 0.22 * t * (1.2 - t)
    points = root[:, None] + (direction[:, None] * t + bulge) * length[:, None, None]
    return points, np.clip(rng.normal(0.8, 0.16, count), 0.4, 1.3)


def _brows(rng, surface, thickness):
    """Both brows, hair by hair: points [S, P, 3]."""
    count = 520
    along = rng.uniform(0.0, 1.0, count) ** 1.1
    side = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    across = np.clip(rng.standard_normal(count), -1.6, 1.6) / 1.6
    ax = 1.02 + 4.1 * along
    thick = thickness * (1.0 - 0.6 * smoothstep(0.35, 1.0, along)) * smoothstep(-0.2, 0.1, along)
    y = surface.brow(ax) + 0.9 * thick * across
    lean = 0.35 + 0.9 * smoothstep(0.0, 0.35, along)  # upright at the nose, flat at the temple
    turn = lean + 0.25 * rng.standard_normal(count) + 0.5 * across * smoothstep(0.2, 0.6, along)
    length = rng.uniform(0.32, 0.6, count) * (1.0 - 0.35 * along)
    t = np.linspace(0.0, 1.0, POINTS)[None]
    dx = (length * np.sin(turn))[:, None] * t
    dy = (length * np.cos(turn))[:, None] * t * (1.0 - 0.45 * t)
    x = side[:, None] * (ax[:, None] + dx)
    points = surface.at(x, y[:, None] + dy)
    points[..., 2] += 0.03 + 0.06 * np.sin(np.pi * t)
    return points


def _glasses(surface, glasses):
    """Points [S, P, 3] of a frame: two rims, bridge, two arms to the ears."""
    if glasses.thickness == 0.0:
        return np.zeros((0, POINTS, 3))
    s = surface.shape
    around = np.linspace(0.0, 2.0 * np.pi, 4 * (POINTS - 1) + 1)
    power = 2.0 / glasses.squareness
    x = 2.35 * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** power
    y = glasses.half_height * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** power
    front = surface.at(0.0, s.eye_y - 0.4)[2] + 0.35
    lines = []
    for side in (-1.0, 1.0):
        rim_x = side * (s.eye_x + 0.12 + x)
        rim = np.stack([rim_x, s.eye_y - 0.25 + y, front - 0.035 * rim_x**2], axis=-1)
        lines += [rim[k * (POINTS - 1) : (k + 1) * (POINTS - 1) + 1] for k in range(4)]
        t = np.linspace(0.0, 1.0, POINTS)
        hinge = np.array([side * (s.eye_x + 2.5), s.eye_y + 0.35])
        end_x = side * (surface.half_width(s.eye_y) + 0.15)
        arm_x = hinge[0] + (end_x - hinge[0]) * np.sqrt(t)
        arm_z = front - 0.035 * hinge[0] ** 2 - t * (front + 1.0)
        lines.append(np.stack([arm_x, hinge[1] - 0.1 * t, arm_z], axis=-1))
    inner = s.eye_x + 0.12 - 2.35
    bridge_x = np.linspace(-inner, inner, POINTS)
    arch = 0.3 * (1.0 - (bridge_x / inner) ** 2)
    lines.append(np.stack([bridge_x, s.eye_y + 0.05 + arch, front + 0.1 + 0.2 * arch], axis=-1))
    return np.stack(lines)


def _hair_colours(rng, palette, traits, count):
    """[count, 3]: the hair's colour, more or less grey from strand to strand."""
    grey = traits["grey_hair"]
    amount = np.clip(grey + 0.5 * np.minimum(grey, 0.4) * rng.standard_normal((count, 1)), 0, 1)
    return palette["hair"] + amount * (np.array([0.42, 0.41, 0.40]) - palette["hair"])


def make(rng, surface, person, neutral, density):
    """`Strands` of a person. `neutral` [V, 3]: vertices of the head, for beard and brows to follow;
    `density` scales the number of strands, and their width against it."""
    hair, traits, palette = person.hair, person.traits, person.palette
    scalp, depth = grow(rng, surface, hair, density)
    beard, beard_tint = _whiskers(rng, surface, hair)
    brows = _brows(rng, surface, traits["brow_thickness"])
    glasses = _glasses(surface, person.glasses)
    parts = [scalp, beard, brows, glasses]
    points = np.concatenate(parts)
    kind = np.repeat(np.arange(4), [len(part) for part in parts])
    t = np.linspace(0.0, 1.0, POINTS)[None]
    tint = np.concatenate([
        np.clip(rng.normal(1.0, 0.17, len(scalp)), 0.5, 1.6) * (0.45 + 0.62 * depth),
        beard_tint,
        np.clip(rng.normal(0.62, 0.1, len(brows)), 0.3, 1.0) * traits["brow_tint"],
        np.ones(len(glasses)),
    ])[:, None] * np.where(kind[:, None] == 0, 0.72 + 0.36 * t, 1.0)  # fmt: skip
    colour = np.concatenate([
        _hair_colours(rng, palette, traits, len(scalp) + len(beard)),
        np.tile(palette["hair"], (len(brows), 1)),
        np.tile(np.array(person.glasses.colour), (len(glasses), 1)),
    ])  # fmt: skip
    outward = (points - CENTRE) / np.array([8.0, 10.5, 8.4]) ** 2
    outward[..., 1] *= 1.0 - smoothstep(3.0, -3.0, points[..., 1])
    outward /= np.linalg.norm(outward, axis=2, keepdims=True) + 1e-9
    thin = np.sqrt(density)
    hanging = STYLES[hair.style].comb in ("part", "bangs")  # lets the background through
    width = np.array(
        [(0.085 if hanging else 0.060) / thin, 0.035 / thin, 0.028 / thin, person.glasses.thickness]
    )[kind]
    rigid = np.where(kind[:, None] > 0, 1.0, smoothstep(-19.0, -7.0, points[..., 1]))
    follow = np.full(len(points), -1)
    moving = (kind == 1) | (kind == 2)
    follow[moving] = spatial.cKDTree(neutral).query(points[moving, 0])[1]
    return Strands(points, outward, colour, tint, width, rigid, follow)
