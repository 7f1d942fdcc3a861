"""What was written against what is read back."""

import os
import resource
from fractions import Fraction

import av
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, video
from jaxtalk.media.video_writer import VideoWriter, synthetic_note
from tests import media_files


def write(path, frames, **options):
    with VideoWriter(path, **options) as writer:
        for frame in frames:
            writer.write(frame)


def test_frames_and_comment(tmp_path):
    path = tmp_path / "a.mp4"
    pictures = media_files.numbered_pictures(51, 32, 48)
    write(path, pictures, comment=synthetic_note("styletalker demo", 7))
    read = list(video.read_video(path))
    assert [media_files.number_of(f) for f in read] == list(range(51))
    np.testing.assert_allclose(np.float32(read), np.float32(pictures), atol=6)
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as file:
        assert file.metadata["comment"] == synthetic_note("styletalker demo", 7)
        assert all(word in file.metadata["comment"] for word in ("Synthetic", "demo", "7"))
        (stream,) = file.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.start_time, stream.duration * stream.time_base) == (0, Fraction(51, 25))


def test_colours_survive(tmp_path):
    path = tmp_path / "a.mp4"
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 120)]
    frames = [np.full((32, 32, 3), colour, np.uint8) for colour in colours for _ in range(3)]
    write(path, frames, crf=5)
    read = np.stack(list(video.read_video(path)))
    np.testing.assert_allclose(read.astype(int), np.stack(frames), atol=8)


def test_odd_sizes_are_padded(tmp_path):
    write(tmp_path / "a.mp4", media_files.numbered_pictures(3, 33, 47))
    (frame, *_) = video.read_video(tmp_path / "a.mp4")
    assert frame.shape == (34, 48, 3)


@pytest.mark.parametrize("kind", ["int16", "float32", "mono file", "stereo file", "video file"])
def test_sound_is_kept_exactly_in_time(tmp_path, kind):
    duration_s = 1.93  # ends within a video frame and within a codec frame
    sound = media_files.chirp(duration_s, 16000)
    path = tmp_path / "in"
    given = path
    if kind == "int16":
        given = audio.to_int16(sound)
    elif kind == "float32":
        given = sound.astype(np.float32)
    elif kind == "video file":
        write(tmp_path / "in.mp4", media_files.numbered_pictures(60), audio=sound)
        given = tmp_path / "in.mp4"
    else:
        layout, channels = ("mono", 1) if kind == "mono file" else ("stereo", 2)
        media_files.write_sound(
            *(path, np.stack([media_files.chirp(duration_s, 44100)] * channels), 44100),
            **{"codec": "flac", "container": "flac", "layout": layout},
        )
    num_frames = audio.num_video_frames(len(sound))
    write(tmp_path / "out.mp4", media_files.numbered_pictures(num_frames), audio=given)
    read = audio.read_audio(tmp_path / "out.mp4")
    assert len(read) == len(sound)
    scores = [
        np.corrcoef(read[500:-500], sound[500 + s : len(sound) - 500 + s])[0, 1]
        for s in range(-20, 21)
    ]
    assert np.argmax(scores) == 20
    assert max(scores) > 0.99
    assert abs(np.std(read) / np.std(sound) - 1) < 0.03
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].frames == num_frames
        assert all(stream.start_time == 0 for stream in file.streams)
        assert file.streams.audio[0].channels == (2 if kind == "stereo file" else 1)


def test_sound_ends_with_the_last_frame(tmp_path):
    sound = media_files.chirp(3.0, 16000)
    write(tmp_path / "a.mp4", media_files.numbered_pictures(20), audio=sound)
    assert len(audio.read_audio(tmp_path / "a.mp4")) == 20 * 640
    assert len(list(video.read_video(tmp_path / "a.mp4"))) == 20


def test_failures_leave_nothing_behind(tmp_path):
    frame = media_files.numbered_pictures(1)[0]
    path = tmp_path / "a.mp4"
    path.write_text("old")
    with pytest.raises(RuntimeError), VideoWriter(path) as writer:
        writer.write(frame)
        raise RuntimeError
    with pytest.raises(ValueError, match="no frame"), VideoWriter(path):
        pass
    with pytest.raises(ValueError, match="shape"), VideoWriter(path) as writer:
        writer.write(frame)
        writer.write(frame[1:])
    with pytest.raises(UserError, match="no such file"):
        write(path, [frame], audio=tmp_path / "missing.wav")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.mp4"]
    for name in ("a.avi", "no/such/folder/a.mp4"):
        with pytest.raises(UserError, match=name):
            write(tmp_path / name, [frame])


def test_a_full_disk_is_the_users_to_mend(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (60, 64, 64, 3)).astype(np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"a\.mp4: cannot write"):
            write(tmp_path / "a.mp4", noise, crf=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not os.listdir(tmp_path)
