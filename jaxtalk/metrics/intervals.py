"""How sure a mean over clips is, and whether two reports differ.

Clips are what is drawn anew, as they are independent of each other and frames are not; clips of a
person are not either, so where persons are known these are drawn, each with all its clips. numpy in
float64, seeded: the same values give the same interval.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.signals import checked

NUM_RESAMPLES = 10_000
EXACT_UP_TO = 13  # clips whose signs are all tried: 2^13 patterns
CHUNK = 2**22  # numbers drawn at a time


class Interval(NamedTuple):
    """An estimate and its interval; `low` and `high` are NaN for a single clip, or person."""

    estimate: float
    low: float
    high: float


class Comparison(NamedTuple):
    """Mean difference of two reports on the same clips, its interval, and the p-value."""

    difference: Interval
    p_value: float


def mean(values):
    """Mean over clips: [..., N] -> [...]."""
    return values.mean(axis=-1)


def ratio_of_means(values):
    """Share of the truth: [..., N, 2], pairs of a value and the truth's -> [...]."""
    top, bottom = np.moveaxis(values.mean(axis=-2), -1, 0)
    return top / bottom


def bootstrap(
    values, *, groups=None, statistic=mean, level=0.95, num_resamples=NUM_RESAMPLES, seed=0
):
    """`interval/bootstrap-expanded`: percentile bootstrap interval over clips, or groups of them.

    Efron's percentiles, moved outwards as Hesterberg 2015 does ("expanded percentile interval"),
    so that an interval of the mean of few clips is as wide as Student's. With groups it is the
    cluster bootstrap of Davison and Hinkley 1997, 3.8: groups are drawn, whole.

    Args:
      values: [N] one value per clip, or [N, K] several that are drawn together.
      groups: [N] group of each clip, such as its speaker; None: each clip is one.
      statistic: vectorised, [..., N] or [..., N, K] -> [...].
      level: share of intervals that hold the true value.
      num_resamples: clips, or groups, are drawn with replacement so many times.
      seed: of the draws.

    Returns:
      `Interval`.

    Raises:
      UserError: no clips, values that are not finite, groups of another number of clips, or a level
        outside (0, 1).
    """
    values = checked("values", values, ("N", "K")[: max(1, np.ndim(values))], 1)
    if not 0 < level < 1:
        raise UserError(f"level: found {level}, expected a number between 0 and 1, such as 0.95")
    members = _members(np.arange(len(values)) if groups is None else groups, len(values))
    estimate, count = float(statistic(values)), len(members)
    if count == 1:
        return Interval(estimate, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    rows, drawn = max(1, CHUNK // values.size), []
    for start in range(0, num_resamples, rows):
        shape = (min(rows, num_resamples - start), count)
        clips = members[rng.integers(count, size=shape)].reshape(shape[0], -1)
        sizes = (clips >= 0).sum(axis=1)
        for size in np.unique(sizes):  # a single one unless groups differ in size
            alike = clips[sizes == size]
            drawn.append(statistic(values[alike[alike >= 0].reshape(-1, size)]))
    tail = special.stdtrit(count - 1, (1 - level) / 2) * np.sqrt(count / (count - 1))
    tail = special.ndtr(tail)
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def _members(groups, num_clips):
    """[G, M] clips of each group, -1 behind those of the smaller ones."""
    if np.shape(groups) != (num_clips,):
        raise UserError(
            f"groups: found the shape {np.shape(groups)}, expected one group for each of the "
            f"{num_clips} clips"
        )
    _, group_of = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of)
    members = np.full((len(sizes), sizes.max()), -1)
    members[np.arange(sizes.max()) < sizes[:, None]] = np.argsort(group_of, kind="stable")
    return members


def paired_test(values, baseline, *, level=0.95, num_resamples=NUM_RESAMPLES, seed=0):
    """`test/sign-flip`: whether two reports of the same clips differ in the mean.

    Permutation test of paired differences (Fisher 1935): if nothing differs, each difference could
    as well have the other sign. Two-sided; all patterns of signs for up to 13 clips, else
    `num_resamples` random ones beside the observed one (Phipson and Smyth 2010).

    Args:
      values, baseline: [N], one value per clip in the same order, N at least 2.

    Returns:
      `Comparison` of values - baseline, its interval by `bootstrap`.

    Raises:
      UserError: numbers of clips differ, fewer than 2, or values that are not finite.
    """
    values = checked("values", values, ("N",), 2)
    baseline = checked("baseline", baseline, ("N",), 1)
    if len(values) != len(baseline):
        raise UserError(
            f"baseline: found {len(baseline)} clips, expected the {len(values)} of the report; "
            "compare the clips that both have"
        )
    difference, count = values - baseline, len(values)
    size = np.abs(difference).sum()
    # Sums that differ by rounding only are ties.
    observed = np.abs(difference.sum()) - 1e-12 * size
    if count <= EXACT_UP_TO:
        signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        p_value = np.mean(np.abs(signs @ difference) >= observed)
    else:
        rng, hits = np.random.default_rng(seed), 0
        rows = max(1, CHUNK // count)
        for start in range(0, num_resamples, rows):
            shape = (min(rows, num_resamples - start), count)
            signs = 1 - 2 * rng.integers(2, size=shape, dtype=np.int8)
            hits += np.count_nonzero(np.abs(signs @ difference) >= observed)
        p_value = (hits + 1) / (num_resamples + 1)
    interval = bootstrap(difference, level=level, num_resamples=num_resamples, seed=seed)
    return Comparison(interval, float(p_value))


# Protocol -> function.
PROTOCOLS = {"interval/bootstrap-expanded": bootstrap, "test/sign-flip": paired_test}
