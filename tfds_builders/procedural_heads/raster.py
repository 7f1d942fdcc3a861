"""Compiled kernels without any knowledge of faces: placing points, normals, z-buffer, reduction."""

import numpy as np
from numba import njit

EMPTY = -1
FAR = 1e9


@njit(cache=True)
def move(neutral, fields, values):
    """neutral [V, 3] + values [K] @ fields [K, V, 3]."""
    moved = neutral.copy()
    for k in range(values.shape[0]):
        value = values[k]
        if value != 0.0:
            for i in range(fields.shape[1]):
                for axis in range(3):
                    moved[i, axis] += value * fields[k, i, axis]
    return moved


@njit(cache=True)
def place(points, rigid, head, body):
    """Points [V, 3] of the head's frame in the camera's frame.

    `head` and `body` are [3, 4] transforms; a point moves with the head as far as `rigid` [V] says,
    and with the body for the rest.
    """
    placed = np.empty_like(points)
    for i in range(points.shape[0]):
        x, y, z, r = points[i, 0], points[i, 1], points[i, 2], rigid[i]
        for k in range(3):
            with_head = head[k, 0] * x + head[k, 1] * y + head[k, 2] * z + head[k, 3]
            with_body = body[k, 0] * x + body[k, 1] * y + body[k, 2] * z + body[k, 3]
            placed[i, k] = with_body + r * (with_head - with_body)
    return placed


@njit(cache=True)
def project(points, focal, pixels):
    """Column, row (pixel centres at integers) and distance [V, 3] of points [V, 3]; the camera is
    at the origin and looks along -z, `focal` is in pixels."""
    screen = np.empty_like(points)
    half = 0.5 * pixels - 0.5
    for i in range(points.shape[0]):
        scale = -focal / points[i, 2]
        screen[i, 0] = half + scale * points[i, 0]
        screen[i, 1] = half - scale * points[i, 1]
        screen[i, 2] = -points[i, 2]
    return screen


@njit(cache=True)
def vertex_normals(points, triangles, skip):
    """Unit normals [V, 3]; triangles with skip[f] != 0 do not count."""
    normals = np.zeros_like(points)
    for f in range(triangles.shape[0]):
        if skip[f]:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        ux, uy, uz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
        vx, vy, vz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(points.shape[0]):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        scale = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-20)
        normals[i, 0] = x * scale
        normals[i, 1] = y * scale
        normals[i, 2] = z * scale
    return normals


@njit(cache=True)
def rasterise(screen, triangles, depth, face, weight):
    """Draws triangles into a z-buffer.

    Args:
      screen: [V, 3] column, row (pixel centres at integers) and distance of the vertices.
      triangles: int32 [F, 3]; those seen from behind are not drawn.
      depth [H, W], face int32 [H, W], weight [H, W, 2]: written where something is nearer;
        `weight` holds the barycentric weights of a triangle's second and third corner.
    """
    height, width = depth.shape
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0] - ax, screen[b, 1] - ay, screen[b, 2] - az
        cx, cy, cz = screen[c, 0] - ax, screen[c, 1] - ay, screen[c, 2] - az
        area = bx * cy - by * cx
        if area >= -1e-12:
            continue
        x0 = max(0, int(np.ceil(min(0.0, bx, cx) + ax)))
        x1 = min(width - 1, int(np.floor(max(0.0, bx, cx) + ax)))
        y0 = max(0, int(np.ceil(min(0.0, by, cy) + ay)))
        y1 = min(height - 1, int(np.floor(max(0.0, by, cy) + ay)))
        inverse = 1.0 / area
        for row in range(y0, y1 + 1):
            py = row - ay
            for column in range(x0, x1 + 1):
                px = column - ax
                w1 = (px * cy - py * cx) * inverse
                w2 = (bx * py - by * px) * inverse
                if w1 < -1e-9 or w2 < -1e-9 or w1 + w2 > 1.0 + 1e-9:
                    continue
                z = az + w1 * bz + w2 * cz
                if z < depth[row, column]:
                    depth[row, column] = z
                    face[row, column] = f
                    weight[row, column, 0] = w1
                    weight[row, column, 1] = w2


CURVE = (np.linspace(0.0, 1.0, 4096) ** (2.0 / 2.2)).astype(np.float32)


@njit(cache=True)
def reduce_to_bytes(image, factor, curve):
    """Linear light [H, W, 3] -> uint8 [H / factor, W / factor, 3], gamma 2.2 with a soft shoulder.

    `curve` is CURVE, indexed by the square root of the light. The mean is taken after the curve, as
    a lens would not do, because that keeps bright edges smooth.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    out = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            for k in range(3):
                total = 0.0
                for i in range(factor):
                    for j in range(factor):
                        value = max(0.0, image[row * factor + i, column * factor + j, k])
                        value = min(1.0, value * 1.15 / (1.0 + 0.20 * value))
                        total += curve[int(np.sqrt(value) * 4095.0 + 0.5)]
                out[row, column, k] = np.uint8(total / (factor * factor) * 255.0 + 0.5)
    return out
