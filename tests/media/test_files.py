"""Nothing but the named local file is ever opened."""

import http.server
import os
import stat
import struct
import threading

import av
import numpy as np
import pytest
from PIL import Image

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, files, image, video
from tests import media_files

READERS = {
    "audio": audio.read_audio,
    "video": lambda path: list(video.read_video(path)),
    "image": image.read_image,
}


@pytest.fixture
def server(tmp_path):
    """(address of a web server on this machine that has speech.wav, list of its requests)."""
    media_files.write_sound(
        *(tmp_path / "speech.wav", media_files.chirp(1.0, 16000)[None], 16000),
        **{"codec": "pcm_s16le", "container": "wav"},
    )
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/speech.wav", requests
        running.shutdown()
        thread.join()


def playlists(target):
    """Text of files that make FFmpeg open another one."""
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/wav">'
        f"<Representation id='1'><BaseURL>{target}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=audio 5004 RTP/AVP 0\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<image xlink:href="{target}"/></svg>',
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", playlists(""))
def test_files_that_name_others_are_refused(tmp_path, server, reader, kind):
    address, requests = server
    for target in (address, "speech.wav", str(tmp_path / "speech.wav")):
        path = tmp_path / "innocent.mp4"
        path.write_text(playlists(target)[kind])
        with pytest.raises(UserError, match=r"innocent\.mp4"):
            READERS[reader](path)
    assert not requests


@pytest.mark.parametrize("reader", READERS)
def test_names_with_a_meaning_for_ffmpeg_are_only_names(tmp_path, monkeypatch, server, reader):
    address, requests = server
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("img001.png")
    names = (
        *(address, "concat:speech.wav|speech.wav", "file:speech.wav", "subfile,,start,0,end,0,,:a"),
        *("img%03d.png", "img*.png", "pipe:0", "data:audio/wav;base64,AAAA", "a\0b"),
    )
    for name in names:
        with pytest.raises(UserError):
            READERS[reader](name)
    assert not requests
    assert len(audio.read_audio("speech.wav")) == 16000


def film(path, sound_s, pictures_s, sound_start_s=0.0, **options):
    """A film of noise, which does not compress, whose streams have these lengths."""
    rng = np.random.default_rng(0)
    kind = "webm" if path.suffix == ".webm" else "matroska"
    with av.open(str(path), "w", format=kind, options=options) as file:
        pictures = file.add_stream("libvpx" if kind == "webm" else "libx264", rate=25)
        pictures.width = pictures.height = 32
        pictures.pix_fmt = "yuv420p"
        sound = file.add_stream("libopus", rate=48000, layout="mono")
        for i in range(round(25 * max(sound_s + sound_start_s, pictures_s))):
            if i < 25 * pictures_s:
                pixels = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
                picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                picture.pts = i
                file.mux(pictures.encode(picture))
            if 0 <= i - 25 * sound_start_s < 25 * sound_s:
                samples = rng.integers(-9999, 9999, (1, 1920)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48000, 1920 * i
                file.mux(sound.encode(frame))
        file.mux(pictures.encode(None))
        file.mux(sound.encode(None))


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_film_that_is_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    film(path, 2.0, 2.0)
    assert len(audio.read_audio(path)) == pytest.approx(32_000, abs=400)
    assert len(list(video.read_video(path))) == 50
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"the sound ends after .* expected 2\.0 s.* cut off"):
        audio.read_audio(path)
    with pytest.raises(UserError, match=r"the video ends after .* expected 2\.0 s.* cut off"):
        list(video.read_video(path))


FORMATS_OF_KNOWN_LENGTH = [
    ("wav", "pcm_s16le"),
    ("w64", "pcm_s16le"),
    ("aiff", "pcm_s16be"),
    ("au", "pcm_s16be"),
    ("flac", "flac"),
    ("mp3", "mp3"),
]


@pytest.mark.parametrize(("container", "codec"), FORMATS_OF_KNOWN_LENGTH)
def test_sound_that_is_cut_off_is_refused(tmp_path, container, codec):
    path = tmp_path / f"talk.{container}"
    samples = media_files.chirp(4, 44_100)[None]
    media_files.write_sound(path, samples, 44_100, codec=codec, container=container)
    assert len(audio.read_audio(path)) == pytest.approx(64_000, abs=2000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cut off"):
        audio.read_audio(path)


def test_film_in_riff_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "film.avi"
    pictures = media_files.numbered_pictures(50)
    media_files.write_pictures(
        path, pictures, np.arange(50) / 25, container="avi", codec="mpeg4", time_base=25
    )
    assert len(list(video.read_video(path))) == 50
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cut off"):
        list(video.read_video(path))


def riff(data_bytes, *, declared, size=None, extra=b""):
    """A wav file with a chunk before its samples; sizes as declared."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    body = b"WAVE" + form + b"junk" + struct.pack("<I", 3) + b"abc\0"
    body += b"data" + struct.pack("<I", declared) + bytes(data_bytes) + extra
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


@pytest.mark.parametrize("declared", [32_000, 0, 2**32 - 1])
def test_wav_that_is_whole_or_of_unknown_length(tmp_path, declared):
    path = tmp_path / "talk.wav"
    path.write_bytes(riff(32_000, declared=declared, size=None if declared == 32_000 else declared))
    assert len(audio.read_audio(path)) == pytest.approx(16_000, abs=400)


def test_wav_whose_samples_end_early_is_refused(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(riff(32_000, declared=60 * 32_000))
    with pytest.raises(UserError, match="cut off"):
        audio.read_audio(path)


@pytest.mark.parametrize(
    "lengths",
    [
        {"sound_s": 1.0, "pictures_s": 3.0},
        {"sound_s": 3.0, "pictures_s": 1.0},
        {"sound_s": 1.0, "pictures_s": 3.0, "sound_start_s": 2.0},
        {"sound_s": 1.0, "pictures_s": 2.0, "live": "1"},
    ],
)
def test_whole_film_with_streams_of_any_length_is_read(tmp_path, lengths):
    path = tmp_path / "film.webm"
    film(path, **lengths)
    end_s = lengths["sound_s"] + lengths.get("sound_start_s", 0.0)
    assert len(audio.read_audio(path)) == pytest.approx(16_000 * end_s, abs=400)
    assert len(list(video.read_video(path))) == 25 * lengths["pictures_s"]


@pytest.mark.parametrize(
    "found_s, expected_s, whole",
    [(9.6, 10, True), (9.4, 10, False), (0.8, 1, True), (0.6, 1, False), (0.2, 0.4, False)],
)
def test_what_may_be_missing_grows_with_the_length(found_s, expected_s, whole):
    if whole:
        files.check_whole("a.mp4", "the sound", found_s, expected_s)
    else:
        with pytest.raises(UserError, match="cut off"):
            files.check_whole("a.mp4", "the sound", found_s, expected_s)


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]
    with files.replacing(path) as temporary, open(temporary, "w") as file:
        file.write("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_replacing_says_where_it_cannot_write(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "such" / "folder.txt"):
        with pytest.raises(UserError, match=str(path)), files.replacing(path):
            pass
