"""Codes of the psp stage."""

import numpy as np

from jaxtalk.pretraining.psp.autoencoder import swap_styles


def test_swap_styles_exchanges_the_later_styles_of_a_pair():
    styles = np.arange(4 * 5).reshape(4, 5, 1)
    found = np.asarray(swap_styles(styles, num_own=2))[..., 0]
    np.testing.assert_array_equal(
        found, [[0, 1, 7, 8, 9], [5, 6, 2, 3, 4], [10, 11, 17, 18, 19], [15, 16, 12, 13, 14]]
    )
