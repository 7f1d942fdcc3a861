"""Style codes of a corpus: every frame once, and no more than once."""

import pathlib

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.data import codes
from jaxtalk.data.source import open_corpus
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


def test_every_frame_is_encoded_in_batches_of_one_size(dataset, tmp_path):
    recorder, lines = Recorder(), []
    codes_dir = codes.encode_corpus(
        dataset,
        recorder,
        **{"key": "abc", "codes_root": tmp_path, "splits": ("train", "test")},
        **{"batch_size": 50, "say": lines.append},
    )
    assert pathlib.Path(codes_dir) == tmp_path / "abc"
    for split in ("train", "test"):
        check(dataset, codes_dir, split)
    # 2 x (40 + 44 + 48) frames to train, 132 to test, through batches across clips.
    assert recorder.sizes == [50] * (6 + 3)
    assert any("frames/s" in line for line in lines)


def test_a_stopped_run_goes_on(dataset, tmp_path):
    values = {"key": "abc", "codes_root": tmp_path, "splits": ("train",), "say": [].append}
    with pytest.raises(KeyboardInterrupt):
        codes.encode_corpus(dataset, Recorder(fail_at=3), batch_size=40, **values)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.npy")}
    assert 0 < len(kept) < 6
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    rest = Recorder()
    codes_dir = codes.encode_corpus(dataset, rest, batch_size=40, **values)
    assert sum(rest.sizes) < 264
    check(dataset, codes_dir, "train")
    assert all(path.read_bytes() == data for path, data in kept.items())
    again = Recorder()
    codes.encode_corpus(dataset, again, batch_size=40, **values)
    assert not again.sizes


def test_processes_share_the_clips(dataset, tmp_path):
    values = {"key": "abc", "codes_root": tmp_path, "splits": ("train",), "say": [].append}
    parts = [Recorder(), Recorder()]
    for index, recorder in enumerate(parts):
        codes_dir = codes.encode_corpus(
            dataset, recorder, batch_size=1, shard_index=index, shard_count=2, **values
        )
    assert sum(len(recorder.sizes) for recorder in parts) == 264
    check(dataset, codes_dir, "train")


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
