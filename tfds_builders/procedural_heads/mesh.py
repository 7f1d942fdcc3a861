"""The mesh of a person: head, ears, torso; triangles, materials, landmarks as extra vertices.

The head is a grid of rows and columns around a vertical axis; the row of the mouth occurs twice, so
the lips part, and the triangles between (the "mouth") are the window through which the inner mouth
is traced.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate

from .fields import FEATURES, fields_of
from .shape import EYE_RADIUS, NUM_LANDMARKS, Surface, gauss, landmarks, smoothstep

SKIN, MOUTH, EAR, TORSO = range(4)  # materials of triangles
NUM_MESH = 315  # vertices of a clip's `mesh`: the landmarks, then a coarse grid of the head


class Geometry(NamedTuple):
    """A person at rest, V vertices (those of the head first, then ears, torso, landmarks)."""

    neutral: np.ndarray  # [V, 3] cm
    triangles: np.ndarray  # int32 [F, 3]
    material: np.ndarray  # int32 [F]
    fields: np.ndarray  # [K, V, 3] cm for one unit of each feature
    rigid: np.ndarray  # [V] weight of the head's rotation
    marking: np.ndarray  # [V] head: cm inside the hairline; ears: depth of the hollow, 0..1
    head_vertices: int
    first_landmark: int
    mesh_vertices: np.ndarray  # [NUM_MESH] indices of a clip's `mesh`
    eyes: np.ndarray  # [2, 3] centres of the eyeballs, picture left first


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
    """A grid [rows, columns, 3] of an ear, rim, hollow and lobe on a plane that stands out, and the
    depth of its hollows [rows * columns]."""
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
    tragus = gauss(u, v, -0.85, -0.55, 0.30, 0.45)
    edge = smoothstep(0.93, 1.0, radius)
    w = 0.30 * rim + 0.24 * fold - 0.55 * bowl + 0.4 * tragus - 0.40 * edge
    w += 1.25 * smoothstep(-1.3, 1.5, u)  # the back of the ear stands away from the head
    scale = 0.92 * s.ear
    y0, z0 = 0.55, -2.2
    lean = 0.16
    y = y0 + scale * (v * np.cos(lean) - u * np.sin(lean))
    z = z0 - scale * (u * np.cos(lean) + v * np.sin(lean)) * 0.93
    x = side * (surface.half_width(np.clip(y, 0.0, 9.0)) - 0.30 + scale * w)
    hollow = np.clip(bowl + 0.7 * np.exp(-(((radius - 0.75) / 0.07) ** 2)) * back, 0.0, 1.0)
    return np.stack([x, y, z], axis=-1), hollow.reshape(-1)


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
    z = z - 0.5 * gauss(x, yy, 0.0, -14.0, 1.0, 0.8) * (cos > 0)
    collar = np.exp(-((yy + 15.2 - 0.06 * np.abs(x)) ** 2) / 0.35) * smoothstep(1.2, 3.0, np.abs(x))
    z = z + 0.35 * collar * (cos > 0)
    return np.stack([x, yy, z], axis=-1)


def _head(surface):
    """(points [N, 3], angles [N], whether below the mouth [N], triangles, materials, columns, row
    of the upper lip's edge)."""
    above, below = _row_heights(surface)
    angles, heights = _angles(), np.concatenate([above, below])
    columns, mouth_row = len(angles), len(above) - 1
    points = surface.point(angles[None, :], heights[:, None]).reshape(-1, 3)
    triangles, row = _grid_faces(len(heights), columns, closed=True)
    material = np.where(row == mouth_row, MOUTH, SKIN)
    half = surface.shape.mouth_half_width
    corners = points[triangles]
    window = (np.abs(corners[:, :, 0]).min(axis=1) < half) & (corners[:, :, 2].min(axis=1) > 0)
    keep = (material == SKIN) | window
    # Beyond the corners both rows of the mouth are one, so that no seam shows there.
    first, last = (mouth_row + 1) * columns, (mouth_row + 2) * columns
    one = (np.abs(points[first:last, 0]) >= half) | (points[first:last, 2] < 0)
    merged = np.arange(len(points))
    merged[first:last] -= columns * one
    lower = np.arange(len(points)) >= first
    around = np.tile(angles, len(heights))
    return points, around, lower, merged[triangles[keep]], material[keep], columns, mouth_row


def _mesh_vertices(points, columns, mouth_row):
    """Indices of the coarse grid of the face and of the lips, without the crown."""
    rows = np.arange(9, len(points) // columns, 5)
    rows = np.union1d(rows, mouth_row + np.array([-2, 0, 1, 3]))
    wanted = np.flatnonzero(np.abs(_angles()) < np.radians(75))[::4]
    return (rows[:, None] * columns + wanted[None]).reshape(-1)


def build(shape, hairline, swelling):
    """`Geometry` of a person.

    hairline: (angle, y) -> cm inside the hair's border [N]. swelling: (points [N, 3], cm inside) ->
    what is added to them under the hair [N, 3].
    """
    surface = Surface(shape)
    head, around, lower, triangles, material, columns, mouth_row = _head(surface)
    inside = hairline(around, head[:, 1])
    parts = [(head + swelling(head, inside), triangles, material, inside, np.ones(len(head)))]
    count = len(head)
    for side in (-1, 1):
        grid, hollow = _ear(surface, side)
        faces, _ = _grid_faces(*grid.shape[:2], closed=False, first=count)
        faces = faces if side > 0 else faces[:, ::-1]
        points = grid.reshape(-1, 3)
        parts.append((points, faces, np.full(len(faces), EAR), hollow, np.ones(len(points))))
        count += len(points)
    grid = _torso(shape)
    faces, _ = _grid_faces(*grid.shape[:2], closed=True, first=count)
    points = grid.reshape(-1, 3)
    rigid = smoothstep(-14.0, -7.0, points[:, 1])
    parts.append((points, faces, np.full(len(faces), TORSO), np.zeros(len(points)), rigid))
    count += len(points)
    marks, mark_lower = landmarks(surface)
    parts.append((marks, np.zeros((0, 3), int), np.zeros(0, int), *np.ones((2, len(marks)))))

    neutral, triangles, material, marking, rigid = (np.concatenate(part) for part in zip(*parts))
    fields = np.zeros((len(FEATURES), len(neutral), 3))
    fields[:, : len(head)] = fields_of(shape, neutral[: len(head)], lower)
    fields[:, count:] = fields_of(shape, marks, mark_lower)
    mesh = np.concatenate([count + np.arange(NUM_LANDMARKS),
                           _mesh_vertices(head, columns, mouth_row)])  # fmt: skip
    eyes = surface.at(np.array([-1.0, 1.0]) * shape.eye_x, np.full(2, shape.eye_y))
    eyes[:, 2] -= EYE_RADIUS - 0.02
    return Geometry(neutral, triangles.astype(np.int32), material.astype(np.int32), fields, rigid,
                    marking, len(head), count, mesh, eyes)  # fmt: skip
