"""Style codes of a corpus: every frame once, and no more than once."""

import concurrent.futures
import json
import sys

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.data import codes
from jaxtalk.data.source import open_corpus
from jaxtalk.media.image import encode_jpeg
from tests import tiny_corpus


def encode(frames):
    """Codes [N, 16, 2] that say which clip and frame they are of."""
    labels = np.stack([tiny_corpus.clip_of(frames), tiny_corpus.frame_of(frames)], -1)
    return np.repeat(labels[:, None], 16, 1)


class Recorder:
    """Encodes, counts, and fails at a certain call."""

    def __init__(self, fail_at=None):
        self.sizes, self.fail_at = [], fail_at

    def __call__(self, frames):
        if len(self.sizes) == self.fail_at:
            raise KeyboardInterrupt
        self.sizes.append(len(frames))
        return encode(frames)


def check(dataset, codes_dir, split):
    corpus = open_corpus(dataset, split)
    for index in range(len(corpus)):
        stored = codes.read_codes(codes_dir, split, index)
        num_frames = len(corpus[index]["video"])
        assert stored.shape == (num_frames, 16, 2)
        assert stored.dtype == np.float32
        clip = int(corpus[index]["source_id"].decode().split("_")[1])
        np.testing.assert_array_equal(stored[:, 5, 0], np.full(num_frames, clip))
        np.testing.assert_array_equal(stored[:, 5, 1], np.arange(num_frames))


def run(dataset, recorder, codes_dir, *, splits=("train",), digest="abc", **values):
    """Encodes; returns the lines that were said."""
    lines = []
    codes.encode_corpus(
        dataset,
        recorder,
        **{"weights_digest": digest, "codes_dir": str(codes_dir), "splits": splits},
        **{"say": lines.append, **values},
    )
    return lines


def contents(codes_dir):
    """Name -> bytes of all visible files."""
    files = [path for path in codes_dir.rglob("*") if path.is_file()]
    return {str(path.relative_to(codes_dir)): path.read_bytes() for path in files}


def test_every_frame_is_encoded_in_batches_of_one_size(dataset, tmp_path):
    recorder = Recorder()
    lines = run(dataset, recorder, tmp_path / "new", splits=("train", "test"), batch_size=50)
    for split in ("train", "test"):
        check(dataset, tmp_path / "new", split)
    # 2 x (40 + 44 + 48) frames to train, 132 to test, through batches across clips.
    assert recorder.sizes == [50] * (6 + 3)
    assert any(
        "6 of 6 clips" in line and "clips/s" in line and "0 s left" in line for line in lines
    )


def test_a_stopped_run_goes_on(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(dataset, Recorder(fail_at=3), tmp_path, batch_size=40)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.npy")}
    assert 0 < len(kept) < 6
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    rest = Recorder()
    run(dataset, rest, tmp_path, batch_size=40)
    assert sum(rest.sizes) < 264
    check(dataset, tmp_path, "train")
    assert all(path.read_bytes() == data for path, data in kept.items())
    again = Recorder()
    run(dataset, again, tmp_path, batch_size=40)
    assert not again.sizes


def test_processes_share_the_clips(dataset, tmp_path):
    parts = [Recorder(), Recorder()]
    for index, recorder in enumerate(parts):
        run(dataset, recorder, tmp_path / "parts", batch_size=1, shard_index=index, shard_count=2)
    assert sum(len(recorder.sizes) for recorder in parts) == 264
    check(dataset, tmp_path / "parts", "train")
    run(dataset, Recorder(), tmp_path / "whole")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


class Damaged:
    """A corpus of which some clips have lost their end, cannot be read, or are larger."""

    def __init__(self, corpus, truncated=(), unreadable=(), larger=()):
        self._corpus, self._truncated = corpus, truncated
        self._unreadable, self._larger = unreadable, larger

    def __len__(self):
        return len(self._corpus)

    def __getitem__(self, index):
        if index in self._unreadable:
            raise RuntimeError("checksum of record 7 does not match")
        clip = self._corpus[index]
        if index in self._truncated:
            clip["video"][-1] = clip["video"][-1][:60]
        if index in self._larger:
            clip["video"] = [encode_jpeg(np.zeros((64, 64, 3), np.uint8))] * 20
        return clip


def damage(monkeypatch, **values):
    monkeypatch.setattr(codes, "open_corpus", lambda *a: Damaged(open_corpus(*a), **values))


def test_a_broken_clip_is_told_noted_and_left_out(dataset, tmp_path, monkeypatch):
    damage(monkeypatch, truncated=[1], unreadable=[2], larger=[4])
    lines = run(dataset, Recorder(), tmp_path)
    told = {line.split(" is left out: ")[0]: line for line in lines if "is left out" in line}
    assert sorted(told) == [f"style codes: clip {i} of train" for i in (1, 2, 4)]
    assert "checksum of record 7" in told["style codes: clip 2 of train"]
    assert "[64, 64, 3], expected [32, 32, 3]" in told["style codes: clip 4 of train"]
    assert lines[-1] == "style codes: train 3 clips encoded, 3 left out"
    note = json.loads((tmp_path / "train/00000/00000002.json").read_text())
    assert note["clip"] == 2 and "checksum of record 7" in note["reason"]
    monkeypatch.undo()
    corpus = open_corpus(dataset, "train")
    expected = [0 if i in (1, 2, 4) else len(corpus[i]["video"]) for i in range(6)]
    assert [len(codes.read_codes(tmp_path, "train", i)) for i in range(6)] == expected

    run(dataset, Recorder(), tmp_path)  # tries them again
    check(dataset, tmp_path, "train")
    assert not list(tmp_path.glob("train/*/*.json"))


def test_no_clip_can_be_read(dataset, tmp_path, monkeypatch):
    damage(monkeypatch, unreadable=range(6))
    with pytest.raises(UserError, match=r"found no clip of 'train' that can be read, see .*json"):
        run(dataset, Recorder(), tmp_path)


def test_a_folder_of_other_codes_is_refused(dataset, tmp_path):
    run(dataset, Recorder(), tmp_path / "codes")
    before = contents(tmp_path / "codes")
    other = type(dataset)(tiny_corpus.build_tiny_corpus(tmp_path / "other", num_frames=41))
    recorder, folder = Recorder(), str(tmp_path / "codes")
    with pytest.raises(UserError, match=f"{folder}: found style codes of other weights abc, exp"):
        run(dataset, recorder, folder, digest="xyz")
    with pytest.raises(UserError, match=r"of other corpus [0-9a-f]{16}, expected [0-9a-f]{16} "):
        run(other, recorder, folder)
    assert not recorder.sizes and contents(tmp_path / "codes") == before


def test_a_folder_of_something_else_is_refused(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: found a file, expected a folder of style codes"):
        run(dataset, Recorder(), tmp_path / "file")
    with pytest.raises(UserError, match="found a folder of something else"):
        run(dataset, Recorder(), tmp_path)
    assert contents(tmp_path) == {"file": b""}
    for text in ("{", "[]", "{}"):
        (tmp_path / codes.NOTE).write_text(text)
        with pytest.raises(UserError, match=r"codes\.json cannot be read"):
            run(dataset, Recorder(), tmp_path)


def test_codes_of_before_there_were_notes_are_taken(dataset, tmp_path):
    folder = tmp_path / codes.codes_key(dataset, "abc")
    run(dataset, Recorder(), folder)
    (folder / codes.NOTE).unlink()
    again = Recorder()
    run(dataset, again, folder)
    assert not again.sizes and (folder / codes.NOTE).exists()


def test_key_follows_weights_and_corpus(dataset, tmp_path):
    other = type(dataset)(tiny_corpus.build_tiny_corpus(tmp_path, num_frames=41))
    keys = [
        codes.codes_key(dataset, "a"),
        codes.codes_key(dataset, "b"),
        codes.codes_key(other, "a"),
    ]
    assert len(set(keys)) == 3
    assert keys[0] == codes.codes_key(dataset, "a")


def test_missing_codes_are_named(tmp_path):
    with pytest.raises(UserError, match="no style codes of clip 3 of train"):
        codes.read_codes(tmp_path, "train", 3)


def test_threads_read_at_once(tmp_path):
    """Without a lock, about one in 2,000 raised SystemError under CPython 3.11."""
    path = codes._path(tmp_path, "train", 0)
    path.parent.mkdir(parents=True)
    np.save(path, np.zeros((4, 2, 3), np.float32))
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            read = lambda _: codes.read_codes(tmp_path, "train", 0).shape  # noqa: E731
            assert set(pool.map(read, range(20_000))) == {(4, 2, 3)}
    finally:
        sys.setswitchinterval(usual_s)
