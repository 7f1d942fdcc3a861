"""The scores; `tests.test_parity` holds them to those of the public tool."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.sync import (
    contrastive_lip_sync_error,
    lip_sync_error,
    offset_accuracy,
    offset_distances,
    offset_similarities,
    window_recall,
)


@pytest.mark.parametrize("lag", [-4, 0, 7])
def test_finds_a_shift(lag):
    speech = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    lip, audio = speech[20 - lag : 50 - lag], speech[20:50]
    assert int(lip_sync_error(offset_distances(lip, audio))["offset"]) == lag


def embeddings(num_windows, lag=0, noise=0.0, seed=0):
    """(lip, audio) [T, 16], the same up to noise, the lips `lag` windows late."""
    rng = np.random.default_rng(seed)
    speech = rng.standard_normal((num_windows + 40, 16))
    lip = speech[20 - lag : 20 - lag + num_windows]
    return lip + noise * rng.standard_normal(lip.shape), speech[20 : 20 + num_windows]


def test_similarities_are_cosines_within_the_clip():
    lip, audio = embeddings(30, noise=1.0)
    found = offset_similarities(lip, audio, max_offset=4)
    assert found.shape == (30, 9)
    expected = lip[10] @ audio[7] / np.linalg.norm(lip[10]) / np.linalg.norm(audio[7])
    assert found[10, 1] == pytest.approx(expected)
    outside = np.arange(30)[:, None] + np.arange(-4, 5)
    np.testing.assert_array_equal(np.isnan(found), (outside < 0) | (outside > 29))
    np.testing.assert_allclose(offset_similarities(3 * lip, audio, max_offset=4), found)


@pytest.mark.parametrize("lag", [-12, 0, 5])
def test_procedural_scores_find_a_shift(lag):
    found = contrastive_lip_sync_error(offset_similarities(*embeddings(96, lag)))
    assert found["offset"] == lag
    assert found["lse_d"] == pytest.approx(0, abs=1e-3)
    # Vectors that have nothing to do with each other are sqrt(2) apart.
    assert found["lse_c"] == pytest.approx(np.sqrt(2), abs=0.05)


def test_procedural_scores_are_those_of_lip_sync_error_within_the_clip():
    lip, audio = embeddings(60, lag=2, noise=0.7)
    lip, audio = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (lip, audio))
    distances = np.asarray(offset_distances(lip, audio, max_offset=5))[5:-5]
    expected = lip_sync_error(distances)
    found = contrastive_lip_sync_error(offset_similarities(lip, audio, max_offset=5)[5:-5])
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), abs=1e-5)


def test_scores_fall_with_noise():
    clean, noisy = (
        contrastive_lip_sync_error(offset_similarities(*embeddings(96, noise=n))) for n in (0.5, 2)
    )
    assert clean["lse_c"] > noisy["lse_c"] and clean["lse_d"] < noisy["lse_d"]


@pytest.mark.parametrize(("lag", "accuracy"), [(0, 1), (1, 1), (-1, 1), (2, 0), (-9, 0)])
def test_offset_accuracy(lag, accuracy):
    found = offset_accuracy(*embeddings(46, lag, noise=0.5))
    assert found == {"offset_accuracy": accuracy, "pieces": 1, "chance": 3 / 31}


def test_pieces_are_clips_of_their_own():
    """96 frames' windows of 5 are 92; a piece of 50 frames has 46, two need 100 frames."""
    good, bad = embeddings(50), embeddings(50, lag=6, seed=1)
    lip, audio = (np.concatenate(pair) for pair in zip(good, bad))
    assert offset_accuracy(lip[:95], audio[:95])["pieces"] == 1
    assert offset_accuracy(lip[:96], audio[:96])["pieces"] == 2
    assert offset_accuracy(lip[:96], audio[:96])["offset_accuracy"] == 0.5


def test_by_chance():
    rng = np.random.default_rng(0)
    lip, audio = rng.standard_normal((2, 30_000, 4))
    accuracy = offset_accuracy(lip, audio)
    # Offsets with less overlap win a little more often, which takes from the middle.
    assert 0.03 < accuracy["offset_accuracy"] < accuracy["chance"] + 0.03
    recall = window_recall(offset_similarities(lip, audio))
    assert recall["recall_at_1"] == pytest.approx(recall["chance"], abs=0.005)


def test_recall():
    lip, audio = embeddings(60)
    lip[30:] = embeddings(30, seed=5)[0]  # of windows 15 .. 44, half match
    found = window_recall(offset_similarities(lip, audio))
    assert found["recall_at_1"] == pytest.approx(0.5, abs=0.07)
    assert found["chance"] == 1 / 31


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: offset_similarities(np.ones((19, 4)), np.ones((19, 4))), "expected at least 20"),
        (lambda: offset_similarities(np.ones((30, 4)), np.ones((29, 4))), "lip and audio: found"),
        (lambda: offset_similarities(np.zeros((30, 4)), np.ones((30, 4))), "embedding of zeros"),
        (lambda: offset_similarities(np.ones(30), np.ones(30)), r"expected \[T, D\]"),
        (lambda: offset_accuracy(np.ones((45, 4)), np.ones((45, 4))), "expected at least 46"),
        (lambda: window_recall(offset_similarities(*embeddings(30))), "expected at least 31"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(UserError, match=message):
        call()
