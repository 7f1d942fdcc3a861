"""The command: what it writes, and one line for each thing that a user can get wrong."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from jaxtalk import generate
from jaxtalk.core.errors import UserError
from jaxtalk.media import inputs
from jaxtalk.media.audio import write_wav
from jaxtalk.media.image import write_png
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.talker import Talker
from tests import tiny_talker
from tests.tfds_builders import framed_faces


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a checkpoint, a portrait and 0.5 s of sound."""
    folder = tmp_path_factory.mktemp("files")
    tiny_talker.save(folder / "run")
    write_png(folder / "me.png", np.full((48, 48, 3), 90, np.uint8))
    rng = np.random.default_rng(0)
    write_wav(folder / "talk.wav", 0.2 * rng.standard_normal(8000).astype(np.float32))
    return folder


@pytest.fixture
def loaded(monkeypatch):
    """Commands take the one model that is compiled already."""
    monkeypatch.setattr(Talker, "load", lambda checkpoint: tiny_talker.loaded())
    return tiny_talker.loaded()


def run(files, **options):
    """Runs the command; options replace or add to those of a run that works."""
    usual = {
        "checkpoint": files / "run",
        "image": files / "me.png",
        "audio": files / "talk.wav",
        "out": files / "talk.mp4",
    }
    generate.main([f"--{name}={value}" for name, value in {**usual, **options}.items()])


def test_crop_takes_the_square_around_the_face(files, loaded, tmp_path, monkeypatch):
    """Of portrait and motion; at the edge of a wide picture it would else be cut off."""
    picture = np.zeros((80, 240, 3), np.uint8)
    picture[16:64, 178:222] = 255, 0, 255
    write_png(tmp_path / "wide.png", picture)
    with VideoWriter(tmp_path / "wide.mp4") as writer:
        for _ in range(8):
            writer.write(picture)
    taken = {}
    generate_frames = Talker.generate

    def spy(self, image, audio, **options):
        taken.update(options)
        return generate_frames(self, image, audio, **options)

    monkeypatch.setattr(Talker, "generate", spy)
    monkeypatch.setattr(inputs, "face_detector", framed_faces.framed_faces)
    options = {"image": tmp_path / "wide.png", "motion": tmp_path / "wide.mp4"}
    run(files, out=tmp_path / "talk.mp4", crop="face", **options)
    for box in (taken["box"], taken["motion_box"]):
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        np.testing.assert_allclose(centre, (200, 40), atol=2)
        assert box[2] - box[0] == pytest.approx(1.2 * 48, abs=4)
    write_png(tmp_path / "nobody.png", np.zeros((80, 240, 3), np.uint8))
    with pytest.raises(SystemExit):
        run(files, out=tmp_path / "none.mp4", crop="face", image=tmp_path / "nobody.png")
    assert not (tmp_path / "none.mp4").exists()


def test_writes_an_mp4_with_sound_and_a_note(files, loaded, tmp_path, capsys):
    out = tmp_path / "talk.mp4"
    run(files, out=out, seed=7)
    assert f"{out}: 0.52 s, 13 frames, " in capsys.readouterr().out
    with av.open(str(out)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert video.average_rate == 25
        assert "ynthetic" in container.metadata["comment"]
        assert loaded.name in container.metadata["comment"]
        assert "seed 7" in container.metadata["comment"]
        assert sum(1 for _ in container.decode(video)) == 13
    head = out.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # plays while it loads
    assert os.listdir(tmp_path) == ["talk.mp4"]


def test_chunks_do_not_change_the_file(files, loaded, tmp_path):
    for chunk_frames in (3, 100):
        out = tmp_path / f"{chunk_frames}.mp4"
        run(files, out=out, chunk_frames=chunk_frames)
    assert (tmp_path / "3.mp4").read_bytes() == (tmp_path / "100.mp4").read_bytes()


def rgba(path):
    Image.new("RGBA", (64, 64), (10, 200, 30, 0)).save(path)


def sixteen_bit(path):
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(path)


def turned(path):
    exif = Image.Exif()
    exif[274] = 6  # the camera was held sideways
    Image.new("RGB", (64, 40), (9, 9, 9)).save(path, "JPEG", exif=exif)


def cmyk(path):
    Image.new("CMYK", (64, 64), (10, 20, 30, 40)).save(path, "JPEG")


@pytest.mark.parametrize("make", [rgba, sixteen_bit, turned, cmyk])
def test_unusual_pictures_work(files, loaded, tmp_path, make):
    image = tmp_path / ("me.png" if make in (rgba, sixteen_bit) else "me.jpg")
    make(image)
    run(files, image=image, out=tmp_path / "o.mp4")
    assert (tmp_path / "o.mp4").exists()


def test_silence_works(files, loaded, tmp_path):
    write_wav(tmp_path / "silence.wav", np.zeros(4000, np.int16))
    run(files, audio=tmp_path / "silence.wav", out=tmp_path / "o.mp4")
    assert (tmp_path / "o.mp4").exists()


# What goes wrong: (option, maker of the file or None, what the line says)


def text(path):
    path.write_text("not what you think\n" * 100)


def empty(path):
    path.touch()


def truncated_png(path):
    write_png(path, np.random.default_rng(0).integers(0, 255, (99, 99, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:5000])


def small(path):
    write_png(path, np.zeros((31, 300, 3), np.uint8))


def huge(path):
    Image.new("1", (8001, 8001)).save(path)


def playlist(path):
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost/talk.ts\n#EXT-X-ENDLIST\n")


def concat(path):
    path.write_text("ffconcat version 1.0\nfile talk.wav\n")


def short(path):
    write_wav(path, np.zeros(3199, np.int16))


def sound_only(path):
    write_wav(path, np.zeros(16000, np.float32))


def truncated_wav(path):
    write_wav(path, np.zeros(32_000, np.int16))
    path.write_bytes(path.read_bytes()[:20_000])


def nan_wav(path):
    samples = np.full(8000, np.nan, "<f4").tobytes()
    # A RIFF header for 32-bit floats, mono, 16 kHz.
    form = np.array([0x00010003, 16_000, 64_000, 0x00200004], "<u4").tobytes()
    body = b"WAVEfmt \x10\0\0\0" + form + b"data" + len(samples).to_bytes(4, "little") + samples
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


def mute(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def folder(path):
    path.mkdir()


def other_weights(path):
    (path / "weights").mkdir(parents=True)
    (path / "weights" / "weights.npz").write_bytes(b"broken")


BAD = [
    ("image", "none.png", None, "no such file"),
    ("image", "me.png", empty, "empty"),
    ("image", "me.png", text, "not a picture"),
    ("image", "me.png", truncated_png, "does not decode"),
    ("image", "me.png", small, "found 300 x 31 px, expected at least 32 px"),
    ("image", "me.png", huge, "expected at most 64 megapixels"),
    ("image", "me.png", folder, "folder"),
    ("audio", "none.wav", None, "no such file"),
    ("audio", "talk.wav", empty, "empty"),
    ("audio", "talk.wav", text, "not a complete audio or video file"),
    ("audio", "talk.m3u8", playlist, "not a complete audio or video file"),
    ("audio", "talk.txt", concat, "not a complete audio or video file"),
    ("audio", "talk.wav", short, "expected at least 0.2 s"),
    ("audio", "talk.wav", truncated_wav, "cut off"),
    ("audio", "talk.wav", nan_wav, "not finite"),
    ("audio", "talk.mp4", mute, "no sound in it"),
    ("motion", "none.mp4", None, "no such file"),
    ("motion", "clip.mp4", text, "not a complete audio or video file"),
    ("motion", "clip.m3u8", playlist, "not a complete audio or video file"),
    ("motion", "clip.wav", truncated_wav, "cut off"),
    ("motion", "clip.wav", sound_only, "no pictures in it"),
    ("checkpoint", "none", None, "python -m jaxtalk.train --config configs/styletalker.py"),
    ("checkpoint", "run", folder, "found no weights"),
    ("checkpoint", "run", other_weights, "cannot be read"),
    ("out", "none/talk.mp4", None, "cannot write there"),
    ("out", "talk.avi", None, ".mp4"),
    ("out", "talk.mp4", folder, "found a folder"),
]


IDS = [f"{option}-{getattr(make, '__name__', name)}" for option, name, make, _ in BAD]


def failure(files, **options):
    """The line that the command ends with."""
    with pytest.raises(SystemExit) as stopped:
        run(files, **options)
    line = stopped.value.code  # a text here is printed to stderr and means exit status 1
    assert line.startswith("error: ") and "\n" not in line
    return line


@pytest.mark.parametrize("option, name, make, message", BAD, ids=IDS)
def test_fault_of_the_user_is_one_line(files, request, tmp_path, option, name, make, message):
    if option != "checkpoint":
        request.getfixturevalue("loaded")
    path = tmp_path / name
    if make is not None:
        make(path)
    before = sorted(tmp_path.rglob("*"))
    line = failure(files, **{"out": tmp_path / "out.mp4", option: path})
    assert message in line
    assert str(path) in line
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


@pytest.mark.parametrize("option", ["image", "audio", "motion"])
@pytest.mark.parametrize("by", ["name", "link"])
def test_a_source_is_never_replaced(files, loaded, tmp_path, option, by):
    source = tmp_path / "source.mp4"
    source.write_bytes(b"the only copy")
    out = source
    if by == "link":
        out = tmp_path / "link.mp4"
        out.symlink_to(source)
    line = failure(files, **{option: source, "out": out})
    assert f"--out: found {out}, which is the file of --{option}" in line
    assert source.read_bytes() == b"the only copy"


def test_full_disk_is_one_line(files, loaded, tmp_path, monkeypatch):
    def full(writer, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate.VideoWriter, "write", full)
    assert "No space left on device" in failure(files, out=tmp_path / "talk.mp4")
    assert not os.listdir(tmp_path)


def test_read_only_folder_is_named(files, loaded, tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert "cannot write there: permission denied" in failure(files, out=tmp_path / "talk.mp4")


def test_failed_command_ends_with_status_1_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "jaxtalk.generate", "--checkpoint", str(tmp_path)]
    for option in ("image", "audio", "out"):
        command += [f"--{option}", str(tmp_path / "none.mp4")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: checkpoint: found no weights")
    assert "Traceback" not in done.stderr


def test_debug_shows_where_it_comes_from(files, loaded, tmp_path):
    options = {
        "checkpoint": files / "run",
        "image": tmp_path / "none.png",
        "audio": files / "talk.wav",
        "out": tmp_path / "talk.mp4",
    }
    with pytest.raises(UserError, match="no such file"):
        generate.main(["--debug", *(f"--{name}={value}" for name, value in options.items())])


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ({"sead": 1}, "unrecognized arguments: --sead=1"),
        ({"seed": "one"}, "--seed: invalid int value: 'one'"),
    ],
)
def test_misspelt_option_is_named(files, flag, words):
    assert failure(files, **flag) == f"error: {words}"
