"""Shadows: of the key light in each frame, and of the sky once for each person."""

import numpy as np
from numba import njit

from . import raster

MAP_SIZE = 96
MAP_REACH_CM = 17.0  # half of the width that a shadow map covers
_BAKE_DIRECTIONS = 40


def light_axes(direction):
    """[3, 3] rows: right, up, towards the light."""
    forward = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    right = np.cross([0.0, 1.0, 0.0] if abs(forward[1]) < 0.95 else [0.0, 0.0, 1.0], forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


@njit(cache=True)
def to_map(points, axes, centre):
    """Column, row and distance [V, 3] of points [V, 3] seen from a light at infinity."""
    screen = np.empty_like(points)
    scale = 0.5 * MAP_SIZE / MAP_REACH_CM
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - centre[0], points[i, 1] - centre[1], points[i, 2] - centre[2]
        screen[i, 0] = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) * scale + 0.5 * MAP_SIZE
        screen[i, 1] = 0.5 * MAP_SIZE - (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) * scale
        screen[i, 2] = 100.0 - (axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z)
    return screen


@njit(cache=True)
def splat(screen, depth):
    """Marks points [N, 3] in a z-buffer, one pixel each."""
    height, width = depth.shape
    for i in range(screen.shape[0]):
        column, row = int(np.round(screen[i, 0])), int(np.round(screen[i, 1]))
        if 0 <= row < height and 0 <= column < width:
            depth[row, column] = min(depth[row, column], screen[i, 2])


@njit(inline="always")
def visible(depth, column, row, distance, bias, softness):
    """Part of the light, 0..1, that reaches a point of a shadow map: mean of 3 x 3 taps, each
    softened by `softness` cm so that it does not step from one pixel to the next."""
    height, width = depth.shape
    total = 0.0
    c0, r0 = int(np.floor(column)), int(np.floor(row))
    fc, fr = column - c0, row - r0
    weight = 0.0
    for i in range(-1, 3):
        wr = (1.0 - fr if i == -1 else fr if i == 2 else 1.0)  # fmt: skip
        r = min(height - 1, max(0, r0 + i))
        for j in range(-1, 3):
            wc = (1.0 - fc if j == -1 else fc if j == 2 else 1.0)  # fmt: skip
            c = min(width - 1, max(0, c0 + j))
            behind = (distance - bias - depth[r, c]) / softness
            total += wr * wc * (1.0 - min(1.0, max(0.0, behind)))
            weight += wr * wc
    return total / weight


def shadow_map(points, triangles, strands, direction, centre):
    """(depth [MAP_SIZE, MAP_SIZE], axes): distances from the key light; strands may be empty."""
    axes = light_axes(direction)
    depth = np.full((MAP_SIZE, MAP_SIZE), raster.FAR)
    face = np.empty((MAP_SIZE, MAP_SIZE), np.int32)
    weight = np.empty((MAP_SIZE, MAP_SIZE, 2))
    raster.rasterise(to_map(points, axes, centre), triangles, depth, face, weight)
    if len(strands):
        splat(to_map(strands, axes, centre), depth)
    return depth, axes


@njit(cache=True)
def _gather(screen, normals, direction, depth, light, total, sky):
    for i in range(screen.shape[0]):
        facing = 0.0
        for k in range(3):
            facing += normals[i, k] * direction[k]
        if facing > 0.0:
            amount = facing * sky
            seen = visible(depth, screen[i, 0], screen[i, 1], screen[i, 2], 0.45, 0.5)
            light[i] += amount * seen
            total[i] += amount


def bake(points, normals, triangles, strands):
    """Part of the ambient light [V] that reaches each vertex of a person who keeps still."""
    index = np.arange(_BAKE_DIRECTIONS) + 0.5
    up = 1.0 - 2.0 * index / _BAKE_DIRECTIONS
    turn = np.pi * (1.0 + 5.0**0.5) * index
    ring = np.sqrt(1.0 - up**2)
    directions = np.stack([ring * np.sin(turn), up, ring * np.cos(turn)], axis=1)
    light, total = np.zeros(len(points)), np.full(len(points), 1e-6)
    centre = np.array([0.0, 0.0, -2.0])
    for direction in directions:
        depth, axes = shadow_map(points, triangles, strands, direction, centre)
        sky = 0.65 + 0.35 * direction[1]
        _gather(to_map(points, axes, centre), normals, direction, depth, light, total, sky)
    return light / total
