"""Codes, pairs and the mask of the psp stage."""

import jax
import numpy as np

from jaxtalk.ops.landmarks import MIRRORED
from jaxtalk.pretraining.psp.autoencoder import mirrored, swap_styles
from jaxtalk.pretraining.psp.model import feature_mask


def test_half_of_the_pairs_are_mirrored_with_their_landmarks():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (40, 2, 4, 6, 3), np.uint8)
    landmarks = rng.uniform(-1, 1, (40, 2, 68, 2)).astype(np.float32)
    turned, points = mirrored(jax.random.key(0), video, landmarks)
    flipped = [not np.array_equal(a, b) for a, b in zip(turned, video)]
    assert 10 < sum(flipped) < 30
    for i, flip in enumerate(flipped):
        np.testing.assert_array_equal(turned[i], video[i][:, :, ::-1] if flip else video[i])
        expected = landmarks[i][:, MIRRORED] * (-1, 1) if flip else landmarks[i]
        np.testing.assert_array_equal(points[i], expected)


def test_mask_is_where_eyes_and_mouth_are():
    size, rng = 32, np.random.default_rng(0)
    landmarks = rng.uniform(-1, 1, (2, 68, 2)).astype(np.float32)
    mask = np.asarray(feature_mask(landmarks, size))
    np.testing.assert_array_equal(feature_mask(np.full_like(landmarks, np.nan), size), 0)
    y, x = np.mgrid[:size, :size] + 0.5
    for i in range(2):
        points = (landmarks[i, 36:].astype(float) + 1) * size / 2  # px
        squares = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
        np.testing.assert_allclose(mask[i], np.exp(-squares / 2).max(axis=0), atol=1e-5)


def test_swap_styles_exchanges_the_later_styles_of_a_pair():
    styles = np.arange(4 * 5).reshape(4, 5, 1)
    found = np.asarray(swap_styles(styles, num_own=2))[..., 0]
    np.testing.assert_array_equal(
        found, [[0, 1, 7, 8, 9], [5, 6, 2, 3, 4], [10, 11, 17, 18, 19], [15, 16, 12, 13, 14]]
    )
