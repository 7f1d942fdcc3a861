"""A folder of videos, healthy and broken in every way, to a corpus and a report."""

import collections
import errno
import io
import os
import pathlib
import shutil
import sys

import av
import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.data import inspect
from jaxtalk.media import video
from jaxtalk.media.face_detector import face_detector
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.preparation import sources
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder, splits

FRAMES = round(25 * video_trees.DURATION_S)


def make_tree(root):
    """Each way in which a video can be strange, once."""
    person = video_trees.pictures
    video_trees.healthy(f"{root}/anna/copy.mp4")
    shutil.copy(f"{root}/anna/copy.mp4", f"{root}/anna/healthy.mp4")
    ntsc = np.arange(36) * 1001 / 30_000
    video_trees.write(f"{root}/anna/2020/ntsc.mp4", person(0, 36), ntsc)
    uneven = np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.06], 30))
    video_trees.write(f"{root}/ben/uneven.mp4", person(1, 30), uneven - uneven[0])
    video_trees.write(f"{root}/ben/stereo.mp4", person(1, 30), rate_hz=48_000, layout="stereo")
    video_trees.write(f"{root}/ben/turned.mp4", person(1, 30), turned=True)
    video_trees.write(f"{root}/carla/cut.mp4", person(0, 30) + person(1, 30))
    two = [np.concatenate(pair, axis=1) for pair in zip(person(0, 30), person(1, 30))]
    video_trees.write(f"{root}/carla/two.mp4", two)
    video_trees.write(f"{root}/carla/room.mp4", video_trees.empty_room(30))
    video_trees.write(f"{root}/dan/no_sound.mp4", person(1, 30), sound=False)
    video_trees.write(f"{root}/dan/short.mp4", person(1, 15))
    whole = pathlib.Path(f"{root}/anna/copy.mp4").read_bytes()
    pathlib.Path(f"{root}/dan/truncated.mp4").write_bytes(whole[: len(whole) // 2])
    pathlib.Path(f"{root}/dan/empty.mp4").touch()
    pathlib.Path(f"{root}/dan/notes.txt").write_text("no video")
    os.symlink("unreadable.mp4", f"{root}/dan/unreadable.mp4")  # to everybody
    shutil.copy(f"{root}/anna/copy.mp4", f"{root}/dan/locked.mp4")
    os.chmod(f"{root}/dan/locked.mp4", 0)  # but root may read it, as a duplicate
    video_trees.write(f"{root}/emil/killer.mp4", video_trees.plain((255, 0, 0)))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    make_tree(root)
    return root


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    """(data_dir, corpus' folder, report)."""
    data_dir = tmp_path_factory.mktemp("data")
    detector = framed_faces.hostile_faces
    return data_dir, *corpora.build(VideoFolder, tree, data_dir, detector=detector)


def test_each_video_is_kept_or_has_a_reason(built):
    _, _, report = built
    assert corpora.left_out(report) == {
        "anna/healthy": "duplicate",
        "carla/two": "several faces",
        "carla/room": "no face",
        "dan/no_sound": "no audio",
        "dan/short": "too short",
        "dan/truncated": "unreadable",
        "dan/empty": "unreadable",
        "dan/locked": "unreadable" if os.geteuid() else "duplicate",
        "dan/unreadable": "unreadable",
        "emil/killer": "crashed",
    }
    assert corpora.kept(report) == [
        *("anna/2020/ntsc/000", "anna/copy/000"),
        *("ben/stereo/000", "ben/turned/000", "ben/uneven/000"),
        *("carla/cut/000", "carla/cut/001"),
    ]
    details = {line["source"]: line["detail"] for line in report}
    assert details["anna/healthy"] == "has the content of anna/copy"
    assert details["dan/empty"].startswith("empty.mp4: the file is empty")
    assert "found duration_s 0.6, expected at least 1" in details["dan/short"]


def test_its_page(built, tmp_path):
    data_dir, _, report = built
    words = ["--dataset", "video_folder/default", "--data_dir", str(data_dir)]
    inspect.main([*words, "--out", str(tmp_path / "page.html")])
    text = (tmp_path / "page.html").read_text()
    assert text.count('class="strip"') == 7 and "video_folder/default" in text
    for reason, count in collections.Counter(corpora.left_out(report).values()).items():
        assert f'<td>{reason}</td><td class="number">{count}</td>' in text
    assert "7 clips were kept, 10 clips or videos left out" in text


def test_the_clips(built):
    _, path, _ = built
    builder = tfds.builder_from_directory(path)
    clips = {
        c["source_id"].decode(): c for s in builder.info.splits for c in builder.as_data_source(s)
    }
    assert len(clips) == 7
    lengths = {name: video.num_frames(clip["video"]) for name, clip in clips.items()}
    assert lengths.pop("carla/cut/000") == 30 and lengths.pop("carla/cut/001") == 30
    assert all(abs(length - FRAMES) <= 1 for length in lengths.values()), lengths
    for clip in clips.values():
        length = video.num_frames(clip["video"])
        assert clip["audio"].dtype == np.int16 and clip["audio"].shape == (640 * length,)
        shapes = {
            "landmarks": (length, 68, 2),
            "mesh": (length, 468, 3),
            "expression": (length, 64),
            "pose": (length, 6),
            "mouth_box": (length, 4),
            "phonemes": (length,),
        }
        assert {key: clip[key].shape for key in shapes} == shapes
        assert clip["phonemes"].max() <= 40 and (clip["fps"], clip["sample_rate_hz"]) == (
            25,
            16_000,
        )
        for key in ("landmarks", "mesh", "pose", "mouth_box"):
            assert np.isfinite(clip[key]).all(), key
    assert clips["carla/cut/001"]["start_s"] == pytest.approx(1.2)
    assert clips["ben/turned/000"]["speaker"] == b"ben"
    assert "tensorflow" not in sys.modules


def test_the_crop_is_the_frame_around_the_face_enlarged(built):
    """Also of the video whose camera lay on its side."""
    _, path, _ = built
    builder = tfds.builder_from_directory(path)
    clips = {c["source_id"]: c for s in builder.info.splits for c in builder.as_data_source(s)}
    for name in (b"anna/copy/000", b"ben/turned/000"):
        (frame,) = video.decode_frames(clips[name]["video"], [3])
        assert frame.shape == (256, 256, 3)
        with framed_faces.framed_faces("") as detector:
            (face,) = detector.detect(frame)
        # A tenth of the longer side on each side: 1 / 1.2 of the picture.
        assert (face.box[2:] - face.box[:2]).max() == pytest.approx(256 / 1.2, abs=5)
        assert (face.box[:2] + face.box[2:]) / 2 == pytest.approx([128, 128], abs=3)


def test_sound_and_pictures_start_together(built):
    """The sound of a later clip of a video is that of its own time."""
    _, path, _ = built
    builder = tfds.builder_from_directory(path)
    clips = {c["source_id"]: c for s in builder.info.splits for c in builder.as_data_source(s)}
    second = clips[b"carla/cut/001"]["audio"].astype(float)
    wanted = video_trees.speech(2.4)[19_200:38_400]
    assert np.corrcoef(second, wanted)[0, 1] > 0.9


def test_splits_are_disjoint(built):
    _, path, _ = built
    people = corpora.people(path)
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 3
    of_many = splits(f"speaker{i}" for i in range(100))
    counts = {split: list(of_many.values()).count(split) for split in ("train", "test")}
    assert counts == {"train": 86, "test": 10}
    assert set(splits("ab").values()) == {"train"}
    assert sorted(splits("abcd").values()) == ["test", "train", "train", "validation"]


def test_built_already_or_otherwise(built, tree, capsys):
    data_dir, path, _ = built
    before = corpora.contents(path)
    corpora.build(VideoFolder, tree, data_dir)
    assert "is built already" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"with min_face_px 64\.0 and not 40\.0; size 256 and not"):
        corpora.build(VideoFolder, tree, data_dir, "--size", "128", "--min_face_px", "40")
    assert corpora.contents(path) == before


def test_other_parameters_under_another_name(tree, tmp_path, capsys):
    """JPEG at 30 fps. What another corpus has prepared by other parameters is of no use."""
    (tmp_path / "videos/ben").mkdir(parents=True)
    shutil.copy(tree / "ben/turned.mp4", tmp_path / "videos/ben")
    corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data", "--size", "64")
    assert "1 videos, 1 of them prepared now" in capsys.readouterr().out
    corpora.build(
        VideoFolder, tmp_path / "videos", tmp_path / "data", "--size", "64", "--config", "again"
    )
    assert "1 videos, 0 of them prepared now" in capsys.readouterr().out
    arguments = ["--config", "fps30", "--fps", "30", "--video", "jpeg", "--size", "64"]
    path, report = corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data", *arguments)
    assert "1 videos, 1 of them prepared now" in capsys.readouterr().out
    assert corpora.kept(report) == ["ben/turned/000"]
    clip = tfds.builder_from_directory(path).as_data_source("train")[0]
    assert clip["fps"] == 30 and clip["landmarks"].shape[0] == len(clip["video"]) == 36
    assert abs(len(clip["audio"]) - 36 * 16_000 / 30) < 1
    assert video.decode_frames(clip["video"], [0]).shape == (1, 64, 64, 3)


def test_links_are_followed_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.mp4").touch()
    os.symlink(tmp_path, tmp_path / "a/round")
    assert sources.walk(tmp_path) == (["a/x.mp4"], [])


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    for name in ("anna/one.mp4", "ben/two.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("anna"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    listing = VideoFolder(data_dir=tmp_path / "data").list_sources(str(tmp_path))
    assert [source.name for source in listing.sources] == ["ben/two"]
    assert listing.missing == [("anna", "permission denied")]


def test_with_the_real_detector(tree, tmp_path):
    """Heads that are drawn are faces to it: the same clips, with landmarks that fit."""
    pytest.importorskip("mediapipe.python.solution_base")
    for name in ("anna", "carla"):
        shutil.copytree(tree / name, tmp_path / "videos" / name, symlinks=True)
    path, report = corpora.build(
        VideoFolder, tmp_path / "videos", tmp_path / "data", detector=face_detector
    )
    assert corpora.left_out(report) == {
        "anna/healthy": "duplicate",
        "carla/two": "several faces",
        "carla/room": "no face",
    }
    clip = tfds.builder_from_directory(path).as_data_source("train")[0]
    assert clip["landmarks"].min() > 0 and clip["landmarks"].max() < 256
    assert np.abs(clip["pose"][:, :3]).max() < 0.6


def test_blobs_are_videos(built):
    _, path, _ = built
    clip = tfds.builder_from_directory(path).as_data_source("train")[0]
    with av.open(io.BytesIO(clip["video"])) as file:
        stream = file.streams.video[0]
        keys = [packet.is_keyframe for packet in file.demux(stream) if packet.size]
    assert stream.average_rate == 25 and keys[0] and keys[25]
