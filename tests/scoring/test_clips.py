"""Folders of videos: what fits together, and what is said where it does not."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.scoring.clips import folder_clips
from tests.media_files import write_pictures
from tests.scoring import small_clips as small


def write(folder, *names, count=6, size=small.SIZE, fps=25, ending=".mp4"):
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{name}{ending}"
        path.parent.mkdir(exist_ok=True)
        write_pictures(path, list(small.frames(count, 1, size)), np.arange(count) / fps)


@pytest.fixture
def folders(tmp_path):
    write(tmp_path / "pred", "a", "b")
    write(tmp_path / "target", "a", "b")
    return tmp_path / "pred", tmp_path / "target"


def test_names_match_but_for_endings_and_folders(tmp_path):
    write(tmp_path / "pred", "x/a", "b")
    write(tmp_path / "target", "b")
    write(tmp_path / "target", "x/a", ending=".MOV")
    clips, unreadable = folder_clips(tmp_path / "pred", tmp_path / "target")
    assert [clip.name for clip in clips] == ["b", "x/a"] and not unreadable
    assert len(list(clips[1].pred())) == len(list(clips[1].real())) == 6
    assert len(folder_clips(tmp_path / "pred", tmp_path / "target", limit=1)[0]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a", "b", "c", "d")}, r"--target \(2 files\) lacks 2: c, d; expected the same"),
        ({"names": ("a",)}, r"--pred \(1 files\) lacks 1: b"),
        ({"names": ("y", "z")}, "such as 'a'"),
        ({"count": 8}, r"found 2 of 2 clips that differ .* a: 8 and 6 frames at 25 fps; b: 8"),
        ({"size": 48}, "a: 48 x 48 and 32 x 32 px"),
        ({"fps": 50, "count": 12}, "a: 50.00 and 25.00 fps"),
    ],
)
def test_what_differs_is_named(folders, change, message):
    for file in folders[0].iterdir():
        file.unlink()
    write(folders[0], *change.pop("names", ("a", "b")), **change)
    if message.startswith("such as"):
        with pytest.raises(UserError, match=r"no clip of one name on all sides, such as 'y' in"):
            folder_clips(*folders, allow_mismatch=True)
        return
    with pytest.raises(UserError, match=message) as raised:
        folder_clips(*folders)
    assert "--allow_mismatch" in str(raised.value)
    clips, _ = folder_clips(*folders, allow_mismatch=True)
    assert 1 <= len(clips) <= 2 and clips[0].name == "a"
    sizes = {frame.shape for clip in clips for side in (clip.pred, clip.real) for frame in side()}
    assert sizes == {(32, 32, 3)}
    assert all(clip.notes for clip in clips) or not set(change) & {"count", "size", "fps"}


def test_empty_and_missing_folders(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"--target: found no files \.mp4"):
        folder_clips(folders[0], tmp_path / "empty")
    with pytest.raises(UserError, match="--pred: found no folder"):
        folder_clips(tmp_path / "nowhere", folders[1])
    with pytest.raises(UserError, match=r"--audio: found no files \.wav"):
        folder_clips(*folders, tmp_path / "empty")
    write(folders[0], "a", ending=".mkv")
    with pytest.raises(
        UserError, match=r"--pred: found a.mkv and a.mp4, expected one file of each"
    ):
        folder_clips(*folders)


def test_files_that_cannot_be_read_are_listed(folders):
    (folders[0] / "b.mp4").write_bytes(b"no video")
    clips, unreadable = folder_clips(*folders)
    assert [clip.name for clip in clips] == ["a"]
    assert list(unreadable) == ["b"] and "not a complete audio or video file" in unreadable["b"]
    (folders[1] / "a.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"none of 2 clips can be read: .*the file is empty"):
        folder_clips(*folders)


def with_sound(path, level):
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, audio=np.full(16_000, level, np.int16)) as writer:
        for frame in small.frames(25):
            writer.write(frame)


def level_of(audio):
    return round(float(np.median(audio())) / 1000)


def test_speech_is_of_the_audio_folder_else_of_the_videos(tmp_path):
    for name in "ab":
        with_sound(tmp_path / "pred" / f"{name}.mp4", 3000)
        with_sound(tmp_path / "target" / f"{name}.mp4", 6000)
        with_sound(tmp_path / "audio" / f"{name}.mov.mp4", 9000)
        (tmp_path / "audio" / f"{name}.mov.mp4").rename(tmp_path / "audio" / f"{name}.mp4")
    both = tmp_path / "pred", tmp_path / "target"
    clip = folder_clips(*both)[0][0]
    assert (level_of(clip.audio), level_of(clip.real_audio)) == (3, 6)
    clip = folder_clips(*both, tmp_path / "audio")[0][0]
    assert (level_of(clip.audio), level_of(clip.real_audio)) == (9, 9)
    write(tmp_path / "pred", "a", "b", count=25)
    clip = folder_clips(*both)[0][0]
    assert level_of(clip.audio) == 6  # the target's, as the prediction has none


def test_no_audio_anywhere(folders):
    clip = folder_clips(*folders)[0][0]
    with pytest.raises(UserError, match="no audio: neither prediction nor target"):
        clip.audio()


def test_wrong_audio_is_that_of_the_next_clip_whatever_the_limit(tmp_path):
    for level, name in enumerate("abc", 1):
        for side in ("pred", "target"):
            with_sound(tmp_path / side / f"{name}.mp4", 3000 * level)
    both = tmp_path / "pred", tmp_path / "target"
    clips = {limit: folder_clips(*both, limit=limit)[0] for limit in (1, 2, None)}
    found = {limit: [level_of(clip.wrong_audio) for clip in clips[limit]] for limit in clips}
    assert found == {1: [6], 2: [6, 9], None: [6, 9, 3]}
    assert [clip.files for clip in clips[2]] == [clip.files for clip in clips[None][:2]]
    (tmp_path / "pred" / "b.mp4").write_bytes(b"no video")
    assert level_of(folder_clips(*both, limit=1)[0][0].wrong_audio) == 9
    for name in "bc":
        (tmp_path / "pred" / f"{name}.mp4").unlink()
        (tmp_path / "target" / f"{name}.mp4").unlink()
    with pytest.raises(UserError, match="found a single clip"):
        folder_clips(*both)[0][0].wrong_audio()


def test_files_of_a_clip_are_told_by_what_is_in_them(folders):
    before = folder_clips(*folders)[0]
    assert set(before[0].files) == {"pred", "target"}
    content = (folders[0] / "b.mp4").read_bytes()
    write(folders[0], "b", count=6, size=small.SIZE, fps=25)
    (folders[0] / "b.mp4").write_bytes(content)  # written again, the same
    assert [c.files for c in folder_clips(*folders)[0]] == [c.files for c in before]
    (folders[0] / "b.mp4").write_bytes(content + b"\0" * 8)
    after = folder_clips(*folders)[0]
    assert after[0].files == before[0].files
    assert after[1].files["pred"] != before[1].files["pred"]
    assert after[1].files["target"] == before[1].files["target"]
