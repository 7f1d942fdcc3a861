"""Videos of all rates against the numbers painted into their frames."""

from fractions import Fraction

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.media import video
from jaxtalk.media.image import encode_jpeg
from tests import media_files


def numbers(frames):
    return [media_files.number_of(frame) for frame in frames]


def nearest(times, end_s):
    """Brute force: which frame is nearest to each k / 25 before the end."""
    count = int(end_s * 25 + 0.5)
    return [int(np.argmin(np.abs(np.array(times) - k / 25))) for k in range(count)]


@pytest.mark.parametrize(
    ("container", "rate"),
    [("mp4", 25), ("mp4", 30), ("mp4", 24000 / 1001), ("mp4", 50), ("mp4", 10), ("avi", 25)],
)
def test_any_rate_becomes_25_fps(tmp_path, container, rate):
    count = int(1.2 * rate)
    times = np.arange(count) / rate
    path = tmp_path / "clip"
    codec, base = ("mpeg4", 25) if container == "avi" else ("libx264", 90_000)
    media_files.write_pictures(
        *(path, media_files.numbered_pictures(count), times),
        **{"container": container, "codec": codec, "time_base": base},
    )
    got = numbers(video.read_video(path))
    if rate == 25:
        assert got == list(range(count))
    # How long the last frame lasts is the container's guess.
    expected = nearest(times, times[-1] + 1 / 25)
    shared = min(len(got), len(expected))
    assert got[:shared] == expected[:shared]
    assert abs(len(got) - count / rate * 25) <= 1.5


def test_uneven_timestamps(tmp_path):
    rng = np.random.default_rng(0)
    # Milliseconds, odd, so that no two frames are equally near.
    times = np.cumsum(rng.integers(5, 120, 40) * 2 + 1) / 1000
    times -= times[0]
    path = tmp_path / "clip.mkv"
    media_files.write_pictures(path, media_files.numbered_pictures(40), times, container="matroska")
    got = numbers(video.read_video(path))
    expected = nearest(times, times[-1])
    assert got[: len(expected)] == expected
    assert set(got[len(expected) :]) <= {39}


@pytest.mark.parametrize("fps", [25, 30])
def test_how_often_each_frame_of_the_file_is_shown(tmp_path, fps):
    times = np.cumsum(np.tile([11, 91, 13, 15], 10)) / 1000
    path = tmp_path / "clip.mkv"
    media_files.write_pictures(
        *(path, media_files.numbered_pictures(40), times - times[0]), container="matroska"
    )
    times = list(video.times_shown(path, fps))
    assert np.repeat(np.arange(40), times).tolist() == numbers(video.read_video(path, fps))
    assert min(times) == 0 and max(times) > 1


def test_clock_set_anew(tmp_path):
    times = np.arange(20) / 25 + np.where(np.arange(20) < 10, 0, 5000)
    path = tmp_path / "clip.ts"
    media_files.write_pictures(
        *(path, media_files.numbered_pictures(20), times),
        **{"container": "mpegts", "codec": "mpeg2video", "time_base": 25},
    )
    assert numbers(video.read_video(path)) == list(range(20))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_of_the_camera_is_applied(tmp_path, degrees):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:8, :8, 0] = 255  # red in the top left corner
    path = tmp_path / "clip.mp4"
    media_files.write_pictures(path, [stored] * 3, np.arange(3) / 25)
    # The matrix of the track header turns clockwise: [a b u, c d v, x y w], 16.16 fixed point.
    turn = np.deg2rad(degrees)
    matrix = np.round([np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0]) * 65536
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4 + 40
    data[start : start + 24] = matrix.astype(">i4").tobytes()
    path.write_bytes(data)
    (first, *_) = video.read_video(path)
    upright = np.rot90(stored, -degrees // 90)
    assert first.shape == upright.shape
    np.testing.assert_allclose(first.astype(int), upright, atol=12)


def test_pixels_that_are_not_square(tmp_path):
    path = tmp_path / "clip.mp4"
    media_files.write_pictures(
        path, media_files.numbered_pictures(3), np.arange(3) / 25, aspect=(3, 2)
    )
    assert {frame.shape for frame in video.read_video(path)} == {(32, 72, 3)}


def test_wide_pixels_count_where_pictures_are_too_large(tmp_path):
    path = tmp_path / "clip.mp4"
    pictures = [np.zeros((480, 640, 3), np.uint8)]
    media_files.write_pictures(path, pictures, [0.0], aspect=(250, 1))
    with pytest.raises(UserError, match=r"160000 x 480 px, expected at most 64 megapixels"):
        list(video.read_video(path))


def test_faulty_files_are_named(tmp_path):
    path = tmp_path / "clip.mp4"
    sound = media_files.chirp(1.0, 16000)[None]
    media_files.write_sound(path, sound, 16000, codec="aac", container="mp4")
    with pytest.raises(UserError, match="no pictures"):
        list(video.read_video(path))
    noise = np.random.default_rng(0).integers(0, 255, (50, 32, 48, 3)).astype(np.uint8)
    media_files.write_pictures(path, noise, np.arange(50) / 25, index_first=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = video.read_video(path)
    assert next(frames).shape == (32, 48, 3)  # they come one at a time, before the fault is met
    with pytest.raises(UserError, match=r"clip\.mp4: the video ends after .* cut off"):
        list(frames)
    path.write_bytes(b"junk" * 100)
    with pytest.raises(UserError, match="not a complete"):
        list(video.read_video(path))


def test_frames_of_a_corpus(tmp_path):
    pictures = media_files.numbered_pictures(60)
    path = tmp_path / "clip.mp4"
    media_files.write_pictures(path, pictures, np.arange(60) / 25, key_every=16)
    stored = {"jpeg": [encode_jpeg(p) for p in pictures], "mp4": path.read_bytes()}
    for field in stored.values():
        assert video.num_frames(field) == 60
        for indices in ([0], [59], range(20, 40), [55, 3, 3, 30], range(60)):
            frames = video.decode_frames(field, indices)
            assert frames.dtype == np.uint8
            assert frames.shape == (len(indices), 32, 48, 3)
            assert numbers(frames) == list(indices)
        assert video.decode_frames(field, [1, 2], size=16).shape == (2, 16, 16, 3)
        with pytest.raises(IndexError):
            video.decode_frames(field, [60])


MINUTES = 10
RATES = [Fraction(24000, 1001), Fraction(30000, 1001), 30, 50, Fraction(60000, 1001)]


def uneven_times(count, mean_s):
    """Times in whole milliseconds whose steps vary by the factor of 8."""
    steps = np.random.default_rng(0).integers(1, 9, count)
    times = np.concatenate([[0], np.cumsum(steps)[:-1]]) * mean_s / steps.mean()
    return [Fraction(round(1000 * t), 1000) for t in times]


@pytest.mark.parametrize(
    ("rate", "fps"), [*((rate, 25) for rate in (*RATES, "uneven")), (50, 30), (30, 30000 / 1001)]
)
def test_nothing_drifts_in_ten_minutes(rate, fps):
    """Of the ten minutes, the first and the last half minute."""
    if rate == "uneven":
        times = uneven_times(60 * MINUTES * 30, 1 / 30)
    else:
        times = [i / Fraction(rate) for i in range(int(60 * MINUTES * rate))]
    times = [t for t in times if not 30 < t < times[-1] - 30]
    ends = [*times[1:], 2 * times[-1] - times[-2]]
    timed = [(start, end - start, start) for start, end in zip(times, ends)]
    shown, index = [], 0
    for start, until in video.shown_until(timed, fps):
        shown += [float(start)] * (until - index)
        index = max(index, until)
    assert abs(len(shown) - fps * float(ends[-1])) <= 0.5
    late_s = np.array(shown) - np.arange(len(shown)) / fps
    early, late = late_s[: int(29 * fps)], late_s[-int(29 * fps) :]
    # Half the longest step of the file, far below a frame of drift; the last frame lasts longer.
    steps = np.array(ends, float) - np.array(times, float)
    bound = max(np.delete(steps, steps.argmax()).max(), 1 / fps) / 2 + 1e-6
    assert max(abs(early).max(), abs(late).max()) <= bound
    assert abs(late.mean() - early.mean()) < 0.01


def test_the_end_of_a_long_file_is_in_time(tmp_path):
    """The first and the last second of ten minutes at 29.97 fps, with nothing between them."""
    rate = Fraction(30000, 1001)
    indices = [*range(30), *range(int(60 * MINUTES * rate) - 30, int(60 * MINUTES * rate))]
    path = tmp_path / "clip.mp4"
    pictures = media_files.numbered_pictures(60, height=16, width=16)
    media_files.write_pictures(path, pictures, [i / rate for i in indices], time_base=30_000)
    frames = list(video.read_video(path))
    assert abs(len(frames) - 25 * 60 * MINUTES) <= 1
    last = np.arange(len(frames) - 20, len(frames))
    shown_s = [float(indices[n] / rate) for n in numbers(frames[i] for i in last)]
    assert abs(np.array(shown_s) - last / 25).max() <= 0.5 * 1001 / 30000 + 1e-9


@pytest.mark.parametrize("fps", [0, -25, 1000, float("nan")])
def test_rates_that_are_none(tmp_path, fps):
    with pytest.raises(ValueError, match="fps: found"):
        next(video.read_video(tmp_path / "clip.mp4", fps))


def test_thirty_frames_a_second(tmp_path):
    path = tmp_path / "clip.mp4"
    media_files.write_pictures(path, media_files.numbered_pictures(50), np.arange(50) / 25)
    got = numbers(video.read_video(path, 30))
    # Halfway between two frames, the later one.
    assert got == [min(49, int(k * Fraction(25, 30) + Fraction(1, 2))) for k in range(60)]
