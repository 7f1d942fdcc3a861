"""Expression coefficients of face meshes: a linear basis of a corpus' own, as a morphable model's.

A stand-in for the 64 coefficients of Deng et al. 2019 where that model's weights are not at hand:
principal components of what meshes without pose do while one person speaks. Coefficients of
different bases do not mix; `ExpressionBasis.name` tells them apart.
"""

import hashlib
import io
import os
import zipfile
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import files

NUM_EXPRESSION = 64
_FIELDS = ("mean", "components", "scale")


class ExpressionBasis(NamedTuple):
    """A mean mesh and how it moves.

    Attributes:
      mean: float32 [V, 3], in the units of `head_pose.head_frame`.
      components: float32 [64, V * 3], orthonormal, the one that moves most first.
      scale: float32 [64], positive: standard deviation along each within a speaker.
    """

    mean: np.ndarray
    components: np.ndarray
    scale: np.ndarray

    @property
    def name(self):
        """Eight digits that change with the numbers of the basis."""
        data = b"".join(np.ascontiguousarray(array).tobytes() for array in self)
        return hashlib.sha256(data).hexdigest()[:8]


def project(basis, meshes, neutral=None):
    """Coefficients of meshes without pose.

    Args:
      basis: `ExpressionBasis`.
      meshes: [..., V, 3], see `head_pose.head_frame`.
      neutral: [V, 3], the person's face at rest, so that the shape of the face does not count as
        expression. None = the mean of the basis; then that shape adds a constant.

    Returns:
      float32 [..., 64] in standard deviations.
    """
    meshes = np.asarray(meshes, np.float32)
    if meshes.shape[-2:] != basis.mean.shape:
        expected = ", ".join(map(str, basis.mean.shape))
        raise ValueError(f"meshes: found {list(meshes.shape)}, expected [..., {expected}]")
    moved = meshes - (basis.mean if neutral is None else np.asarray(neutral, np.float32))
    return moved.reshape(*meshes.shape[:-2], -1) @ basis.components.T / basis.scale


def reconstruct(basis, coefficients, neutral=None):
    """The inverse of `project`, but for what the basis lacks: [..., 64] -> float32 [..., V, 3]."""
    moved = (np.asarray(coefficients, np.float32) * basis.scale) @ basis.components
    rest = basis.mean if neutral is None else np.asarray(neutral, np.float32)
    return rest + moved.reshape(*moved.shape[:-1], *basis.mean.shape)


class ExpressionStatistics:
    """Sums over meshes from which a basis is made; memory grows with the number of speakers only.

    11 KB a speaker for 468 vertices, beside a square matrix of 3 V.
    """

    def __init__(self, num_vertices):
        self._shape = (num_vertices, 3)
        self._products = np.zeros((3 * num_vertices, 3 * num_vertices))
        self._sums, self.counts = {}, {}

    def add(self, speaker, meshes):
        """Notes the meshes [T, V, 3] of a clip of a speaker; those that are not finite are left
        out."""
        meshes = np.asarray(meshes, np.float64)
        if meshes.ndim != 3 or meshes.shape[1:] != self._shape:
            raise ValueError(
                f"meshes: found {list(meshes.shape)}, expected [T, {self._shape[0]}, 3]"
            )
        meshes = meshes.reshape(len(meshes), -1)
        meshes = meshes[np.isfinite(meshes).all(axis=1)]
        self._products += meshes.T @ meshes
        self._sums[speaker] = self._sums.get(speaker, 0.0) + meshes.sum(0)
        self.counts[speaker] = self.counts.get(speaker, 0) + len(meshes)

    def basis(self):
        """The `ExpressionBasis` of what was noted.

        Raises:
          UserError: fewer meshes than make 64 components.
        """
        total, speakers = sum(self.counts.values()), [s for s, n in self.counts.items() if n]
        if total < len(speakers) + NUM_EXPRESSION:
            raise UserError(
                f"meshes: found {total} of {len(speakers)} speakers, expected at least "
                f"{len(speakers) + NUM_EXPRESSION} to make {NUM_EXPRESSION} components; give more "
                "clips"
            )
        means = np.array([self._sums[s] / self.counts[s] for s in speakers])
        counts = np.array([self.counts[s] for s in speakers], np.float64)
        within = (self._products - (means * counts[:, None]).T @ means) / (total - len(speakers))
        variances, vectors = np.linalg.eigh(within)
        variances, vectors = variances[::-1][:NUM_EXPRESSION], vectors[:, ::-1][:, :NUM_EXPRESSION]
        # Signs are arbitrary; the largest part of each component is made positive.
        largest = np.take_along_axis(vectors, abs(vectors).argmax(0)[None], axis=0)
        return ExpressionBasis(
            means.mean(0).reshape(self._shape).astype(np.float32),
            (vectors * np.sign(largest)).T.astype(np.float32),
            # What does not move at all gets a scale that keeps its coefficients near 0.
            np.sqrt(np.maximum(variances, 1e-6 * variances[0])).astype(np.float32),
        )


def save_basis(path, basis):
    """To an .npz file; whole or absent."""
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **basis._asdict())


def load_basis(path):
    """An `ExpressionBasis` from a file of `save_basis`.

    Raises:
      UserError: no readable file, or not of a basis.
    """
    name = os.fspath(path)
    with files.open_local(path) as file:
        data = io.BytesIO(file.read())
    try:
        with np.load(data, allow_pickle=False) as arrays:
            basis = ExpressionBasis(*(arrays[field] for field in _FIELDS))
        (num_vertices, three), components = basis.mean.shape, basis.components.shape
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile):
        raise UserError(
            f"{name}: not a basis of expressions; expected an .npz file with {', '.join(_FIELDS)} "
            "of python -m tfds_builders.fit_expression_basis"
        ) from None
    if three != 3 or components != (NUM_EXPRESSION, 3 * num_vertices):
        raise UserError(
            f"{name}: found components {list(components)} for a mean {list(basis.mean.shape)}, "
            f"expected [{NUM_EXPRESSION}, {3 * num_vertices}]; fit the basis again"
        )
    return basis
