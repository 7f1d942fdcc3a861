"""The Frechet distance; `tests.test_parity` holds it to a reference's values."""

import functools

import numpy as np
import pytest
import scipy.linalg

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.frechet import (
    covariance,
    frechet_distance,
    gaussian_distance,
    merge,
    statistics,
)


def features(seed, count=300, size=12, offset=0.0):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((size, size))
    return rng.standard_normal((count, size)) @ mixing + offset


@pytest.mark.parametrize("sizes", [(300,), (1, 299), (1, 1, 1, 97, 200)])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_batches_give_the_statistics_of_the_whole(sizes, offset):
    x = features(0, offset=offset)
    batches = np.split(x, np.cumsum(sizes)[:-1])
    found = functools.reduce(merge, map(statistics, batches))
    assert found.count == len(x)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-12)
    expected = np.cov(x, rowvar=False)
    np.testing.assert_allclose(covariance(found), expected, rtol=0, atol=1e-9)


def test_merging_is_symmetric_and_takes_unequal_parts():
    first, second = statistics(features(0, 5)), statistics(features(1, 50, offset=3.0))
    one, other = merge(first, second), merge(second, first)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
    np.testing.assert_allclose(one.scatter, other.scatter, rtol=1e-12, atol=1e-12)


def test_distance_by_a_general_matrix_root():
    x, y = features(0), features(1, offset=0.5)
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(first + second - 2 * root)
    found = frechet_distance(statistics(x), statistics(y))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_distances_in_closed_form():
    """Covariances that commute: the roots of their eigenvalues are subtracted one by one."""
    first, second = np.array([1.0, 4.0, 0.0]), np.array([9.0, 0.25, 0.0])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    matrices = [rotation @ np.diag(d) @ rotation.T for d in (first, second)]
    step = np.array([1.0, -2.0, 3.0])
    found = gaussian_distance(np.zeros(3), matrices[0], step, matrices[1])
    assert found == pytest.approx(14 + 2**2 + 1.5**2, rel=1e-12)


def test_fewer_images_than_features():
    """A singular covariance against itself in a rotated frame with another image added."""
    x = features(0, count=5, size=40)
    assert frechet_distance(statistics(x), statistics(x)) == pytest.approx(0, abs=1e-8)
    moved = frechet_distance(statistics(x), statistics(x + 0.5))
    assert moved == pytest.approx(40 * 0.25, rel=1e-9)


def test_it_is_symmetric():
    first, second = statistics(features(0)), statistics(features(1, count=4))
    there, back = frechet_distance(first, second), frechet_distance(second, first)
    np.testing.assert_allclose(there, back, rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics(np.zeros(4)), r"found an array of \(4,\), expected \[N, D\]"),
        (lambda: statistics(np.zeros((0, 4))), r"found an array of \(0, 4\)"),
        (lambda: statistics([[1.0, 2.0], [np.nan, 0.0]]), "found 1 of 2 vectors"),
        (lambda: covariance(statistics(np.zeros((1, 4)))), "found 1 vector, expected at least 2"),
        (
            lambda: frechet_distance(statistics(np.eye(3)), statistics(np.eye(4))),
            r"found \(3,\) and \(4,\) values per vector",
        ),
        (
            lambda: merge(statistics(np.eye(3)), statistics(np.eye(4))),
            r"found \(3,\) and \(4,\) values per vector",
        ),
        (
            lambda: gaussian_distance(np.zeros(3), np.eye(3), np.zeros(3), np.eye(2)),
            r"covariance_2: found an array of \(2, 2\), expected \(3, 3\)",
        ),
        (
            lambda: gaussian_distance(np.zeros(2), np.full((2, 2), np.inf), np.ones(2), np.eye(2)),
            "covariance_1: found values that are not finite",
        ),
    ],
)
def test_faults_are_told(call, message):
    with pytest.raises(UserError, match=message):
        call()
