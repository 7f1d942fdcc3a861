"""A basis against the directions from which the meshes were made."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media.expression import (
    ExpressionStatistics,
    load_basis,
    project,
    reconstruct,
    save_basis,
)

NUM_VERTICES, NUM_TRUE = 30, 5


@pytest.fixture(scope="module")
def corpus():
    """Clips (speaker, meshes) = speaker's shape + 5 directions of known size; the directions."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(3 * NUM_VERTICES, NUM_TRUE)))[0].T
    shapes = {name: rng.normal(0, 5, (NUM_VERTICES, 3)) for name in "abc"}
    clips = []
    for _ in range(4):
        for name, shape in shapes.items():
            moved = (rng.normal(size=(80, NUM_TRUE)) * (9, 7, 5, 3, 1)) @ directions
            noise = rng.normal(0, 0.01, (80, NUM_VERTICES, 3))
            clips.append((name, shape + moved.reshape(80, NUM_VERTICES, 3) + noise))
    return clips, directions, shapes


@pytest.fixture(scope="module")
def basis(corpus):
    statistics = ExpressionStatistics(NUM_VERTICES)
    for speaker, meshes in corpus[0]:
        statistics.add(speaker, meshes)
    return statistics.basis()


def test_finds_the_directions_and_not_the_persons(corpus, basis):
    _, directions, shapes = corpus
    overlap = abs(basis.components[:NUM_TRUE] @ directions.T)
    np.testing.assert_allclose(overlap, np.eye(NUM_TRUE), atol=0.15)
    np.testing.assert_allclose(basis.scale[:NUM_TRUE], (9, 7, 5, 3, 1), rtol=0.1)
    assert basis.scale[NUM_TRUE] < 0.05
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(64), atol=1e-5)
    mean = np.mean(list(shapes.values()), axis=0)
    np.testing.assert_allclose(basis.mean, mean, atol=1.0)


def test_is_that_of_all_meshes_at_once(corpus, basis):
    meshes = {name: [] for name in corpus[2]}
    for speaker, clip in corpus[0]:
        meshes[speaker].append(clip.reshape(len(clip), -1))
    centred = np.concatenate([x - x.mean(0) for x in map(np.concatenate, meshes.values())])
    singular = np.linalg.svd(centred, compute_uv=False)[:NUM_TRUE]
    expected = singular / np.sqrt(len(centred) - len(meshes))
    np.testing.assert_allclose(basis.scale[:NUM_TRUE], expected, rtol=1e-5)


def test_projects_and_back(corpus, basis):
    speaker, meshes = corpus[0][1]
    neutral = corpus[2][speaker]
    coefficients = project(basis, meshes, neutral)
    assert coefficients.shape == (80, 64) and coefficients.dtype == np.float32
    np.testing.assert_allclose(reconstruct(basis, coefficients, neutral), meshes, atol=0.1)
    at_rest = project(basis, neutral[None], neutral)
    np.testing.assert_allclose(at_rest, 0, atol=1e-6)
    np.testing.assert_allclose(project(basis, basis.mean), 0, atol=1e-6)


def test_frames_without_a_mesh_are_left_out(corpus, basis):
    statistics = ExpressionStatistics(NUM_VERTICES)
    for speaker, meshes in corpus[0]:
        statistics.add(speaker, np.concatenate([meshes, np.full_like(meshes[:2], np.nan)]))
    again = statistics.basis()
    np.testing.assert_allclose(again.scale[:NUM_TRUE], basis.scale[:NUM_TRUE], rtol=1e-5)
    assert statistics.counts == {"a": 320, "b": 320, "c": 320}


def test_file(tmp_path, basis):
    path = tmp_path / "basis.npz"
    save_basis(path, basis)
    again = load_basis(path)
    assert again.name == basis.name
    for one, other in zip(again, basis):
        np.testing.assert_array_equal(one, other)
    assert basis._replace(mean=basis.mean + 1).name != basis.name


def test_faults(tmp_path, basis):
    path = tmp_path / "basis.npz"
    with pytest.raises(UserError, match="no such file"):
        load_basis(path)
    path.write_bytes(b"junk")
    with pytest.raises(UserError, match="not a basis"):
        load_basis(path)
    np.savez(path, mean=np.zeros((4, 3)))
    with pytest.raises(UserError, match="not a basis"):
        load_basis(path)
    save_basis(path, basis._replace(mean=basis.mean[:-1]))
    with pytest.raises(UserError, match=r"expected \[64, 87\]"):
        load_basis(path)
    with pytest.raises(ValueError, match="meshes: found"):
        project(basis, np.zeros((5, 4, 3)))
    statistics = ExpressionStatistics(4)
    statistics.add("a", np.zeros((10, 4, 3)))
    with pytest.raises(UserError, match="found 10 of 1 speakers, expected at least 65"):
        statistics.basis()
    with pytest.raises(ValueError, match="meshes: found"):
        statistics.add("a", np.zeros((10, 5, 3)))
