"""CSIM and its share of real pairs."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.identity import csim, csim_share
from jaxtalk.metrics.intervals import bootstrap, ratio_of_means


def test_csim():
    frames = np.array([[2.0, 0], [0, 3], [-1, 0], [1, 1]])
    np.testing.assert_allclose(csim(frames, [5.0, 0]), [1, 0, -1, np.sqrt(0.5)])


def test_share_is_the_ratio_that_the_interval_is_of():
    real = np.random.default_rng(0).uniform(0.7, 0.9, 30)
    fake = 0.9 * real
    assert csim_share(fake, real) == pytest.approx(0.9)
    interval = bootstrap(np.stack([fake, real], -1), statistic=ratio_of_means)
    assert interval == pytest.approx((0.9, 0.9, 0.9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: csim(np.ones((3, 4)), np.ones(5)), r"expected \[T, 5\]"),
        (lambda: csim(np.zeros((3, 4)), np.ones(4)), "vector of zeros"),
        (lambda: csim_share(np.ones(3), np.ones(4)), r"expected \[4\]"),
        (lambda: csim_share(np.ones(2), -np.ones(2)), "mean CSIM of -1.000"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(UserError, match=message):
        call()
