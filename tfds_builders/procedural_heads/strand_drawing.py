"""Compiled drawing of hair: strands as lit polylines with a z-test."""

import numpy as np
from numba import njit


@njit(cache=True)
def draw(points, outward, colours, tint, width, rigid, follow, moved, neutral, head, body,
         focal, look, depth, image):  # fmt: skip
    """Draws strands over a picture, the nearer one on top.

    Light on a strand: on the volume that all strands fill together (`outward` is its normal), plus
    a highlight where the half vector is across the strand (Kajiya and Kay 1989).

    Args:
      points [S, P, 3] to follow [S]: see `locks.Strands`.
      moved, neutral [V, 3]: vertices with and without expression, for `follow`.
      head, body: [3, 4] transforms as in `raster.place`. focal: px. look: identity.Look.
      depth [H, W] and image [H, W, 3] linear: read and written.
    """
    count, num = tint.shape
    height, columns = depth.shape
    half_size = 0.5 * columns - 0.5
    lx, ly, lz = look.light
    norm = np.sqrt(lx * lx + ly * ly + (lz + 1.0) ** 2)
    hx, hy, hz = lx / norm, ly / norm, (lz + 1.0) / norm
    at = np.empty((num, 3))
    screen = np.empty((num, 3))
    colour = np.empty((num, 3))
    for s in range(count):
        dx, dy, dz, f = 0.0, 0.0, 0.0, follow[s]
        if f >= 0:
            dx, dy = moved[f, 0] - neutral[f, 0], moved[f, 1] - neutral[f, 1]
            dz = moved[f, 2] - neutral[f, 2]
        for p in range(num):
            x, y, z = points[s, p, 0] + dx, points[s, p, 1] + dy, points[s, p, 2] + dz
            r = rigid[s, p]
            for k in range(3):
                with_head = head[k, 0] * x + head[k, 1] * y + head[k, 2] * z + head[k, 3]
                with_body = body[k, 0] * x + body[k, 1] * y + body[k, 2] * z + body[k, 3]
                at[p, k] = with_body + r * (with_head - with_body)
            scale = -focal / at[p, 2]
            screen[p, 0] = half_size + scale * at[p, 0]
            screen[p, 1] = half_size - scale * at[p, 1]
            screen[p, 2] = -at[p, 2] - 0.05
        for p in range(num):
            q0, q1 = max(0, p - 1), min(num - 1, p + 1)
            tx, ty, tz = at[q1, 0] - at[q0, 0], at[q1, 1] - at[q0, 1], at[q1, 2] - at[q0, 2]
            x, y, z = outward[s, p, 0], outward[s, p, 1], outward[s, p, 2]
            nx = head[0, 0] * x + head[0, 1] * y + head[0, 2] * z
            ny = head[1, 0] * x + head[1, 1] * y + head[1, 2] * z
            nz = head[2, 0] * x + head[2, 1] * y + head[2, 2] * z
            along = (tx * hx + ty * hy + tz * hz) ** 2 / (tx * tx + ty * ty + tz * tz + 1e-12)
            across = max(0.0, 1.0 - along)
            across4 = across * across * across * across
            facing = nx * lx + ny * ly + nz * lz
            gleam = across4 * across4 * across4 * max(0.0, nx * hx + ny * hy + nz * hz)
            volume = min(1.0, max(0.0, 0.55 * facing + 0.45))
            up = 0.5 + 0.5 * ny
            shade = tint[s, p]
            for k in range(3):
                base = colours[s, k] * shade
                ambient = look.ground[k] + up * (look.sky[k] - look.ground[k])
                colour[p, k] = base * (look.key[k] * volume + ambient)
                colour[p, k] += (0.30 * base + 0.015 * shade) * look.key[k] * gleam
        half = -0.5 * width[s] * focal / at[0, 2]
        for p in range(num - 1):
            x0, y0, z0 = screen[p, 0], screen[p, 1], screen[p, 2]
            dx, dy, dz = screen[p + 1, 0] - x0, screen[p + 1, 1] - y0, screen[p + 1, 2] - z0
            steps = int(max(abs(dx), abs(dy))) + 1
            if steps > 4 * columns:
                continue
            steep = abs(dy) > abs(dx)
            thin = half * (1.0 - 0.5 * p / (num - 1))
            # A line at least one pixel wide; where it should be thinner it covers a part of it.
            alpha = min(1.0, 2.0 * thin)
            thin = max(0.5, thin)
            for i in range(steps):
                t = (i + 0.5) / steps
                x, y, z = x0 + t * dx, y0 + t * dy, z0 + t * dz
                if steep:
                    row0 = row1 = int(np.round(y))
                    column0 = int(np.round(x - thin + 0.5))
                    column1 = max(column0, int(np.round(x + thin - 0.5)))
                else:
                    column0 = column1 = int(np.round(x))
                    row0 = int(np.round(y - thin + 0.5))
                    row1 = max(row0, int(np.round(y + thin - 0.5)))
                for row in range(max(0, row0), min(height - 1, row1) + 1):
                    for column in range(max(0, column0), min(columns - 1, column1) + 1):
                        if z < depth[row, column]:
                            if alpha > 0.45:
                                depth[row, column] = z
                            for k in range(3):
                                a = colour[p, k]
                                value = a + t * (colour[p + 1, k] - a)
                                old = image[row, column, k]
                                image[row, column, k] = old + alpha * (value - old)
