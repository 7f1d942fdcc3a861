"""From a person, a light and the parameters of a moment to a picture and its annotations."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from . import hair as hair_module
from . import raster, shading
from .expression import INDEX
from .identity import linear
from .shape import MOUTH, NUM_LANDMARKS, Surface, build, features

SUPERSAMPLING = {64: 2, 128: 2, 256: 2}


class Camera(NamedTuple):
    """Distance of the head in cm, focal length as a part of the picture's width, and where the
    head's origin is in the picture (parts of its width from the centre, y up)."""

    distance: float
    focal: float
    offset: tuple


class Scene(NamedTuple):
    """Everything about a clip that does not change from frame to frame."""

    geometry: object
    strands: object
    scalp: np.ndarray
    bake: np.ndarray
    look: object
    camera: Camera
    background: np.ndarray
    noise: np.ndarray
    size: int


class Frame(NamedTuple):
    """image uint8 [H, W, 3], landmarks [68, 2] px, mesh [V, 3] cm in the head's frame."""

    image: np.ndarray
    landmarks: np.ndarray
    mesh: np.ndarray


def rotation_matrix(yaw, pitch, roll):
    """Head to camera: roll @ yaw @ pitch. Positive yaw turns the nose to the right of the picture,
    positive pitch looks down, positive roll tilts the crown to the left."""
    cy, sy, cp, sp, cr, sr = (f(v) for v in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def sample_camera(rng):
    """A camera 55 to 110 cm away in which the head fills 58 % to 82 % of the height."""
    distance = rng.uniform(55.0, 110.0)
    part = rng.uniform(0.60, 0.80)
    offset = rng.normal(0.0, (0.018, 0.015)) + np.array([0.0, 0.012])
    return Camera(float(distance), float(part * distance / 22.0), tuple(offset))


def positions(camera, rotation, shift):
    """Where the head's origin is, [T, 3] cm in the camera's frame.

    The head turns about the top of the neck; `shift` [T, 3] moves its seat.
    """
    per_cm = camera.focal / camera.distance
    seat = np.array([camera.offset[0] / per_cm, camera.offset[1] / per_cm - 1.6, -camera.distance])
    neck = np.array([0.0, -4.0, -3.5])
    turned = np.stack([rotation_matrix(*r) @ neck for r in rotation])
    return seat + shift + neck - turned


def background(rng, size):
    """Linear colours [size, size, 3] of an unsharp room."""
    base = rng.uniform(0.15, 0.8) * (1.0 + rng.normal(0.0, 0.12, 3))
    grid = np.linspace(-1, 1, size)
    x, y = np.meshgrid(grid, -grid)
    slope = rng.normal(0.0, 0.12, 2)
    colours = base * (1.0 + slope[0] * x + slope[1] * y)[..., None]
    for _ in range(rng.integers(0, 6)):
        x0, y0 = rng.uniform(-1.2, 1.2, 2)
        w, h = rng.uniform(0.1, 0.6, 2)
        tint = rng.uniform(0.05, 1.0) * (1.0 + rng.normal(0.0, 0.2, 3))
        inside = (np.abs(x - x0) < w) & (np.abs(y - y0) < h)
        colours = np.where(inside[..., None], 0.35 * colours + 0.65 * tint, colours)
    blur = rng.uniform(0.02, 0.07) * size
    colours = ndimage.gaussian_filter(colours, (blur, blur, 0), mode="nearest")
    return linear(colours * (1.0 - 0.12 * (x * x + y * y))[..., None])


def make_scene(person, look, camera, rng, size):
    """`Scene` of a clip at `size` pixels."""
    surface = Surface(person.shape)
    geometry = build(person.shape)
    strands = hair_module.grow(rng, surface, person.hair)
    neutral = geometry.neutral
    angle = np.arctan2(neutral[:, 0], neutral[:, 2] - surface.centre(
        np.clip(neutral[:, 1], surface.bottom, surface.top)))  # fmt: skip
    scalp = hair_module.inside_hairline(angle, neutral[:, 1], person.hair.hairline)
    if person.hair.style == "bald":
        scalp = scalp - 30.0
    bake = np.ones(len(neutral))
    ss = SUPERSAMPLING[size]
    wide = background(rng, size).repeat(ss, 0).repeat(ss, 1)
    return Scene(geometry, strands, scalp, bake, look, camera, wide, shading.noise_textures(), size)


def frame_values(expression, geometry, points):
    """float64 [16] of the moment for the shading kernel."""
    e = {name: expression[index] for name, index in INDEX.items()}
    lip = geometry.first_landmark + 62
    return np.array([
        e["blink_left"], e["blink_right"], e["eye_wide"], e["squint"], e["gaze_yaw"],
        e["gaze_pitch"], e["jaw_open"], e["smile"], max(e["brow_inner"], e["brow_outer"]),
        e["brow_lower"], e["squint"], 0.0, 0.0, points[lip, 2] - 0.55, e["tongue_up"], 0.0,
    ])  # fmt: skip


def render(scene, expression, rotation, position):
    """One `Frame`.

    Args:
      expression: [64]. rotation: (yaw, pitch, roll) rad. position: [3] cm, the head's origin in the
      camera's frame (x right, y up, z away from the camera is negative).
    """
    geometry, look, camera = scene.geometry, scene.look, scene.camera
    ss = SUPERSAMPLING[scene.size]
    pixels = scene.size * ss
    moved = geometry.neutral + np.tensordot(features(expression), geometry.fields, axes=1)
    head = rotation_matrix(*rotation)
    body = rotation_matrix(0.25 * rotation[0], 0.1 * rotation[1], 0.15 * rotation[2])
    pivot = np.array([0.0, -7.0, -3.0])
    centre = pivot @ (head - body).T + position

    def place(points, rigid):
        with_head = points @ head.T + position
        with_body = points @ body.T + centre
        return with_body + rigid[..., None] * (with_head - with_body)

    focal = camera.focal * pixels

    def project(points):
        away = -points[..., 2]
        half = 0.5 * pixels - 0.5
        return np.stack([half + focal * points[..., 0] / away,
                         half - focal * points[..., 1] / away, away], axis=-1)  # fmt: skip

    points = place(moved, geometry.rigid)
    screen = project(points)
    skip = (geometry.material == MOUTH).astype(np.uint8)
    normals = raster.vertex_normals(points, geometry.triangles, skip)
    depth = np.full((pixels, pixels), 1e9)
    face = np.full((pixels, pixels), raster.EMPTY, np.int32)
    weight = np.zeros((pixels, pixels, 2))
    raster.rasterise(screen, geometry.triangles, depth, face, weight)
    image = scene.background.copy()
    values = frame_values(expression, geometry, moved)
    light_in_head = head.T @ np.array(look.light)
    eye_to_camera = head.T @ (-position / np.linalg.norm(position))
    middle = light_in_head + eye_to_camera
    middle /= np.linalg.norm(middle)
    values[11], values[12] = 2.0 * middle[0], 2.0 * middle[1]
    shading.shade(image, depth, face, weight, geometry.triangles, geometry.material,
                  geometry.neutral, points, normals, scene.scalp, scene.bake, look, values, head,
                  np.asarray(position), geometry.eyes, scene.noise, focal)  # fmt: skip
    strands = scene.strands
    placed = place(strands.points, strands.rigid)
    colour = strand_colours(strands, placed, head, look)
    at = project(placed)
    at[..., 2] -= 0.05
    width_px = strands.width * focal / -position[2]
    raster.draw_strands(at, colour, width_px, depth, image)
    landmarks = (screen[geometry.first_landmark :, :2] + 0.5) / ss - 0.5
    return Frame(raster.reduce_to_bytes(image, ss), landmarks[:NUM_LANDMARKS],
                 moved[geometry.mesh_vertices])  # fmt: skip


def strand_colours(strands, placed, head, look):
    """Linear colours [S, P, 3]: light on the hair's volume, and highlights along the strands."""
    light = np.array(look.light)
    outward = strands.outward @ head.T
    tangent = np.gradient(placed, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-9
    view = np.array([0.0, 0.0, 1.0])
    half = (light + view) / np.linalg.norm(light + view)
    volume = np.clip(0.55 * (outward @ light) + 0.45, 0.0, 1.0)
    across = 1.0 - (tangent @ half) ** 2
    gleam = np.clip(across, 0.0, 1.0) ** 14 * np.clip(outward @ half, 0.0, 1.0)
    up = 0.5 + 0.5 * outward[..., 1]
    key, sky, ground = (np.array(v) for v in (look.key, look.sky, look.ground))
    ambient = ground + up[..., None] * (sky - ground)
    base = np.array(look.hair) * strands.tint[..., None]
    lit = base * (key * volume[..., None] + ambient)
    return lit + (0.25 * base + 0.018) * key * gleam[..., None] * strands.tint[..., None]

