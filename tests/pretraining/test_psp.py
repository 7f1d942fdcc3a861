"""Pairs and codes of the psp stage."""

import jax
import numpy as np

from jaxtalk.pretraining.psp.autoencoder import random_pairs, swap_styles


def test_random_pairs_come_from_one_clip():
    clip, frame = np.meshgrid(np.arange(6), np.arange(40), indexing="ij")
    video = np.stack([clip, frame, frame], axis=-1)[:, :, None, None]  # [6, 40, 1, 1, 3]
    pairs = np.asarray(random_pairs(jax.random.key(0), video))[:, 0, 0].reshape(6, 2, 3)
    np.testing.assert_array_equal(pairs[:, :, 0], np.repeat(np.arange(6)[:, None], 2, axis=1))
    assert (pairs[:, 0, 1] != pairs[:, 1, 1]).any()


def test_swap_styles_exchanges_the_later_styles_of_a_pair():
    styles = np.arange(4 * 5).reshape(4, 5, 1)
    found = np.asarray(swap_styles(styles, num_own=2))[..., 0]
    np.testing.assert_array_equal(
        found, [[0, 1, 7, 8, 9], [5, 6, 2, 3, 4], [10, 11, 17, 18, 19], [15, 16, 12, 13, 14]]
    )
