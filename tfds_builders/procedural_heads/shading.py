"""Compiled per-pixel shading: what the painters paint, under a key light and the sky."""

import numpy as np
from numba import njit

from .light import MAP_REACH_CM, MAP_SIZE, visible
from .mesh import EAR, MOUTH, TORSO
from .noise import mix3, mul3, sample, step
from .paint import cloth_colour, mouth_colour, paint_eye, skin_albedo


@njit(cache=True)
def shade(image, depth, face, weight, triangles, material, neutral, points, normals, marking, bake,
          shadow, axes, look, moment, head, eyes, noise, focal):  # fmt: skip
    """Writes the linear colour of each covered pixel.

    Args:
      image [H, W, 3]; depth, face, weight: see `raster.rasterise`.
      triangles [F, 3], material [F], neutral [V, 3]; points, normals [V, 3] in the camera's frame;
      marking [V]: see mesh.Geometry; bake [V] ambient light that reaches the vertex, 0..1.
      shadow, axes: see light.shadow_map. look: identity.Look. moment: paint.Moment.
      head [3, 4]: head to camera. eyes [2, 3]: see mesh.Geometry. focal: pixels.
    """
    height, width = depth.shape
    # The camera in the head's frame.
    ox = -(head[0, 0] * head[0, 3] + head[1, 0] * head[1, 3] + head[2, 0] * head[2, 3])
    oy = -(head[0, 1] * head[0, 3] + head[1, 1] * head[1, 3] + head[2, 1] * head[2, 3])
    oz = -(head[0, 2] * head[0, 3] + head[1, 2] * head[1, 3] + head[2, 2] * head[2, 3])
    map_scale = 0.5 * MAP_SIZE / MAP_REACH_CM
    lx, ly, lz = look.light
    for row in range(height):
        for column in range(width):
            f = face[row, column]
            if f < 0:
                continue
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            w1, w2 = weight[row, column, 0], weight[row, column, 1]
            w0 = 1.0 - w1 - w2
            x = w0 * neutral[a, 0] + w1 * neutral[b, 0] + w2 * neutral[c, 0]
            y = w0 * neutral[a, 1] + w1 * neutral[b, 1] + w2 * neutral[c, 1]
            z = w0 * neutral[a, 2] + w1 * neutral[b, 2] + w2 * neutral[c, 2]
            cam_x = w0 * points[a, 0] + w1 * points[b, 0] + w2 * points[c, 0]
            cam_y = w0 * points[a, 1] + w1 * points[b, 1] + w2 * points[c, 1]
            cam_z = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
            nx = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            ny = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            nz = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            light = w0 * bake[a] + w1 * bake[b] + w2 * bake[c]
            scale = -1.0 / np.sqrt(cam_x * cam_x + cam_y * cam_y + cam_z * cam_z)
            vx, vy, vz = cam_x * scale, cam_y * scale, cam_z * scale
            px = -cam_z / focal
            kind = material[f]
            # The ray in the head's frame.
            rx = -(head[0, 0] * vx + head[1, 0] * vy + head[2, 0] * vz)
            ry = -(head[0, 1] * vx + head[1, 1] * vy + head[2, 1] * vz)
            rz = -(head[0, 2] * vx + head[1, 2] * vy + head[2, 2] * vz)
            gloss, occlusion, skin, wet = 0.0, 1.0, 1.0, 0.0
            if kind == MOUTH:
                colour = mouth_colour(look, px, (ox, oy, oz), (rx, ry, rz), z, moment)
                for k in range(3):
                    ambient = 0.72 * look.sky[k] + 0.34 * look.key[k] * max(0.0, 0.3 + 0.7 * lz)
                    image[row, column, k] = colour[k] * ambient
                continue
            if kind == TORSO:
                inside, cloth = cloth_colour(look, noise, x, y, z, px, light)
                clouds = sample(noise, 9.0 * x + look.seed, 9.0 * y, 0)
                tone = 0.94 + 0.05 * clouds
                tone *= 1.0 - 0.62 * step(-12.5, -8.5, y) * step(-6.0, -1.0, z)
                tone *= 1.0 - 0.5 * step(-9.5, -6.5, y)
                colour = mix3(mul3(look.skin, tone, 0.96 * tone, 0.95 * tone), cloth, inside)
                skin = 1.0 - inside
                gloss = 0.4 * skin
            elif kind == EAR:
                hollow = w0 * marking[a] + w1 * marking[b] + w2 * marking[c]
                colour = mul3(look.skin, 1.02, 0.86, 0.84)
                occlusion = 1.0 - 0.55 * hollow
                gloss = 0.5
            else:
                hairy = w0 * marking[a] + w1 * marking[b] + w2 * marking[c]
                colour, gloss, occlusion = skin_albedo(look, noise, x, y, z, px, hairy, moment)
                if z > 1.0 and abs(y - look.eye[1]) < 1.5:
                    colour, lid_shade, ball, wet = paint_eye(
                        look, noise, colour, x, y, px, (ox, oy, oz), (rx, ry, rz), moment, eyes
                    )
                    occlusion *= lid_shade
                    gloss *= 1.0 - ball
                    skin = 1.0 - ball
                    # The eyeball is lit flatter than the socket.
                    nx, ny, nz = (
                        nx - 0.5 * ball * nx,
                        ny - 0.5 * ball * ny,
                        nz + 0.5 * ball * (1 - nz),
                    )
                # Pores and fine wrinkles tilt the surface.
                fine = 0.15 * min(1.0, 0.03 / px) * skin
                nx += fine * sample(noise, 30.0 * x + 11.0, 30.0 * y + 5.0 * z, 1)
                ny += fine * sample(noise, 30.0 * x + 77.0, 30.0 * y + 5.0 * z + 50.0, 1)
            # Light: wrapped where light travels under the skin, redder at the terminator.
            facing = nx * lx + ny * ly + nz * lz
            edge = 1.0 - max(0.0, nx * vx + ny * vy + nz * vz)
            hx, hy, hz = lx + vx, ly + vy, lz + vz
            scale = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
            sx, sy, sz = cam_x - head[0, 3], cam_y - head[1, 3], cam_z - head[2, 3]
            across = (axes[0, 0] * sx + axes[0, 1] * sy + axes[0, 2] * sz) * map_scale
            down = (axes[1, 0] * sx + axes[1, 1] * sy + axes[1, 2] * sz) * map_scale
            away = 100.0 - (axes[2, 0] * sx + axes[2, 1] * sy + axes[2, 2] * sz)
            lit = visible(shadow, 0.5 * MAP_SIZE + across, 0.5 * MAP_SIZE - down, away, 0.35, 0.7)
            half = max(0.0, (nx * hx + ny * hy + nz * hz) * scale)
            fresnel = 0.35 + 1.3 * edge * edge * edge
            shine = 0.030 * half**9 + 0.045 * half**28
            specular = look.shine * gloss * fresnel * shine * step(-0.05, 0.3, facing)
            up = 0.5 + 0.5 * ny
            for k in range(3):
                wrap = skin * (0.34, 0.20, 0.14)[k] + 0.06
                diffuse = max(0.0, (facing + wrap) / (1.0 + wrap))
                ambient = look.ground[k] + (look.sky[k] - look.ground[k]) * up
                value = colour[k] * (look.key[k] * diffuse * occlusion * lit
                                     + ambient * light * occlusion)  # fmt: skip
                value += look.key[k] * specular * lit + 0.10 * edge**4 * ambient * light * skin
                image[row, column, k] = value + wet * 1.3 * look.key[k]
