"""Intervals that hold the truth as often as they say; tests against known p-values."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.intervals import bootstrap, paired_test, ratio_of_means


def share_that_holds(samples, truth, **kwargs):
    found = [bootstrap(s, num_resamples=1000, seed=i, **kwargs) for i, s in enumerate(samples)]
    return np.mean([interval.low <= truth <= interval.high for interval in found])


@pytest.mark.parametrize(("num_clips", "level"), [(8, 0.95), (24, 0.95), (24, 0.8)])
def test_coverage_of_means(num_clips, level):
    samples = np.random.default_rng(0).normal(3, 2, (600, num_clips))
    assert share_that_holds(samples, 3, level=level) == pytest.approx(level, abs=0.025)


def test_coverage_of_skewed_values():
    """As distances and errors are. Few clips of a long tail are known to fall a little short."""
    samples = np.random.default_rng(0).exponential(1, (600, 40))
    assert 0.9 < share_that_holds(samples, 1) < 0.97


def test_coverage_of_a_share():
    rng = np.random.default_rng(0)
    real = rng.uniform(2, 6, (600, 24))
    fake = 0.8 * real + rng.normal(0, 0.5, real.shape)
    pairs = np.stack([fake, real], axis=-1)
    assert share_that_holds(pairs, 0.8, statistic=ratio_of_means) == pytest.approx(0.95, abs=0.025)


def test_coverage_of_means_of_people_whose_clips_are_alike():
    """Of 1 to 3 clips each; as if they were independent, the truth is missed far too often."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(16), np.tile([1, 3, 2, 2], 4))
    samples = rng.normal(3, 2, (600, 16))[:, people] + rng.normal(0, 1, (600, len(people)))
    held = share_that_holds(samples, 3, groups=people)
    assert held == pytest.approx(0.95, abs=0.025)
    assert share_that_holds(samples, 3) < held - 0.05


def test_groups_of_equal_clips_are_as_one_clip_each():
    values = np.random.default_rng(0).normal(0, 1, (12, 2))
    once = bootstrap(values, statistic=lambda v: v.mean(axis=(-2, -1)))
    names = np.tile([f"person {i:02d}" for i in range(12)], 2)
    twice = bootstrap(
        np.tile(values, (2, 1)), groups=names, statistic=lambda v: v.mean(axis=(-2, -1))
    )
    assert twice == pytest.approx(once)


def test_groups_must_be_of_the_clips():
    with pytest.raises(UserError, match=r"groups: found the shape .* each of the 3 clips"):
        bootstrap(np.ones(3), groups=["a", "b"])
    assert np.isnan(bootstrap(np.ones(3), groups=["a"] * 3).low)


def test_close_to_students_interval():
    values = np.random.default_rng(0).normal(0, 1, 12)
    interval = bootstrap(values)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(low, abs=0.1)
    assert interval.high == pytest.approx(high, abs=0.1)


def test_seeded_and_chunked(monkeypatch):
    values = np.random.default_rng(0).normal(0, 1, 30)
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values) != bootstrap(values, seed=1)
    np.testing.assert_allclose(
        bootstrap(2 * values + 1)[1:], 2 * np.array(bootstrap(values)[1:]) + 1
    )
    whole = bootstrap(values), paired_test(values, 0 * values)
    monkeypatch.setattr("jaxtalk.metrics.intervals.CHUNK", 300)
    parts = bootstrap(values), paired_test(values, 0 * values)
    assert parts[0] == pytest.approx(whole[0], abs=0.02)
    assert parts[1].p_value == pytest.approx(whole[1].p_value, abs=0.03)


def test_one_clip_has_no_interval():
    assert bootstrap([2.5]).estimate == 2.5
    assert np.isnan(bootstrap([2.5])[1:]).all()


def test_exact_p_value():
    difference = np.array([1.0, 2.0, -0.5, 3.0])
    sums = [abs(np.dot(s, difference)) for s in itertools.product((1, -1), repeat=4)]
    expected = np.mean(np.array(sums) >= difference.sum() - 1e-9)
    found = paired_test(5 + difference, np.full(4, 5.0))
    assert found.p_value == expected == 4 / 16
    assert found.difference.estimate == pytest.approx(1.375)


def test_same_reports_do_not_differ():
    values = np.arange(20.0)
    assert paired_test(values, values) == ((0.0, 0.0, 0.0), 1.0)


def test_a_small_steady_difference_is_found_by_pairs():
    rng = np.random.default_rng(0)
    baseline = rng.normal(10, 3, 40)
    values = baseline + rng.normal(0.2, 0.2, 40)
    found = paired_test(values, baseline)
    assert found.p_value < 1e-3 and found.difference.low > 0
    # The t-test of the same pairs.
    weak = baseline + rng.normal(0.05, 0.2, 40)
    expected = stats.ttest_rel(weak, baseline).pvalue
    assert paired_test(weak, baseline).p_value == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("num_clips", [10, 20])
def test_p_values_under_no_difference_are_even(num_clips):
    difference = np.random.default_rng(0).standard_exponential((400, num_clips))
    difference *= np.random.default_rng(1).choice([-1, 1], difference.shape)
    p = [paired_test(d, 0 * d, num_resamples=500, seed=i).p_value for i, d in enumerate(difference)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([]), "values: found length 0"),
        (lambda: bootstrap([1.0, np.nan]), "values: found NaN"),
        (lambda: bootstrap([1.0, 2.0], level=95), "level: found 95"),
        (lambda: paired_test([1.0], [1.0]), "expected at least 2"),
        (lambda: paired_test([1.0, 2.0], [1.0, 2.0, 3.0]), "baseline: found 3 clips"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(UserError, match=message):
        call()
