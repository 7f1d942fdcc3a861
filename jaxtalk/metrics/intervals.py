"""How sure a mean over clips is, and whether two reports differ.

Clips are what is drawn anew, as they are independent of each other and frames are not. numpy in
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
    """An estimate and its interval; `low` and `high` are NaN for a single clip."""

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


def bootstrap(values, *, statistic=mean, level=0.95, num_resamples=NUM_RESAMPLES, seed=0):
    """`interval/bootstrap-expanded`: percentile bootstrap interval over clips.

    Efron's percentiles, moved outwards as Hesterberg 2015 does ("expanded percentile interval"),
    so that an interval of the mean of few clips is as wide as Student's.

    Args:
      values: [N] one value per clip, or [N, K] several that are drawn together.
      statistic: vectorised, [..., N] or [..., N, K] -> [...].
      level: share of intervals that hold the true value.
      num_resamples: clips are drawn with replacement so many times.
      seed: of the draws.

    Returns:
      `Interval`.

    Raises:
      UserError: no clips, values that are not finite, or a level outside (0, 1).
    """
    values = checked("values", values, ("N", "K")[: max(1, np.ndim(values))], 1)
    if not 0 < level < 1:
        raise UserError(f"level: found {level}, expected a number between 0 and 1, such as 0.95")
    estimate, count = float(statistic(values)), len(values)
    if count == 1:
        return Interval(estimate, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // values.size)
    drawn = [
        statistic(values[rng.integers(count, size=(min(rows, num_resamples - start), count))])
        for start in range(0, num_resamples, rows)
    ]
    tail = special.stdtrit(count - 1, (1 - level) / 2) * np.sqrt(count / (count - 1))
    tail = special.ndtr(tail)
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


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
