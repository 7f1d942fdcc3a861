"""Sound of all kinds of files against the samples that went in."""

import math
import os
import struct
import tracemalloc
import wave

import av
import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal

from jaxtalk.core import batch
from jaxtalk.core.errors import UserError
from jaxtalk.media import audio
from tests import media_files


def write_wav(path, samples, rate_hz=16000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())


def assert_same_sound(actual, expected, min_correlation=0.99):
    """Equal in time to the sample, and in level to 6 %: LAME takes 5 % off."""
    length = min(len(actual), len(expected))
    inner = slice(200, length - 200)
    shifts = range(-50, 51)
    scores = [
        np.corrcoef(actual[inner], expected[200 + s : length - 200 + s])[0, 1] for s in shifts
    ]
    assert shifts[int(np.argmax(scores))] == 0
    assert max(scores) > min_correlation
    level = np.std(actual[inner]) / np.std(expected[inner])
    assert abs(level - 1) < 0.06


def test_constants_agree_with_the_batch_schema():
    ours = (audio.SAMPLE_RATE_HZ, audio.FPS, audio.SAMPLES_PER_FRAME, audio.excerpt_samples(7))
    schema = (batch.SAMPLE_RATE_HZ, batch.FPS, batch.SAMPLES_PER_FRAME, batch.excerpt_samples(7))
    assert ours == schema


def test_speech_format_passes_bit_for_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 16001).astype(np.int16)
    write_wav(tmp_path / "a.wav", samples)
    read = audio.read_audio(tmp_path / "a.wav")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, samples / np.float32(32768))
    np.testing.assert_array_equal(audio.to_int16(read), samples)
    audio.write_wav(tmp_path / "b.wav", read)
    np.testing.assert_array_equal(audio.read_audio(tmp_path / "b.wav"), read)


@pytest.mark.parametrize(
    ("codec", "container", "rate_hz"),
    [
        ("aac", "mp4", 44100),
        ("aac", "mp4", 16000),
        ("libmp3lame", "mp3", 44100),
        ("libopus", "ogg", 48000),
        ("flac", "flac", 22050),
        ("pcm_s16le", "wav", 8000),
        ("pcm_f32le", "wav", 96000),
        ("aac", "matroska", 48000),
    ],
)
def test_every_format_gives_the_same_sound(tmp_path, codec, container, rate_hz):
    duration_s = 2.345
    sound = media_files.chirp(duration_s, rate_hz)
    path = tmp_path / "sound"
    media_files.write_sound(
        path, np.stack([sound, sound]), rate_hz, codec=codec, container=container, layout="stereo"
    )
    read = audio.read_audio(path)
    exact = len(sound) / rate_hz * 16000
    # matroska has no place for the true length: up to two codec frames of padding stay.
    padding = 2048 / 3 if container == "matroska" else 1
    assert exact - 2 <= len(read) <= exact + padding
    assert audio.num_video_frames(len(read)) == math.ceil(25 * duration_s)
    up = math.gcd(rate_hz, 16000)
    assert_same_sound(read, scipy.signal.resample_poly(sound, 16000 // up, rate_hz // up))


def test_channels_are_mixed_without_gain(tmp_path):
    sound = media_files.chirp(1.0, 16000)
    for layout, channels in (("stereo", 2), ("5.1", 6)):
        path = tmp_path / f"{layout}.flac"
        media_files.write_sound(
            path, np.stack([sound] * channels), 16000, codec="flac", container="flac", layout=layout
        )
        np.testing.assert_allclose(audio.read_audio(path), sound, atol=2e-4)


def test_stream_gives_the_samples_of_the_whole(tmp_path):
    path = tmp_path / "sound.mp3"
    media_files.write_sound(
        path, media_files.chirp(3.3, 44100)[None], 44100, codec="libmp3lame", container="mp3"
    )
    whole = audio.read_audio(path)
    for block_samples in (1, 640, 9999, 10**6):
        blocks = list(audio.stream_audio(path, block_samples))
        assert all(len(block) == block_samples for block in blocks[:-1])
        assert 0 < len(blocks[-1]) <= block_samples
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_long_sound_streams_in_constant_memory(tmp_path):
    path = tmp_path / "long.wav"
    write_wav(path, np.zeros(16000 * 200, np.int16))
    tracemalloc.start()
    total = sum(len(block) for block in audio.stream_audio(path, 16000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 16000 * 200
    assert peak < 2_000_000  # the whole is 13 MB


def test_silence_is_sound(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros(16000))
    np.testing.assert_array_equal(audio.read_audio(tmp_path / "a.wav"), np.zeros(16000))


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", 16000, np.full(8000, 1.5, np.float32))
    np.testing.assert_array_equal(audio.read_audio(tmp_path / "a.wav"), np.ones(8000))


@pytest.mark.parametrize("start_s", [0.5, 0.0])
def test_sound_is_timed_by_the_first_picture(tmp_path, start_s):
    path = tmp_path / "clip.mkv"
    sound = media_files.chirp(2.0, 16000)
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        track = file.add_stream("flac", rate=16000, layout="mono")
        for i, picture in enumerate(media_files.numbered_pictures(50, 32, 32)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        media_files.add_sound(file, track, sound[None], start_s=start_s)
    read = audio.read_audio(path)
    silent = round(start_s * 16000)
    assert len(read) == silent + len(sound)
    assert not read[:silent].any()
    np.testing.assert_allclose(read[silent:], sound, atol=1e-3)


def test_holes_become_silence(tmp_path):
    path = tmp_path / "a.mkv"
    sound = media_files.chirp(2.0, 16000)
    media_files.write_sound(
        path, sound[None], 16000, codec="pcm_s16le", container="matroska", gaps=[(1.0, 0.7)]
    )
    read = audio.read_audio(path)
    assert len(read) == 16000 * 2.7
    np.testing.assert_allclose(read[:16000], sound[:16000], atol=1e-4)
    assert not read[16000 : 16000 + 11200].any()
    np.testing.assert_allclose(read[16000 + 11200 :], sound[16000:], atol=1e-4)


def test_a_clock_set_anew_is_no_hole(tmp_path):
    sound = media_files.chirp(2.0, 48000)[None]
    lengths = []
    for name, gaps in (("even.ts", ()), ("jump.ts", [(1.0, 36_000)])):
        path = tmp_path / name
        media_files.write_sound(path, sound, 48000, codec="aac", container="mpegts", gaps=gaps)
        lengths.append(len(audio.read_audio(path)))
    assert lengths[0] == lengths[1] < 16000 * 2.1


def test_damaged_packets_do_not_shift_the_rest(tmp_path):
    path = tmp_path / "a.m4a"
    sound = media_files.chirp(4.0, 16000)
    media_files.write_sound(path, sound[None], 16000, codec="aac", container="mp4")
    whole, data = audio.read_audio(path), bytearray(path.read_bytes())
    middle = data.find(b"mdat") + 8000
    data[middle : middle + 4000] = b"\xff" * 4000
    path.write_bytes(data)
    read = audio.read_audio(path)
    assert len(read) == len(whole)
    assert not np.array_equal(read, whole)
    np.testing.assert_array_equal(read[:10000], whole[:10000])
    np.testing.assert_allclose(read[-10000:], whole[-10000:], atol=1e-3)


def cut(data):
    return data[: len(data) // 2]


def faulty_files():
    ramp = np.arange(16000)

    def wav(path):
        write_wav(path, ramp)

    def not_finite(value):
        def write(path):
            samples = media_files.chirp(1.0, 16000).astype(np.float32)
            samples[5000] = value
            scipy.io.wavfile.write(path, 16000, samples)

        return write

    def shortened(write):
        def write_and_cut(path):
            write(path)
            path.write_bytes(cut(path.read_bytes()))

        return write_and_cut

    def mp4(path, **options):
        media_files.write_sound(
            path, media_files.chirp(4.0, 16000)[None], 16000, codec="aac", container="mp4"
        )

    def index_first(path):
        mp4(path)
        with av.open(str(path)) as source:
            moved = path.with_suffix(".moved")
            with av.open(str(moved), "w", "mp4", options={"movflags": "+faststart"}) as target:
                stream = target.add_stream_from_template(source.streams.audio[0])
                for packet in source.demux(audio=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        target.mux(packet)
        os.replace(moved, path)

    def silent_film(path):
        media_files.write_pictures(path, media_files.numbered_pictures(10), np.arange(10) / 25)

    return {
        "short": (lambda path: write_wav(path, ramp[:3199]), "at least 0.2 s"),
        "no samples": (lambda path: write_wav(path, ramp[:0]), "at least 0.2 s"),
        "nan": (not_finite(np.nan), "not finite"),
        "inf": (not_finite(np.inf), "not finite"),
        "empty": (lambda path: path.write_bytes(b""), "empty"),
        "text": (lambda path: path.write_text("hello " * 1000), "not a complete audio"),
        "noise": (
            lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
            "not a complete audio|no sound|at least 0.2 s",
        ),
        "cut wav": (shortened(wav), "cut off"),
        "cut mp4": (shortened(mp4), "not a complete audio"),
        "cut mp4, index first": (shortened(index_first), "cut off"),
        "no sound": (silent_film, "no sound"),
        "folder": (lambda path: path.mkdir(), "folder"),
        "pipe": (os.mkfifo, "pipe"),
        "missing": (lambda path: None, "no such file"),
    }


@pytest.mark.parametrize("channels", [0, 9, 64])
def test_odd_numbers_of_channels_are_told_of(tmp_path, channels):
    form = struct.pack("<IHHIIHH", 16, 1, channels, 16_000, 32_000 * channels, 2 * channels, 16)
    samples = bytes(32_000 * max(1, channels))
    body = b"WAVEfmt " + form + b"data" + struct.pack("<I", len(samples)) + samples
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(UserError, match=r"talk\.wav: .*(channels|no sound|not a complete)"):
        audio.read_audio(path)


@pytest.mark.parametrize("kind", faulty_files())
def test_faulty_files_are_named_in_one_line(tmp_path, kind):
    write, message = faulty_files()[kind]
    path = tmp_path / "fault.bin"
    write(path)
    with pytest.raises(UserError, match=message) as raised:
        audio.read_audio(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_excerpt_has_zeros_outside(tmp_path):
    sound = np.arange(1, 6401, dtype=np.int16)
    for start_frame in (-20, -2, 0, 3, 9, 40):
        start = 640 * (start_frame - 2) - 256
        excerpt = audio.audio_excerpt(sound, start_frame, 4)
        expected = [
            sound[s] if 0 <= s < len(sound) else 0 for s in range(start, start + 640 * 4 + 2912)
        ]
        np.testing.assert_array_equal(excerpt, expected)
        assert excerpt.dtype == np.int16
    assert audio.audio_excerpt(sound.astype(np.float32), 0, 1).dtype == np.float32
