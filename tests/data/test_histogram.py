"""Histograms of values that come one by one."""

import numpy as np
import pytest

from jaxtalk.data.histogram import Histogram


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(3, 2, 500),
        np.random.default_rng(1).exponential(1e4, 300),
        np.arange(-40, 40) / 8,  # on the edges
        [5.25],
        [0.1, 1e12],
    ],
)
def test_counts_are_numpys(values):
    histogram = Histogram(2.0**-5)
    for part in np.array_split(np.float64(values), 7):
        histogram.add(part)
    edges, counts = histogram.bins()
    assert counts.shape == (len(edges) - 1, 1) and len(counts) <= 40
    assert edges[-1] > max(values)
    np.testing.assert_array_equal(counts[:, 0], np.histogram(values, edges)[0])
    assert histogram.counts == [len(values)] and counts.sum() == len(values)
    assert (histogram.low, histogram.high) == (min(values), max(values))
    assert histogram.mean == pytest.approx(np.mean(values))


def test_whole_numbers_are_in_the_middle_of_their_bins():
    histogram = Histogram(whole=True)
    histogram.add([-2, 0, 0, 1])
    edges, counts = histogram.bins()
    np.testing.assert_array_equal(edges, [-2.5, -1.5, -0.5, 0.5, 1.5])
    np.testing.assert_array_equal(counts[:, 0], [1, 0, 2, 1])


def test_groups_share_bins():
    rng = np.random.default_rng(0)
    values = [rng.normal(0, 1, 100), rng.normal(90, 1, 100)]
    histogram = Histogram(2.0**-6, groups=2)
    for group, part in enumerate(values):
        for value in part:
            histogram.add(value, group)
    edges, counts = histogram.bins()
    for group, part in enumerate(values):
        np.testing.assert_array_equal(counts[:, group], np.histogram(part, edges)[0])


def test_what_is_no_number_is_counted_aside():
    histogram = Histogram()
    assert np.isnan(histogram.mean) and histogram.bins()[1].shape == (0, 1)
    histogram.add([np.nan, np.inf, -1e300, 1.0])
    assert (histogram.odd, histogram.counts, histogram.high) == (3, [1], 1.0)


def test_memory_is_bounded():
    histogram = Histogram(2.0**-10)
    for value in np.random.default_rng(0).uniform(-1e6, 1e6, 5000):
        histogram.add(value)
    assert len(histogram._bins) <= 1026
