"""Parametric face model: from coefficients to points, pixels and colours (Deng et al. 2019).

Matches the public Deep3DFaceRecon_pytorch; the model's arrays come from the Basel face model, see
`jaxtalk.pretrained.basel`. Points are rows; x grows to the right, y upwards, z to the camera.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

CAMERA_DISTANCE, FOCAL, CENTER = 10.0, 1015.0, 112.0  # model units, px, px; images of 224 px
AMBIENT = 0.8  # added to the first band of the light

SIZES = {
    "identity": 80,
    "expression": 64,
    "texture": 80,
    "angles": 3,
    "light": 27,
    "translation": 3,
}
NUM_COEFFICIENTS = sum(SIZES.values())


class Coefficients(NamedTuple):
    """The parts of a face.

    Attributes:
      identity, expression, texture: [..., 80], [..., 64], [..., 80].
      angles: [..., 3] rad, about x, y and z.
      light: [..., 27], nine spherical harmonics for red, then green, then blue.
      translation: [..., 3], model units.
    """

    identity: Any
    expression: Any
    texture: Any
    angles: Any
    light: Any
    translation: Any


class FaceModel(NamedTuple):
    """Arrays of a linear face model with N vertices and F triangles.

    Attributes:
      mean_shape: [N, 3], centred at the mean vertex.
      identity_basis, expression_basis: [N, 3, 80], [N, 3, 64].
      mean_texture: [N, 3] RGB in [0, 255].
      texture_basis: [N, 3, 80].
      triangles: int32 [F, 3], vertices of each.
      vertex_triangles: int32 [N, 8], triangles around each vertex, F where there are fewer.
      landmarks: int32 [68], vertices of the landmarks.
    """

    mean_shape: Any
    identity_basis: Any
    expression_basis: Any
    mean_texture: Any
    texture_basis: Any
    triangles: Any
    vertex_triangles: Any
    landmarks: Any


def split_coefficients(coefficients):
    """[..., 257] -> `Coefficients`.

    Raises:
      ValueError: there is another number of them.
    """
    if coefficients.shape[-1] != NUM_COEFFICIENTS:
        raise ValueError(
            f"coefficients: found {coefficients.shape}, expected [..., {NUM_COEFFICIENTS}]"
        )
    ends = np.cumsum(list(SIZES.values()))[:-1]
    return Coefficients(*jnp.split(coefficients, ends, axis=-1))


def face_shape(model, identity, expression):
    """[..., 80], [..., 64] -> vertices [..., N, 3] of the face that looks straight ahead."""
    return (
        _linear(model.identity_basis, identity)
        + _linear(model.expression_basis, expression)
        + model.mean_shape
    )


def face_texture(model, texture):
    """[..., 80] -> colours of the vertices [..., N, 3], RGB in about [0, 1]."""
    return (_linear(model.texture_basis, texture) + model.mean_texture) / 255


def rotation_matrix(angles):
    """Angles [..., 3] rad -> [..., 3, 3] that rotates rows: first about x, then y, then z."""
    (sx, sy, sz), (cx, cy, cz) = (jnp.moveaxis(f(angles), -1, 0) for f in (jnp.sin, jnp.cos))
    rows = (
        (cy * cz, cy * sz, -sy),
        (sx * sy * cz - cx * sz, sx * sy * sz + cx * cz, sx * cy),
        (cx * sy * cz + sx * sz, cx * sy * sz - sx * cz, cx * cy),
    )
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def moved(points, rotation, translation):
    """Points [..., N, 3] rotated by [..., 3, 3], then moved by [..., 3]."""
    return jnp.matmul(points, rotation, precision="highest") + translation[..., None, :]


def to_camera(points, camera_distance=CAMERA_DISTANCE):
    """[..., N, 3] -> the same with z the distance from the camera."""
    return points.at[..., 2].set(camera_distance - points[..., 2])


def project(points, focal=FOCAL, center=CENTER):
    """Points [..., N, 3] before the camera -> [..., N, 2], px.

    y grows upwards from the lower border: the row of an image of H pixels is H - 1 - y.
    """
    return focal * points[..., :2] / points[..., 2:] + center


def landmarks(model, projected):
    """Of points [..., N, 2 or 3], those of the 68 landmarks."""
    return jnp.take(projected, model.landmarks, axis=-2)


def vertex_normals(model, points):
    """[..., N, 3] -> unit normals [..., N, 3], sums of those of the triangles around."""
    a, b, c = (jnp.take(points, model.triangles[:, i], axis=-2) for i in range(3))
    faces = _unit(jnp.cross(a - b, b - c))
    nothing = [(0, 0)] * (faces.ndim - 2) + [(0, 1), (0, 0)]
    around = jnp.take(jnp.pad(faces, nothing), model.vertex_triangles, axis=-2)
    return _unit(jnp.sum(around, axis=-2))


def shaded(texture, normals, light):
    """Colours under a light of nine spherical harmonics (Ramamoorthi and Hanrahan 2001).

    Args:
      texture: [..., N, 3] RGB, see `face_texture`.
      normals: [..., N, 3] of the rotated face.
      light: [..., 27], see `Coefficients`; `AMBIENT` is added to the first of each nine.

    Returns:
      [..., N, 3], in about [0, 1] but not clipped.
    """
    bands = light.reshape(*light.shape[:-1], 3, 9).at[..., 0].add(AMBIENT)
    return texture * jnp.einsum(
        "...nk,...ck->...nc", _harmonics(normals), bands, precision="highest"
    )


def _harmonics(normals):
    """The nine harmonics of unit vectors [..., 3], each times that of a cosine: [..., 9]."""
    x, y, z = jnp.moveaxis(normals, -1, 0)
    # Weights of the cosine, and of the harmonics: constant, linear, quadratic.
    cosine = np.pi * np.array([1, 2 / np.sqrt(3), 2 / np.sqrt(8)])
    harmonic = np.array([1, np.sqrt(3), 3 * np.sqrt(5 / 3)]) / np.sqrt(4 * np.pi)
    constant, linear, quadratic = (float(value) for value in cosine * harmonic)
    return jnp.stack(
        [
            jnp.full_like(x, constant),
            -linear * y,
            linear * z,
            -linear * x,
            quadratic * x * y,
            -quadratic * y * z,
            quadratic / (2 * 3**0.5) * (3 * z**2 - 1),
            -quadratic * x * z,
            quadratic / 2 * (x**2 - y**2),
        ],
        -1,
    )


def _linear(basis, coefficients):
    return jnp.einsum("nik,...k->...ni", basis, coefficients, precision="highest")


def _unit(x):
    # The epsilon keeps the gradient of a triangle without area finite.
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-24)
