"""Frechet distance of two sets of features, each taken for a Gaussian: what FID is made of.

Statistics are gathered batch by batch in float64, so that memory does not grow with the number of
images. numpy, not JAX: accelerators have no float64 to speak of, and float32 would not do.
"""

import dataclasses

import numpy as np

from jaxtalk.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class FeatureStatistics:
    """Of a set of feature vectors, float64.

    Attributes:
      count: how many there are.
      mean: [D].
      scatter: [D, D], sum of the outer products of what is left without the mean.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray


def statistics(features):
    """`FeatureStatistics` of a batch.

    Args:
      features: [N, D], N at least 1.

    Raises:
      UserError: not [N, D], or not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not features.size:
        raise UserError(
            f"features: found an array of {features.shape}, expected [N, D] with N and D at least "
            "1; give one vector per image"
        )
    wrong = int((~np.isfinite(features).all(1)).sum())
    if wrong:
        raise UserError(
            f"features: found {wrong} of {len(features)} vectors with values that are not finite, "
            "expected none; look at the images and weights that they come from"
        )
    mean = features.mean(0)
    centred = features - mean
    return FeatureStatistics(len(features), mean, centred.T @ centred)


def merge(first, second):
    """`FeatureStatistics` of the union of two sets, exact (Chan, Golub and LeVeque 1983).

    Batches are gathered by `functools.reduce(merge, map(statistics, batches))`, and what several
    processes gathered by another `merge`.

    Raises:
      UserError: the features have different lengths.
    """
    _check_lengths(first.mean, second.mean)
    count = first.count + second.count
    step = second.mean - first.mean
    mean = first.mean + step * (second.count / count)
    between = np.outer(step, step * (first.count * second.count / count))
    return FeatureStatistics(count, mean, first.scatter + second.scatter + between)


def covariance(gathered):
    """[D, D] sample covariance, normalised by count - 1 as `numpy.cov` does.

    Raises:
      UserError: of less than 2 vectors.
    """
    if gathered.count < 2:
        raise UserError(
            f"features: found {gathered.count} vector, expected at least 2 for a covariance; "
            "give more images (FID is biased below some thousands)"
        )
    return gathered.scatter / (gathered.count - 1)


def gaussian_distance(mean_1, covariance_1, mean_2, covariance_2):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), the squared distance of Dowson and Landau 1982.

    As in FID (Heusel et al. 2017). The trace of the root is the sum of the roots of the eigenvalues
    of R^T S2 R with S1 = R R^T, real and stable also where S1 or S2 is singular, as with fewer
    images than features. Eigenvalues at the level of rounding count as 0, since their roots would
    not be small. General matrix roots, as references take, differ by 1e-8 of the value there.

    Args:
      mean_1, mean_2: [D].
      covariance_1, covariance_2: [D, D], symmetric and positive semi-definite.

    Returns:
      float, at least 0.

    Raises:
      UserError: lengths differ, or a value is not finite.
    """
    given = {
        "mean_1": mean_1,
        "covariance_1": covariance_1,
        "mean_2": mean_2,
        "covariance_2": covariance_2,
    }
    arrays = {name: np.asarray(array, np.float64) for name, array in given.items()}
    _check_lengths(arrays["mean_1"], arrays["mean_2"])
    for name, array in arrays.items():
        expected = arrays["mean_1"].shape * (2 if name.startswith("covariance") else 1)
        if array.shape != expected:
            raise UserError(
                f"{name}: found an array of {array.shape}, expected {expected}; give mean and "
                "covariance of the same features"
            )
        if not np.isfinite(array).all():
            raise UserError(f"{name}: found values that are not finite, expected numbers")
    mean_1, covariance_1, mean_2, covariance_2 = arrays.values()
    values, vectors = np.linalg.eigh(covariance_1)
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    products = np.linalg.eigvalsh(root.T @ covariance_2 @ root)
    trace_of_root = np.sqrt(np.maximum(products, 0)).sum()
    distance = np.square(mean_1 - mean_2).sum() - 2 * trace_of_root
    return max(0.0, float(distance + np.trace(covariance_1) + np.trace(covariance_2)))


def frechet_distance(first, second):
    """`gaussian_distance` of two `FeatureStatistics`, such as of real and of generated images.

    Raises:
      UserError: one has less than 2 vectors, or their lengths differ.
    """
    return gaussian_distance(first.mean, covariance(first), second.mean, covariance(second))


def _check_lengths(first, second):
    if first.shape != second.shape:
        raise UserError(
            f"features: found {first.shape} and {second.shape} values per vector, expected the "
            "same; take both from one network"
        )
