"""The scores; `tests.test_parity` holds them to those of the public tool."""

import numpy as np
import pytest

from jaxtalk.metrics.sync import lip_sync_error, offset_distances


@pytest.mark.parametrize("lag", [-4, 0, 7])
def test_finds_a_shift(lag):
    speech = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    lip, audio = speech[20 - lag : 50 - lag], speech[20:50]
    assert int(lip_sync_error(offset_distances(lip, audio))["offset"]) == lag
