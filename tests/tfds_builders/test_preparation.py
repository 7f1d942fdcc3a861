"""What the builders share: processes that videos kill, pieces of a video, the table of a report."""

import collections
import concurrent.futures

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media.clip_filters import ClipLimits
from jaxtalk.media.face_detector import Face, FaceDetector
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.preparation import clips, guard, pieces, report, run
from tfds_builders.preparation.parameters import Parameters
from tfds_builders.preparation.sources import Listing, Segment, Source, unique_names


def source(name, path, **values):
    return Source(name, str(path), "somebody", "train", **values)


def reported(sources, job, folder):
    """(`Outcome`, lines of the report)."""
    outcome = report.write(folder / "build_report.jsonl", Listing(sources, []), job.store)
    return outcome, corpora.read_report(folder)


def test_videos_that_kill_or_stop_their_process(tmp_path):
    """The next video gets another process; a third build tries them again."""
    colours = {"red": (255, 0, 0), "blue": (0, 0, 255)}
    for name, colour in colours.items():
        video_trees.write(tmp_path / f"{name}.mp4", video_trees.plain(colour))
    video_trees.healthy(tmp_path / "white.mp4")
    sources = [source(name, tmp_path / f"{name}.mp4") for name in ("blue", "red", "white")]
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.hostile_faces, 3.0)
    worker = guard.Worker(job)
    try:
        for one in sources:
            worker.prepare(one)
    finally:
        worker.close()
    outcome, lines = reported(sources, job, tmp_path)
    problems = [(line["source"], line["reason"], line["detail"]) for line in lines]
    assert problems[:2] == [
        ("blue", "timed out", "found no frame in 3 s"),
        ("red", "crashed", "its process ended with code -9"),
    ]
    assert [clip.name for clip in outcome.clips] == ["white/000"]
    assert run.pending(sources, job.store) == sources[:2]


def test_a_build_that_is_stopped_leaves_the_rest(tmp_path, monkeypatch):
    """Ctrl-C: what is under way, or in the worker's hands, is finished; the rest is not begun."""
    sources = []
    for name in "abcd":
        video_trees.write(tmp_path / f"{name}.mp4", video_trees.empty_room(4))
        sources.append(source(name, tmp_path / f"{name}.mp4"))
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.framed_faces)

    wait = concurrent.futures.wait

    def stopped(futures, return_when):
        wait(futures, return_when=return_when)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.concurrent.futures, "wait", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.prepare_here(sources, job, 1)
    monkeypatch.undo()
    left = [one.name for one in run.pending(sources, job.store)]
    assert "a" not in left and "d" in left
    _, lines = reported(sources, job, tmp_path)
    assert [line["reason"] for line in lines][::3] == ["no face", "pending"]


def test_videos_are_handed_out_as_they_are_needed(monkeypatch):
    handed_out, prepared = [], []

    class Sources(list):
        def __iter__(self):
            for one in super().__iter__():
                handed_out.append(one)
                yield one

    class Worker:
        def __init__(self, job):
            pass

        def prepare(self, one):
            assert len(handed_out) - len(prepared) <= 4
            prepared.append(one)

        def close(self):
            assert len(prepared) == 50

    monkeypatch.setattr(run, "Worker", Worker)
    run.prepare_here(Sources(range(50)), None, 2)
    assert sorted(prepared) == list(range(50))


def test_what_the_store_has_lost_is_prepared_again(tmp_path):
    """A clip, a result, a note: gone, empty or damaged."""
    video_trees.healthy(tmp_path / "a.mp4")
    one = source("a", tmp_path / "a.mp4")
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.framed_faces)
    run.prepare_here([one], job, 1)
    (clip,) = (tmp_path / "store").rglob("*.npz")
    (result,) = (tmp_path / "store").glob("*/results/*/*.json")
    (note,) = (tmp_path / "store").glob("*/sources/*/*.json")
    whole = clip.read_bytes()
    for path, damage in (
        (clip, clip.unlink),
        (clip, lambda: clip.write_bytes(b"")),
        (result, lambda: result.write_text('{"problem": nu')),
        (result, lambda: result.write_text("[1]")),
        (note, lambda: note.write_bytes(b"\xff")),
    ):
        damage()
        assert run.pending([one], job.store) == [one], path
        _, lines = reported([one], job, tmp_path)
        assert [line["reason"] for line in lines] == ["pending"]
        run.prepare_here([one], job, 1)
        assert run.pending([one], job.store) == []
        assert clip.stat().st_size == len(whole)
    clip.write_bytes(whole[:1000])
    outcome, _ = reported([one], job, tmp_path)
    with pytest.raises(UserError, match=r"_0\.npz: damaged; expected .*remove the file and start"):
        job.store.clip(outcome.clips[0].key, 0)


def test_a_large_file_shows_that_it_is_being_read(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video" * (3 << 17))  # 3 blocks
    one = source("a", tmp_path / "a.mp4")
    job, beats = guard.Job(str(tmp_path / "store"), Parameters()), []
    clips.prepare(one, job.parameters, faces_at(), job.store, lambda: beats.append(1))
    assert len(beats) == 3
    assert job.store.finished(one)["problem"][0] == "unreadable"


def test_a_file_that_changed_is_prepared_again(tmp_path):
    video_trees.write(tmp_path / "a.mp4", video_trees.empty_room(5))
    one = source("a", tmp_path / "a.mp4")
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.framed_faces)
    run.prepare_here([one], job, 1)
    assert run.pending([one], job.store) == []
    # What decides the clips, besides the file.
    parted = one._replace(segments=(Segment(0.0, 1.0),))
    assert run.pending([parted], job.store) == [parted]
    limits = Parameters(limits=ClipLimits(min_face_px=10))
    assert run.pending([one], job._replace(parameters=limits).store) == [one]
    video_trees.write(tmp_path / "a.mp4", video_trees.empty_room(9))
    assert run.pending([one], job.store) == [one]


def faces_at(*boxes):
    """A detector that finds faces at the boxes of each picture in turn."""
    found = iter(boxes)

    def detect(image):
        return [Face(np.array(box, np.float32), 0.9, None) for box in next(found)]

    return FaceDetector("cascade", detect)


def test_pieces_and_candidates():
    """Segments, the longest piece, a face that is lost, and one that wanders off."""
    frames = [np.full((100, 200, 3), 90, np.uint8)] * 40
    left, right = [(10, 10, 50, 50)], [(110, 10, 150, 50)]
    boxes = [*[left] * 10, *[[]] * 5, *[left] * 5, *[left + right] * 20]
    segments = (
        Segment(0.0, 0.8),
        Segment(0.8, 1.2, face=(0.5, 0.0, 0.9, 0.6)),
        Segment(1.2, 1.4),
        Segment(1.4, 1.6, face=(0.3, 0.7, 0.4, 1.0)),
    )
    found = list(pieces.pieces(frames, segments, faces_at(*boxes), 25, 12))
    assert [(piece.start, len(piece.faces)) for piece in found] == [
        *((0, 12), (12, 8), (20, 10), (30, 5), (35, 5)),
    ]
    results = [pieces.candidates(piece, 3) for piece in found]
    spans = [[(c.start, len(c.track.boxes)) for c in candidates] for candidates, _ in results]
    assert spans == [[(0, 10)], [(15, 5)], [(20, 10)], [], []]
    assert results[2][0][0].track.boxes[0].tolist() == [110, 10, 150, 50]
    reasons = [fault and fault.partition(":")[0] for _, fault in results]
    assert reasons == [None, None, None, "several faces", "no face"]


def test_parts_that_the_video_does_not_reach_or_that_overlap(tmp_path):
    video_trees.write(tmp_path / "a.mp4", video_trees.empty_room(50))
    spans = ((0.0, 0.4), (0.2, 0.6), (0.28, 0.5), (0.6, 0.6), (1.9, 2.5), (2.0, 3.0), (9.0, None))
    one = source("a", tmp_path / "a.mp4", segments=tuple(Segment(*span) for span in spans))
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.framed_faces)
    run.prepare_here([one], job, 1)
    _, lines = reported([one], job, tmp_path)
    found = [(line["start_s"], line["duration_s"], line["reason"]) for line in lines]
    assert found == [
        *((0.2, 0, "overlap"), (0.28, 0, "overlap"), (0.6, 0, "too short"), (2.0, 0, "overlap")),
        *((0, 0.4, "no face"), (0.4, 0.2, "no face"), (1.92, 0.08, "no face")),
        *((2.48, 0, "too short"), (9.0, 0, "too short")),
    ]
    details = [line["detail"] for line in lines]
    assert details[0].startswith("found a part that starts at 0.2 s, before the end of another at")
    assert details[-1] == "the video ends before"


def test_a_face_that_wanders_off_becomes_two_clips():
    frames = [np.full((100, 400, 3), 90, np.uint8)] * 30
    boxes = [[(10 + 5 * i, 10, 50 + 5 * i, 50)] for i in range(30)]
    (piece,) = pieces.pieces(frames, (), faces_at(*boxes), 25, 100)
    candidates, _ = pieces.candidates(piece, 3)
    assert [(c.start, len(c.track.boxes)) for c in candidates] == [
        (start, 5) for start in range(0, 30, 5)
    ]


def test_names_are_unique():
    names = unique_names(["a/x.mp4", "a/x.mov", "a/y.mp4"])
    assert names == {"a/x.mp4": "a/x.mp4", "a/x.mov": "a/x.mov", "a/y.mp4": "a/y"}


def test_table():
    one = source("a", "a.mp4")
    clips = [report.Clip(f"a/{n}", one, "key", n, 0.0, 90.0) for n in range(4)]
    reasons = collections.Counter({"missing": 1, "no face": 2})
    outcome = report.Outcome(clips, reasons, 3, 120.0)
    table = report.table(outcome, 2)
    assert table == [
        "split  speakers  clips  hours",
        "train         1      4    0.1",
        "",
        "left out   ",
        "no face   2",
        "missing   1",
        "",
        "3 videos, 2 of them prepared now",
        "2.0 clips, 180 s of clips per minute and process",
    ]
    assert report.shown_reasons(outcome, 1) == "no face: 2"


@pytest.mark.parametrize("missing", [True, False])
def test_sound_beside_the_video(tmp_path, missing):
    video_trees.write(tmp_path / "a.mp4", video_trees.pictures(0, 30), sound=False)
    if not missing:
        video_trees.write_sound(tmp_path / "a.m4a")
    one = source("a", tmp_path / "a.mp4", audio=None if missing else str(tmp_path / "a.m4a"))
    job = guard.Job(str(tmp_path / "store"), Parameters(), framed_faces.framed_faces)
    run.prepare_here([one], job, 1)
    _, (line,) = reported([one], job, tmp_path)
    assert line["reason"] == ("no audio" if missing else None)
