"""Compiled kernels without any knowledge of faces: normals, z-buffer, strands, reduction."""

import numpy as np
from numba import njit

EMPTY = -1


@njit(cache=True)
def vertex_normals(points, triangles, skip):
    """Unit normals [V, 3]; triangles with skip[f] != 0 do not count."""
    normals = np.zeros_like(points)
    for f in range(triangles.shape[0]):
        if skip[f]:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (
            points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        )  # fmt: skip
        vx, vy, vz = (
            points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        )  # fmt: skip
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
      triangles: int32 [F, 3]; those that wind the wrong way are not drawn.
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
        low_x, high_x = min(0.0, bx, cx) + ax, max(0.0, bx, cx) + ax
        low_y, high_y = min(0.0, by, cy) + ay, max(0.0, by, cy) + ay
        x0, x1 = max(0, int(np.ceil(low_x))), min(width - 1, int(np.floor(high_x)))
        y0, y1 = max(0, int(np.ceil(low_y))), min(height - 1, int(np.floor(high_y)))
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


@njit(cache=True)
def draw_strands(screen, colour, width_px, depth, image):
    """Draws polylines with a z-test, the nearer one on top.

    Args:
      screen: [S, P, 3] column, row and distance of the points of S strands.
      colour: [S, P, 3]. width_px: [S]. depth [H, W] and image [H, W, 3]: read and written.
    """
    height, width = depth.shape
    for s in range(screen.shape[0]):
        for p in range(screen.shape[1] - 1):
            x0, y0, z0 = screen[s, p, 0], screen[s, p, 1], screen[s, p, 2]
            x1, y1, z1 = screen[s, p + 1, 0], screen[s, p + 1, 1], screen[s, p + 1, 2]
            span = max(abs(x1 - x0), abs(y1 - y0))
            steps = int(span) + 1
            if steps > 4 * width:
                continue
            steep = abs(y1 - y0) > abs(x1 - x0)
            half = 0.5 * width_px[s]
            for i in range(steps):
                t = (i + 0.5) / steps
                x, y, z = x0 + t * (x1 - x0), y0 + t * (y1 - y0), z0 + t * (z1 - z0)
                # A line one pixel wide, or a run of pixels across a thicker one.
                if steep:
                    row0 = row1 = int(np.round(y))
                    column0 = int(np.round(x - half + 0.5))
                    column1 = max(column0, int(np.round(x + half - 0.5)))
                else:
                    column0 = column1 = int(np.round(x))
                    row0 = int(np.round(y - half + 0.5))
                    row1 = max(row0, int(np.round(y + half - 0.5)))
                for row in range(max(0, row0), min(height - 1, row1) + 1):
                    for column in range(max(0, column0), min(width - 1, column1) + 1):
                        if z < depth[row, column]:
                            depth[row, column] = z
                            for k in range(3):
                                a, b = colour[s, p, k], colour[s, p + 1, k]
                                image[row, column, k] = a + t * (b - a)


@njit(cache=True)
def reduce_to_bytes(image, factor):
    """Linear light [H, W, 3] -> uint8 [H / factor, W / factor, 3], gamma 2.2 with a soft shoulder.

    The mean is taken after the curve, as a camera's optics would not, because that keeps bright
    edges smooth.
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
                        value = value * 1.12 / (1.0 + 0.12 * value)
                        total += min(1.0, value) ** 0.4545
                out[row, column, k] = np.uint8(total / (factor * factor) * 255.0 + 0.5)
    return out
