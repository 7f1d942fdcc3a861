"""Batches against the clips that they were cut from."""

import collections
import json
import shutil

import numpy as np
import pytest
from absl import logging
from ml_collections import ConfigDict

from jaxtalk.core.batch import excerpt_samples
from jaxtalk.core.errors import UserError
from jaxtalk.data import codes, loader, transforms
from jaxtalk.data.source import open_corpus
from jaxtalk.media.audio import audio_excerpt
from tests import tiny_corpus

KINDS = {
    "frames": {"kind": "frames"},
    "pairs": {"kind": "pairs"},
    "clips": {"kind": "clips", "clip_frames": 12},
    "codes": {"kind": "codes", "clip_frames": 20, "window_frames": 5},
}


def encode(frames):
    labels = np.stack([tiny_corpus.clip_of(frames), tiny_corpus.frame_of(frames)], -1)
    return np.repeat(labels[:, None], 16, 1)


@pytest.fixture(scope="module")
def codes_dir(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    codes.encode_corpus(
        dataset,
        encode,
        **{"weights_digest": "abc", "codes_dir": folder, "say": [].append},
        splits=("train", "test"),
    )
    return folder


@pytest.fixture
def make(dataset, codes_dir):
    """make(kind, **arguments) -> loader over the training split."""

    def make(kind, seed=0, batch_size=4, num_workers=0, **values):
        return loader.make_loader(
            ConfigDict({**dataset, "num_workers": num_workers}),
            ConfigDict(KINDS[kind]),
            **{"split": "train", "batch_size": batch_size, "seed": seed},
            **{"codes_dir": codes_dir, **values},
        )

    return make


@pytest.fixture(scope="module")
def clips(dataset):
    """Number of the clip, as its pixels say -> clip."""
    corpus = open_corpus(dataset, "train")
    return {int(c["source_id"].decode().split("_")[1]): c for c in corpus}


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


def test_clips_without_codes_are_passed_over(make, clips, codes_dir, tmp_path):
    """Those that could not be read; codes that are not there yet are an error."""
    folder = shutil.copytree(codes_dir, tmp_path / "codes")
    left_out = sorted(folder.glob("train/00000/*.npy"))[1:4]
    labels = {int(np.load(path)[0, 0, 0]) for path in left_out}
    left_out[0].unlink()
    with pytest.raises(UserError, match="no style codes of clip 1 of train"):
        make("codes", codes_dir=folder)._clips.read(1, np.random.default_rng(0))
    for path in left_out:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").write_text("{}")
    batches = make("codes", codes_dir=folder)
    seen = {int(w) for _ in range(10) for w in next(batches)["w"][:, 0, 0, 0]}
    assert seen == set(clips) - labels


def test_pairs_are_two_frames_of_a_clip(make, clips):
    batches, frames = make("pairs"), set()
    for _ in range(10):
        batch = next(batches)
        assert batch["video"].shape == (4, 2, 32, 32, 3)
        for pair, landmarks, pose in zip(batch["video"], batch["landmarks"], batch["pose"]):
            first, second = tiny_corpus.clip_of(pair)
            assert first == second
            found = tiny_corpus.frame_of(pair)
            expected = (clips[int(first)]["landmarks"][found] - 16) / 16
            np.testing.assert_allclose(landmarks, expected, atol=1e-6)
            np.testing.assert_array_equal(pose, clips[int(first)]["pose"][found])
            frames.add(tuple(found.tolist()))
    assert len(frames) > 30


def test_pairs_with_shut_eyes_are_taken_more_often(clips):
    clip = dict(clips[0])
    count, landmarks = len(clip["landmarks"]), clip["landmarks"].copy()
    landmarks[:, 36:48] = np.tile(np.stack([np.arange(6.0), np.zeros(6)], axis=1), (2, 1))
    landmarks[1:, [37, 38, 43, 44], 1] = 3.0  # the eyes of the first frame only are shut
    clip["landmarks"] = landmarks

    def share(num_candidates):
        rng = np.random.default_rng(0)
        pairs = [
            transforms.random_pair(clip, rng, num_candidates=num_candidates) for _ in range(300)
        ]
        return np.mean([(tiny_corpus.frame_of(pair["video"]) == 0).any() for pair in pairs])

    # Of two frames, and of two or, in half of the pairs, of nine.
    by_chance, sought = (1 - (1 - 1 / count) ** n for n in (2, 9))
    assert share(1) == pytest.approx(by_chance, abs=0.08)
    assert share(8) == pytest.approx((by_chance + sought) / 2, abs=0.08)


def test_frames_come_with_their_annotations(make, clips):
    seen = set()
    batches = make("frames")
    for _ in range(10):
        batch = next(batches)
        assert batch["frames"].shape == (4, 32, 32, 3)
        assert batch["frames"].dtype == np.uint8
        for i in range(4):
            clip = int(tiny_corpus.clip_of(batch["frames"][i]))
            frame = int(tiny_corpus.frame_of(batch["frames"][i]))
            seen.add((clip, frame))
            example = clips[clip]
            expected = (example["landmarks"][frame] - 16) / 16
            np.testing.assert_allclose(batch["landmarks"][i], expected, atol=1e-6)
            np.testing.assert_array_equal(batch["expression"][i], example["expression"][frame])
            np.testing.assert_array_equal(batch["pose"][i], example["pose"][frame])
            assert batch["speaker_id"][i] == example["speaker_id"]
    assert batch["speaker_id"].dtype == np.int32
    assert batch["landmarks"].dtype == np.float32
    assert {clip for clip, _ in seen} == set(range(6))
    assert len({frame for _, frame in seen}) > 15


def test_clips_are_consecutive_and_in_time_with_their_sound(make, clips):
    batches, starts = make("clips"), set()
    for _ in range(5):
        batch = next(batches)
        assert batch["video"].shape == (4, 12, 32, 32, 3)
        assert batch["audio"].shape == (4, excerpt_samples(12))
        assert batch["audio"].dtype == np.int16
        for video, sound in zip(batch["video"], batch["audio"]):
            frames, (clip,) = tiny_corpus.frame_of(video), set(tiny_corpus.clip_of(video))
            np.testing.assert_array_equal(frames, frames[0] + np.arange(12))
            expected = audio_excerpt(clips[clip]["audio"], frames[0], 12)
            np.testing.assert_array_equal(sound, expected)
            starts.add(frames[0])
    assert len(starts) > 8


def test_codes_sound_and_window_are_of_the_same_moment(make, clips):
    batches, window_starts = make("codes"), set()
    for _ in range(10):
        batch = next(batches)
        assert batch["w"].shape == (4, 20, 16, 2)
        assert (batch["w"].dtype, batch["window_start"].dtype) == (np.float32, np.int32)
        for w, sound, start, window in zip(
            *(batch["w"], batch["audio"], batch["window_start"], batch["window"])
        ):
            clip, first = w[0, 0].astype(int)
            np.testing.assert_array_equal(w[:, 3, 1], first + np.arange(20))
            np.testing.assert_array_equal(
                tiny_corpus.frame_of(window), first + start + np.arange(5)
            )
            assert set(tiny_corpus.clip_of(window)) == {clip}
            np.testing.assert_array_equal(sound, audio_excerpt(clips[clip]["audio"], first, 20))
            window_starts.add(int(start))
    assert window_starts <= set(range(16))
    assert len(window_starts) > 8


@pytest.mark.parametrize("kind", KINDS)
def test_resume_gives_the_same_bytes(make, kind):
    first = make(kind)
    for _ in range(5):
        next(first)
    state = json.loads(json.dumps(first.get_state()))
    expected = [next(first) for _ in range(4)]
    second = make(kind)
    next(second)
    second.set_state(state)
    assert all(same(next(second), batch) for batch in expected)
    assert second.get_state() == first.get_state()
    # A second stop, before a batch was taken, keeps the place too.
    second.set_state(state)
    third = make(kind)
    third.set_state(second.get_state())
    assert same(next(third), expected[0])


def test_order_belongs_to_the_seed(make):
    def take(**values):
        batches = make("frames", **values)
        return [next(batches) for _ in range(3)]

    assert all(same(*pair) for pair in zip(take(seed=3), take(seed=3)))
    assert not any(same(*pair) for pair in zip(take(seed=3), take(seed=4)))


def test_epochs_cover_all_clips_in_another_order(make):
    batches = make("frames", batch_size=6)
    epochs = [tuple(tiny_corpus.clip_of(next(batches)["frames"])) for _ in range(5)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len(set(epochs)) > 1


def test_shards_are_disjoint_and_cover(make):
    seen = []
    for index in range(2):
        batches = make("frames", batch_size=3, shard_index=index, shard_count=2)
        counts = collections.Counter()
        for _ in range(4):
            counts.update(tiny_corpus.clip_of(next(batches)["frames"]).tolist())
        assert set(counts.values()) == {4}
        seen.append(set(counts))
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(6))


def test_other_workers_begin_a_new_epoch_with_a_warning(make, monkeypatch):
    warnings = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: warnings.append(text % values))
    first = make("frames")
    begin = [next(first) for _ in range(3)]
    state = first.get_state()
    state["num_workers"] = 2
    second = make("frames")
    second.set_state(state)
    after = [next(second) for _ in range(3)]
    assert "'num_workers': 2" in warnings[0]
    assert not any(same(a, b) for a in after for b in begin)
    # The new stream resumes like any other.
    third = make("frames")
    third.set_state(second.get_state())
    assert same(next(third), next(second))
    assert len(warnings) == 1


def test_worker_processes_give_batches_and_resume(make):
    first = make("clips", num_workers=1)
    next(first)
    state = json.loads(json.dumps(first.get_state()))
    expected = next(first)
    assert expected["video"].shape == (4, 12, 32, 32, 3)
    second = make("clips", num_workers=1)
    second.set_state(state)
    assert same(next(second), expected)
    for batches in (first, second):
        batches.close()


def test_short_clips_are_passed_over(make, dataset, monkeypatch):
    monkeypatch.setitem(KINDS["clips"], "clip_frames", 45)
    batches = make("clips")
    for _ in range(5):
        assert set(tiny_corpus.clip_of(next(batches)["video"][:, 0])) <= {2, 5}  # 48 frames
    monkeypatch.setitem(KINDS["clips"], "clip_frames", 49)
    with pytest.raises(UserError, match="found 49, but no clip in 'train'"):
        make("clips")


@pytest.mark.parametrize("kind", ["clips", "codes"])
def test_clips_out_of_step_are_passed_over(make, dataset, monkeypatch, kind):
    warnings = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: warnings.append(text % values))

    class Shifted:
        """The corpus, in which clip 1 of the shard is late and clip 4 early by two frames."""

        def __init__(self, *arguments):
            self._clips = open_corpus(*arguments)
            self.out_of_step = {self._number(self._clips[i]) for i in (1, 4)}

        def _number(self, clip):
            return int(clip["source_id"].decode().split("_")[1])

        def __len__(self):
            return len(self._clips)

        def __getitem__(self, index):
            offset = {1: 2, 4: -2}.get(index, 1)
            return {**self._clips[index], "av_offset_frames": np.int32(offset)}

    def seen():
        batches = make(kind)
        key = "video" if kind == "clips" else "window"
        return {c for _ in range(8) for c in tiny_corpus.clip_of(next(batches)[key][:, 0]).tolist()}

    monkeypatch.setattr(loader, "open_corpus", Shifted)
    out_of_step = Shifted(dataset, "train").out_of_step
    assert seen() == set(range(6)) - out_of_step
    (warning,) = warnings
    assert "frames apart" in warning
    monkeypatch.setitem(KINDS[kind], "max_av_offset_frames", 2)
    assert seen() == set(range(6))
    monkeypatch.setitem(KINDS[kind], "max_av_offset_frames", 0)
    with pytest.raises(UserError, match="no clip in 'train'"):
        make(kind)


def test_annotations_that_a_corpus_lacks_are_left_out(make, monkeypatch):
    complete = next(make("frames"))

    def bare(*arguments):
        return [
            {"video": clip["video"], "speaker_id": clip["speaker_id"]}
            for clip in open_corpus(*arguments)
        ]

    monkeypatch.setattr(loader, "open_corpus", bare)
    batch = next(make("frames"))
    assert same(batch, {key: complete[key] for key in ("frames", "speaker_id")})


def test_faults_are_named(make, dataset):
    with pytest.raises(UserError, match=r"6 clips .* 7 processes"):
        make("frames", shard_count=7)
    with pytest.raises(UserError, match="found 'pictures', expected one of frames"):
        loader.make_loader(
            dataset, ConfigDict({"kind": "pictures"}), split="train", batch_size=1, seed=0
        )


def test_evaluation_batches_are_fixed(dataset, codes_dir):
    def make(kind, **values):
        return loader.make_eval_batches(
            dataset,
            ConfigDict(KINDS[kind]),
            **{"split": "test", "batch_size": 2, "num_batches": 3, "codes_dir": codes_dir},
            **values,
        )

    for kind in KINDS:
        batches = make(kind)
        assert len(batches) == 3
        assert all(same(a, b) for a, b in zip(batches, make(kind), strict=True))
        assert same(batches[-1], batches[2])
        with pytest.raises(IndexError):
            batches[3]
    # Three clips, twice each, and not the same frame of them.
    frames = np.concatenate([batch["frames"] for batch in make("frames")])
    assert sorted(tiny_corpus.clip_of(frames)) == [0, 0, 1, 1, 2, 2]
    assert (
        len({(c, f) for c, f in zip(tiny_corpus.clip_of(frames), tiny_corpus.frame_of(frames))})
        == 6
    )
    parts = [make("frames", shard_index=i, shard_count=2) for i in range(2)]
    shared = [set(tiny_corpus.clip_of(b["frames"]).tolist()) for p in parts for b in p]
    assert not (shared[0] | shared[1] | shared[2]) & (shared[3] | shared[4] | shared[5])


def test_a_corpus_too_large_for_memory_gives_the_same(make, monkeypatch):
    kept = make("codes")
    monkeypatch.setattr(loader, "_MAX_KEPT_BYTES", 0)
    read = make("codes")
    assert all(same(next(kept), next(read)) for _ in range(4))


def test_clips_may_be_stored_as_mp4(tmp_path):
    dataset = ConfigDict(tiny_corpus.build_tiny_corpus(tmp_path, mp4=True))
    batches = loader.make_loader(
        dataset, ConfigDict(KINDS["clips"]), split="train", batch_size=4, seed=0
    )
    for video in next(batches)["video"]:
        frames = tiny_corpus.frame_of(video)
        np.testing.assert_array_equal(frames, frames[0] + np.arange(12))
        assert len(set(tiny_corpus.clip_of(video))) == 1
