"""Tracks of boxes that move as known."""

import numpy as np
import pytest

from jaxtalk.media.face_detector import Face
from jaxtalk.media.face_track import face_tracks, filled, main_track, num_rivals, overlap


def face(x, y=0.0, side=40.0, mesh=True):
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, 0.9, np.full((468, 3), x, np.float32) if mesh else None)


def test_overlap():
    a = np.array([0.0, 0.0, 2.0, 2.0])
    b = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 3, 3], [5, 5, 4, 4]], float)
    np.testing.assert_allclose(overlap(a, b), [1.0, 1 / 3, 0.0, 0.0])


def test_two_faces_that_pass_each_other_in_any_order_of_detection():
    rng = np.random.default_rng(0)
    detections = []
    for t in range(50):
        pair = [face(3.0 * t), face(300 - 3.0 * t, y=60.0, side=30)]
        detections.append(pair if rng.random() < 0.5 else pair[::-1])
    tracks = face_tracks(detections)
    assert [len(track.frames) for track in tracks] == [50, 50]
    large = main_track(tracks)
    np.testing.assert_allclose(large.boxes[:, 0], 3.0 * np.arange(50))
    assert large.meshes.shape == (50, 468, 3)
    assert num_rivals(tracks, large) == 1
    assert num_rivals(tracks, large, min_part=0.8) == 0


def test_the_best_overlap_is_joined_first():
    # Both faces of the second frame overlap the first one's, the nearer one belongs to it.
    tracks = face_tracks([[face(0)], [face(15), face(2)]])
    first, second = tracks
    np.testing.assert_array_equal(first.boxes[:, 0], [0, 2])
    np.testing.assert_array_equal(second.frames, [1])


def test_gaps():
    detections = [[face(2.0 * t)] for t in range(30)]
    for t in (5, 6, 7, 20):
        detections[t] = []
    (track,) = face_tracks(detections, max_gap=3)
    assert len(track.frames) == 26
    (whole,) = filled(track, max_gap=3)
    np.testing.assert_array_equal(whole.frames, np.arange(30))
    np.testing.assert_allclose(whole.boxes[:, 0], 2.0 * np.arange(30), rtol=1e-6)
    np.testing.assert_allclose(whole.meshes[:, 7, 1], 2.0 * np.arange(30), rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(whole.scores == 0), [5, 6, 7, 20])
    parts = filled(track, max_gap=2)
    assert [(p.frames[0], p.frames[-1]) for p in parts] == [(0, 4), (8, 29)]
    assert len(face_tracks(detections, max_gap=2)) == 2


def test_none_and_a_detector_without_mesh():
    assert face_tracks([[], []]) == []
    assert main_track([]) is None
    (track,) = face_tracks([[face(0, mesh=False)], [], [face(1, mesh=False)]])
    assert track.meshes is None
    assert filled(track)[0].meshes is None


def test_a_face_that_leaves_and_another_that_comes_are_two():
    tracks = face_tracks([[face(0)]] * 10 + [[face(200, side=50)]] * 8)
    assert [track.frames.tolist() for track in tracks] == [list(range(10)), list(range(10, 18))]
    assert main_track(tracks) is tracks[1]
    assert num_rivals(tracks, tracks[1]) == 0  # never in the picture together


@pytest.mark.parametrize("max_gap", [0, 1])
def test_single_missing_frame(max_gap):
    detections = [[face(0)], [], [face(0)]]
    assert len(face_tracks(detections, max_gap=max_gap)) == 2 - max_gap
