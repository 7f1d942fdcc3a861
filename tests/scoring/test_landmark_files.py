"""Landmarks of any detector, in files beside the videos."""

import numpy as np
import pytest

from jaxtalk import evaluate
from jaxtalk.core.errors import UserError
from jaxtalk.metrics.landmarks import lmd_absolute, mouth_lmd
from jaxtalk.scoring.clips import folder_clips
from jaxtalk.scoring.metrics import protocol
from jaxtalk.scoring.observers import FILES
from jaxtalk.scoring.score import score_clip
from tests.scoring import small_clips as small

OBSERVERS = {"landmarks": FILES}
KEYS = ("m_lmd", "lmd", "jerk")


def points(side, count=12):
    """[count, 68, 2], in the video of 32 px."""
    return np.random.default_rng(len(side)).uniform(4, 28, (count, 68, 2))


@pytest.fixture
def folders(tmp_path):
    """Two clips a side of 12 frames, with landmarks beside them."""
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        for name in ("a", "b.cut"):
            small.write_video(tmp_path / side / f"{name}.mp4", small.frames(12, len(side)))
            np.save(tmp_path / side / f"{name}.landmarks.npy", points(side).astype(np.float32))
    return tmp_path / "pred", tmp_path / "target"


def scored(folders, keys=KEYS, **options):
    clips, unreadable = folder_clips(*folders, landmarks=True, **options)
    assert not unreadable
    record, _ = score_clip(clips[0], keys, OBSERVERS, allow_mismatch=True)
    return record


def test_values_are_those_of_the_files(folders):
    values = scored(folders)["values"]
    fake, real = (points(side).astype(np.float32) for side in ("pred", "target"))
    assert values["pred"]["m_lmd"] == pytest.approx(mouth_lmd(fake, real).mean())
    assert values["pred"]["lmd"] == pytest.approx(lmd_absolute(fake, real).mean())
    assert values["real"]["lmd"] == 0 and values["static"]["jerk"] == pytest.approx(0, abs=1e-9)
    still = np.repeat(real[:1], 12, axis=0)
    assert values["static"]["lmd"] == pytest.approx(lmd_absolute(still, real).mean())
    assert protocol("m_lmd", OBSERVERS) == "m-lmd/px68/file"


def test_frames_without_a_face_and_other_seeds(folders, tmp_path):
    missing = points("pred")
    missing[3:5] = np.nan
    np.save(folders[0] / "a.landmarks.npy", missing)
    (tmp_path / "more").mkdir()
    for path in folders[1].iterdir():
        (tmp_path / "more" / path.name).write_bytes(path.read_bytes())
    record = scored(folders, ("m_lmd", "diversity"), seeds=[tmp_path / "more"])
    seen = np.r_[0:3, 5:12]
    expected = mouth_lmd(missing[seen], points("target")[seen].astype(np.float32)).mean()
    assert record["notes"][0] == "no face in 2 of 12 frames"
    assert record["values"]["pred"]["m_lmd"] == pytest.approx(expected)
    assert record["values"]["pred"]["diversity"] > 0


def test_landmarks_follow_a_video_that_is_scaled(folders):
    """The prediction has twice the size; the frames are compared at that of the target."""
    small.write_video(folders[0] / "a.mp4", small.frames(12, 4, 64))
    np.save(folders[0] / "a.landmarks.npy", 2 * points("target"))
    values = scored(folders, allow_mismatch=True)["values"]
    assert values["pred"]["lmd"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("count", [9, 14])
def test_another_number_of_frames_is_told(folders, count):
    np.save(folders[1] / "a.landmarks.npy", points("target", count))
    clips, _ = folder_clips(*folders, landmarks=True)
    with pytest.raises(UserError, match=f"found landmarks of {count} frames.*frames at 25 fps"):
        score_clip(clips[0], KEYS, OBSERVERS)
    # What needs no landmarks does not read them.
    assert score_clip(clips[0], ("psnr",), OBSERVERS)[0]["values"]["pred"]["psnr"] > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((12, 70, 2)), r"found float64 of \(12, 70, 2\), expected numbers of shape"),
        (np.zeros((12, 68, 2), bool), "found bool of"),
        (np.array({}), "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_other_arrays_are_told(folders, content, message):
    path = folders[0] / "a.landmarks.npy"
    if content is None:
        path.write_bytes(b"")
    else:
        np.save(path, content)
    clips, unreadable = folder_clips(*folders, landmarks=True)
    assert [clip.name for clip in clips] == ["b.cut"] and list(unreadable) == ["a"]
    with pytest.raises(UserError, match=message):
        raise UserError(unreadable["a"])


def test_videos_without_landmarks_are_told(folders, tmp_path):
    (folders[1] / "b.cut.landmarks.npy").unlink()
    with pytest.raises(UserError, match=r"1 of 2 videos of --target .* no b.cut.landmarks.npy"):
        folder_clips(*folders, landmarks=True)
    usual = [f"--pred={folders[0]}", f"--target={folders[1]}", f"--out={tmp_path / 'out'}"]
    with pytest.raises(SystemExit, match="--landmark_files: 1 of 2 videos of --target"):
        evaluate.main([*usual, "--landmark_files"])
    np.save(folders[1] / "b.cut.landmarks.npy", points("target"))
    with pytest.raises(SystemExit, match="found a network of landmarks too"):
        evaluate.main([*usual, "--landmark_files", "--weights", "landmarks=x"])
    with pytest.raises(
        SystemExit, match=r"--landmark_files: found it beside --.*, expected it beside --pred"
    ):
        evaluate.main(["--mos", "x.json", "--landmark_files"])
