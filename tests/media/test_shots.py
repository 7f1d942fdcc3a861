"""Cuts between pictures of known shots."""

import itertools

import numpy as np
import pytest

from jaxtalk.media.shots import shot_changes, shot_cuts
from tests.tfds_builders import drawn_heads


def shot(seed, count, *, pan_px=0, noise=2.0, size=96):
    """Frames of one place: soft shapes of colours of its own, under noise, a camera that pans."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(0, 255, (6, 8, 3))
    wide = np.asarray(np.kron(colours, np.ones((size // 4, size // 2, 1))))
    for i in range(count):
        left = (pan_px * i) % (wide.shape[1] - size)
        frame = wide[:size, left : left + size] + rng.normal(0, noise, (size, size, 3))
        yield np.clip(frame, 0, 255).astype(np.uint8)


def test_cuts_between_shots():
    lengths = [30, 2, 12, 45]
    film = itertools.chain.from_iterable(shot(seed, n) for seed, n in enumerate(lengths))
    assert shot_cuts(film) == [30, 32, 44]


def test_a_blink_and_a_moving_head_are_no_cut():
    frames = np.stack(list(shot(0, 60)))
    for i, frame in enumerate(frames):
        x = 30 + round(10 * np.sin(i / 4))
        frame[20:80, x : x + 36] = (200, 150, 120)
        if i % 20 > 2:  # open eyes
            frame[36:42, x + 6 : x + 14] = frame[36:42, x + 22 : x + 30] = (250, 250, 250)
    assert shot_cuts(frames) == []


def test_drawn_heads_that_turn_blink_and_talk():
    film = []
    for seed in (0, 1, 2):
        scene = drawn_heads.scene_of(seed, 64)
        for i in range(14):
            turn = 0.3 * np.sin(i / 3), 0.15 * np.sin(i / 2), 0.0
            shut = float(5 <= i < 8)
            face = {"blink_left": shut, "blink_right": shut, "jaw_open": 1.5 * (i % 3)}
            film.append(drawn_heads.picture(scene, turn, **face).image)
    assert shot_cuts(film) == [14, 28]


def test_a_fast_pan_is_none_but_the_cut_after_it_is_one():
    film = [*shot(0, 24, pan_px=12), *shot(7, 10)]
    assert shot_cuts(film) == [24]


def test_a_flash_is_none():
    film = list(shot(0, 40))
    film[20] = np.full_like(film[20], 255)
    assert shot_cuts(film) == []


def test_first_frame_and_short_films():
    assert shot_cuts([]) == []
    assert shot_cuts(shot(0, 1)) == []
    assert shot_cuts([*shot(0, 1), *shot(1, 5)]) == [1]
    assert list(shot_changes(shot(0, 3))) == [False] * 3


def test_takes_one_frame_ahead_and_keeps_none():
    taken = []

    def film():
        for i in itertools.count():
            taken.append(i)
            yield np.zeros((8, 8, 3), np.uint8)

    changes = shot_changes(film())
    for _ in range(100):
        next(changes)
    assert len(taken) == 101


def test_other_arrays_are_named():
    with pytest.raises(ValueError, match=r"frame: found float64\[8, 8, 3\]"):
        shot_cuts([np.zeros((8, 8, 3))])
