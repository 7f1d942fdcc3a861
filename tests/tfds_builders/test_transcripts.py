"""Videos with texts beside them: phonemes at their times, or the reason why they are guessed."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media import phonemes
from tests.tfds_builders import corpora, video_trees
from tfds_builders.preparation import transcripts
from tfds_builders.procedural_heads import speech
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

SENTENCE = "My brother baked the bread, and she enjoyed five thick pieces."


def test_what_is_said(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("Text:  WHEN YOU'RE COOKING\nConf:  4\n\nWORD START END ASDSCORE\n")
    assert transcripts.spoken(str(path)) == "WHEN YOU'RE COOKING"
    path.write_bytes(b"\xef\xbb\xbfwhen you\nare cooking\n")
    assert transcripts.spoken(str(path)).split() == ["when", "you", "are", "cooking"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"clip\.txt: found bytes that are no UTF-8"):
        transcripts.spoken(str(path))
    path.write_text("so " * 40_000)
    with pytest.raises(UserError, match="found more than 65536 bytes"):
        transcripts.spoken(str(path))
    assert transcripts.beside(str(tmp_path / "clip.mp4")) == str(path)
    assert transcripts.beside(str(tmp_path / "other.mp4")) is None


def test_of_a_recording_that_is_too_long(tmp_path, monkeypatch):
    video_trees.write_sound(tmp_path / "clip.m4a")
    (tmp_path / "clip.txt").write_text(SENTENCE)
    monkeypatch.setattr(transcripts, "MAX_DURATION_S", 1)
    with pytest.raises(UserError, match="found more than 1 s of sound, expected a transcript of a"):
        transcripts.segments(str(tmp_path / "clip.txt"), str(tmp_path / "clip.m4a"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(corpus' folder, report, true class of each frame of the recording)."""
    pytest.importorskip("pocketsphinx")
    root = tmp_path_factory.mktemp("videos")
    said = speech.synthesise(SENTENCE, speech.Voice("en-us+m3", 50, 50, 150))
    num_frames = len(said.audio) // 640
    # The picture changes in the middle: two clips with one transcript.
    first = num_frames // 2
    pictures = video_trees.pictures(0, first) + video_trees.pictures(1, num_frames - first)
    texts = {
        "aligned.txt": f"Text:  {SENTENCE.upper()}\nConf:  3\n",
        "labelled.lab": SENTENCE,
        "unknown.txt": SENTENCE.replace("bread", "xyzzyq"),
        "silent.txt": "",
        "plain": None,
    }
    for name, text in texts.items():
        stem = pathlib.Path(name).stem
        sound = said.audio / (40_000 if text == "" else 32_768)  # without, it were a duplicate
        video_trees.write(root / f"a/{stem}.mp4", pictures, sound=sound)
        if text is not None:
            (root / "a" / name).write_text(text)
    data_dir = tmp_path_factory.mktemp("data")
    path, report = corpora.build(VideoFolder, root, data_dir, "--phonemes", "transcript")
    segments = [(phone.index, phone.start_s) for phone in said.phones]
    return path, report, phonemes.frame_phonemes(segments, num_frames)


def test_the_report_says_where_phonemes_are_from(built):
    _, report, _ = built
    assert len(report) == 10 and all(line["kept"] for line in report)
    told = {line["source"]: (line["phonemes"], line.get("phonemes_detail", "")) for line in report}
    assert told["a/aligned"] == told["a/labelled"] == ("aligned", "")
    assert told["a/plain"] == ("recognised", "found no .txt or .lab beside the video")
    assert told["a/unknown"][0] == told["a/silent"][0] == "recognised"
    assert told["a/unknown"][1].startswith("transcript: found xyzzyq, expected words")
    assert told["a/silent"][1].startswith("silent.txt: the file is empty")


def test_phonemes_are_at_their_times(built):
    """Also in the second clip of a video; those of the text are better than those guessed."""
    path, _, true = built
    builder = tfds.builder_from_directory(path)
    clips = {
        c["source_id"].decode(): c for s in builder.info.splits for c in builder.as_data_source(s)
    }
    right = {}
    for name, clip in clips.items():
        start, found = round(float(clip["start_s"]) * 25), clip["phonemes"]
        expected = true[start : start + len(found)]
        right[name] = np.mean(found[: len(expected)] == expected)
    for number in ("000", "001"):
        assert right[f"a/aligned/{number}"] > 0.55, right
        np.testing.assert_array_equal(
            clips[f"a/aligned/{number}"]["phonemes"], clips[f"a/labelled/{number}"]["phonemes"]
        )
        assert right[f"a/aligned/{number}"] > right[f"a/unknown/{number}"]
    assert float(clips["a/aligned/001"]["start_s"]) > 1


def test_without_any_transcript(tmp_path):
    video_trees.healthy(tmp_path / "videos/a/one.mp4")
    with pytest.raises(UserError, match=r"--phonemes: found no \.txt or \.lab beside any of 1 vid"):
        corpora.build(
            VideoFolder, tmp_path / "videos", tmp_path / "data", "--phonemes", "transcript"
        )
