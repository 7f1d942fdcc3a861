"""From a person, a light and the parameters of a moment to a picture and its annotations."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from . import hair, light, locks, noise, paint, raster, shading, strand_drawing
from .expression import INDEX
from .fields import features
from .identity import Look, linear
from .mesh import MOUTH, Geometry, build
from .shape import Surface

SUPERSAMPLING = 2  # samples per pixel and axis


class Camera(NamedTuple):
    """Distance of the head in cm, focal length as a part of the picture's width, and where the
    head's origin is in the picture (parts of its width from the centre, y up)."""

    distance: float
    focal: float
    offset: tuple


class Scene(NamedTuple):
    """Everything about a clip that does not change from frame to frame."""

    geometry: Geometry
    strands: locks.Strands
    shadows: np.ndarray  # [N, 3] points of hair that cast a shadow
    skip: np.ndarray
    bake: np.ndarray
    look: Look
    camera: Camera
    background: np.ndarray
    noise: np.ndarray
    size: int


class Frame(NamedTuple):
    """image uint8 [H, W, 3], landmarks [68, 2] px from the picture's top left corner, mesh
    [NUM_MESH, 3] cm in the head's frame."""

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
    base = rng.uniform(0.15, 0.8) * (1.0 + rng.normal(0.0, 0.08, 3))
    grid = np.linspace(-1, 1, size)
    x, y = np.meshgrid(grid, -grid)
    slope = rng.normal(0.0, 0.12, 2)
    colours = base * (1.0 + slope[0] * x + slope[1] * y)[..., None]
    for _ in range(rng.integers(0, 6)):
        x0, y0 = rng.uniform(-1.2, 1.2, 2)
        w, h = rng.uniform(0.1, 0.6, 2)
        tint = rng.uniform(0.05, 1.0) * (1.0 + rng.normal(0.0, 0.15, 3))
        inside = (np.abs(x - x0) < w) & (np.abs(y - y0) < h)
        colours = np.where(inside[..., None], 0.35 * colours + 0.65 * tint, colours)
    blur = rng.uniform(0.02, 0.07) * size
    colours = ndimage.gaussian_filter(colours, (blur, blur, 0), mode="nearest")
    return linear(colours * (1.0 - 0.12 * (x * x + y * y))[..., None])


def make_scene(person, look, camera, rng, size):
    """`Scene` of a clip at `size` pixels."""
    surface = Surface(person.shape)
    volume = hair.STYLES[person.hair.style].volume
    geometry = build(
        person.shape,
        lambda angle, y: hair.inside_hairline(angle, y, person.hair),
        lambda points, inside: hair.swelling(points, inside, volume),
    )
    neutral = geometry.neutral
    density = 0.6 if size < 128 else 1.0  # fewer and thicker strands where nobody can tell
    strands = locks.make(rng, surface, person, neutral[: geometry.head_vertices], density)
    skip = (geometry.material == MOUTH).astype(np.uint8)
    normals = raster.vertex_normals(neutral, geometry.triangles, skip)
    shadows = np.ascontiguousarray(strands.points[strands.follow < 0][:, 2:].reshape(-1, 3))
    bake = light.bake(neutral, normals, geometry.triangles, shadows[::3])
    wide = background(rng, size).repeat(SUPERSAMPLING, 0).repeat(SUPERSAMPLING, 1)
    return Scene(geometry, strands, shadows, skip, bake, look, camera, wide, noise.NOISE, size)


def transforms(rotation, position):
    """[3, 4] of the head and of the body, which follows a part of the head's rotation."""
    head = rotation_matrix(*rotation)
    body = rotation_matrix(0.25 * rotation[0], 0.1 * rotation[1], 0.15 * rotation[2])
    pivot = np.array([0.0, -7.0, -3.0])
    with_head = np.concatenate([head, position[:, None]], axis=1)
    seat = (head - body) @ pivot + position
    return with_head, np.concatenate([body, seat[:, None]], axis=1)


def moment_of(expression, lip_z, look, head, position):
    """`paint.Moment` of a frame; `lip_z`: z of the upper lip's inner edge in the head's frame."""
    e = {name: float(expression[index]) for name, index in INDEX.items()}
    mirror = head[:, :3].T @ (np.array(look.light) - position / np.linalg.norm(position))
    mirror /= np.linalg.norm(mirror)
    own = {name: e[name] for name in paint.Moment._fields if name in e}
    return paint.Moment(
        **own,
        brow_raise=max(e["brow_inner"], e["brow_outer"]),
        mirror_x=float(mirror[0]),
        mirror_y=float(mirror[1]),
        teeth_z=float(lip_z) - 0.45,
    )


def render(scene, expression, rotation, position):
    """One `Frame`.

    Args:
      expression: [64]. rotation: (yaw, pitch, roll) rad. position: [3] cm, the head's origin in the
      camera's frame (x right, y up, z away from the camera is negative).
    """
    geometry, look, pixels = scene.geometry, scene.look, scene.size * SUPERSAMPLING
    position = np.asarray(position, np.float64)
    head, body = transforms(rotation, position)
    focal = scene.camera.focal * pixels
    moved = raster.move(geometry.neutral, geometry.fields, features(expression))
    lip_z = moved[geometry.first_landmark + 62, 2]
    moment = moment_of(expression, lip_z, look, head, position)
    paint.set_lids(moved, geometry.first_landmark, look, moment)
    points = raster.place(moved, geometry.rigid, head, body)
    screen = raster.project(points, focal, pixels)
    normals = raster.vertex_normals(points, geometry.triangles, scene.skip)
    depth = np.full((pixels, pixels), raster.FAR)
    face = np.full((pixels, pixels), raster.EMPTY, np.int32)
    weight = np.empty((pixels, pixels, 2))
    raster.rasterise(screen, geometry.triangles, depth, face, weight)
    hair_points = raster.place(scene.shadows, np.ones(len(scene.shadows)), head, body)
    shadow, axes = light.shadow_map(points, geometry.triangles, hair_points, look.light, position)
    image = scene.background.copy()
    shading.shade(image, depth, face, weight, geometry.triangles, geometry.material,
                  geometry.neutral, points, normals, geometry.marking, scene.bake, shadow, axes,
                  look, moment, head, geometry.eyes, scene.noise, focal)  # fmt: skip
    strand_drawing.draw(
        *scene.strands, moved, geometry.neutral, head, body, focal, look, depth, image
    )
    landmarks = (screen[geometry.first_landmark :, :2] + 0.5) / SUPERSAMPLING
    return Frame(raster.reduce_to_bytes(image, SUPERSAMPLING, raster.CURVE), landmarks,
                 moved[geometry.mesh_vertices])  # fmt: skip
