"""HDTF in its published layout: annotations beside videos that were downloaded."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media import video
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.hdtf.hdtf_dataset_builder import Hdtf, speaker_of, splits
from tfds_builders.preparation.corpus import CorpusConfig
from tfds_builders.preparation.sources import Segment

TABLES = {
    "WDA_annotion_time": "AmyKlobuchar0.mp4 00:01-00:03 00:04-00:05 \nTimWalz.mp4 00:05-03:10\n",
    "WDA_crop_wh": "AmyKlobuchar0_0.mp4 60 150 50 150\nTimWalz_0.mp4 9 480 0 480\n",
    "WDA_resolution": "AmyKlobuchar0.mp4 256\nTimWalz.mp4 0\n",  # as some that are published
    "RD_annotion_time": "Radio1.mp4 00:00-00:02\nRadio2.mp4 01:02-1:03:04 5-6\n",
}


def write_tables(root, tables=TABLES):
    (root / "HDTF_dataset").mkdir(parents=True)
    for name, text in tables.items():
        (root / f"HDTF_dataset/{name}.txt").write_text("\ufeff" + text, encoding="utf-8")


def listed(root, crops="track"):
    config = CorpusConfig(options={"crops": crops})
    return Hdtf(config=config, data_dir=root / "data").list_sources(str(root))


def test_corpus(tmp_path):
    root = tmp_path / "HDTF"
    write_tables(root)
    # 5 s of somebody who first says nothing of interest, under the downloader's name.
    video_trees.healthy(root / "_videos_raw/WDA_AmyKlobuchar0.mp4", 0, duration_s=5)
    path, report = corpora.build(
        Hdtf, root, tmp_path / "data", "--size", "128", options={"crops": "track"}
    )
    clips = [(line["clip"], line["start_s"], line["duration_s"]) for line in report if line["kept"]]
    assert clips == [("WDA/AmyKlobuchar0/000", 1.0, 2.0), ("WDA/AmyKlobuchar0/001", 4.0, 1.0)]
    assert corpora.left_out(report) == dict.fromkeys(
        ("WDA/TimWalz", "RD/Radio1", "RD/Radio2", "HDTF_dataset/WRA_annotion_time.txt"), "missing"
    )
    for clip in tfds.builder_from_directory(path).as_data_source("train"):
        assert clip["speaker"] == clip["style"] == b"AmyKlobuchar"
    with pytest.raises(UserError, match=r"with size 128 and not 256; crops track and not publ"):
        corpora.build(Hdtf, root, tmp_path / "data", options={"crops": "published"})


def test_published_crops(tmp_path):
    root = tmp_path / "HDTF"
    write_tables(root)
    video_trees.healthy(root / "AmyKlobuchar0.mp4", 0, duration_s=3.5)
    path, report = corpora.build(Hdtf, root, tmp_path / "data", options={"crops": "published"})
    assert corpora.kept(report) == ["WDA/AmyKlobuchar0/000"]
    details = [line["detail"] for line in report if line["source"] == "WDA/AmyKlobuchar0"]
    assert "found no crop of AmyKlobuchar0_1, or no resolution" in details
    (clip,) = tfds.builder_from_directory(path).as_data_source("train")
    with framed_faces.framed_faces("") as detector:
        (before,) = detector.detect(next(video.read_video(root / "AmyKlobuchar0.mp4")))
        (after,) = detector.detect(video.decode_frames(clip["video"], [0])[0])
    wanted = (before.box - (60, 50, 60, 50)) * 256 / 150
    np.testing.assert_allclose(after.box, np.clip(wanted, 0, 256), atol=5)


def test_listing(tmp_path):
    write_tables(tmp_path)
    for name in ("Radio2", "WDA_TimWalz"):
        (tmp_path / f"{name}.mp4").touch()
    listing = listed(tmp_path)
    radio, walz = listing.sources
    assert (radio.name, radio.speaker, radio.split) == ("RD/Radio2", "Radio2", "train")
    assert radio.segments == (Segment(62.0, 3784.0),)
    assert walz.segments == (Segment(5.0, 190.0),)
    with pytest.raises(UserError, match=r"WDA/TimWalz: found no crop of TimWalz_0, or no res"):
        listed(tmp_path, "published")
    assert ("RD/Radio2", "found 5-6 in its times, expected such as 00:05-04:40") in listing.missing


def test_speakers_and_splits():
    assert speaker_of("WRA", "AdamKinzinger12") == "AdamKinzinger"
    assert speaker_of("RD", "Radio12") == "Radio12"
    of_speaker = splits([f"Person{c}" for c in "abcdefghij"] + ["Radio1", "Radio2"])
    assert of_speaker["Radio1"] == of_speaker["Radio2"] == "train"
    assert sorted(of_speaker.values()).count("test") == 1
    assert sorted(of_speaker.values()).count("validation") == 1


def test_annotations_without_lines_or_times(tmp_path):
    names = [f"{subset}_annotion_time" for subset in ("RD", "WDA", "WRA")]
    write_tables(tmp_path, dict.fromkeys(names, "\n"))
    with pytest.raises(
        UserError, match=r"--root: found no line in RD_annotion_time.txt, WDA_.* of"
    ):
        listed(tmp_path)
    (tmp_path / "HDTF_dataset/WDA_annotion_time.txt").write_text("TimWalz.mp4\n")
    (tmp_path / "TimWalz.mp4").touch()
    wanted = r"1 videos .*WDA/TimWalz: found no times, .*_videos_raw/WDA_TimWalz.mp4"
    with pytest.raises(UserError, match=wanted):
        listed(tmp_path)


def test_wrong_roots(tmp_path):
    (tmp_path / "WDA_AmyKlobuchar0.mp4").touch()
    with pytest.raises(UserError, match=r"found WDA_Amy.* in .*clone github.com/MRzzm/HDTF there"):
        listed(tmp_path)
    (tmp_path / "WDA_AmyKlobuchar0.mp4").unlink()
    write_tables(tmp_path)
    with pytest.raises(UserError, match=r"none to use of the 4 videos .*: found no TimWalz"):
        listed(tmp_path)
