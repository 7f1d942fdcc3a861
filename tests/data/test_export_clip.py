"""The command that writes a clip as files."""

import subprocess
import sys

import numpy as np

from jaxtalk.data.source import open_corpus
from jaxtalk.media import audio, image, video


def run(dataset, *arguments):
    command = [sys.executable, "-m", "jaxtalk.data.export_clip", "--dataset", dataset.name]
    command += ["--data_dir", dataset.data_dir, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_portrait_speech_and_video(dataset, tmp_path):
    names = [tmp_path / name for name in ("p.png", "a.wav", "v.mp4")]
    done = run(dataset, "--index", 1, "--image", names[0], "--audio", names[1], "--video", names[2])
    assert done.returncode == 0, done.stderr
    clip = open_corpus(dataset, "test")[1]
    portrait = video.decode_frames(clip["video"], [0])[0]
    np.testing.assert_array_equal(image.read_image(names[0]), portrait)
    np.testing.assert_array_equal(audio.to_int16(audio.read_audio(names[1])), clip["audio"])
    frames = np.stack(list(video.read_video(names[2])))
    true = video.decode_frames(clip["video"], range(len(clip["video"])))
    np.testing.assert_allclose(frames.astype(int), true, atol=12)
    assert len(audio.read_audio(names[2])) == len(clip["audio"])


def test_a_wrong_index_is_one_line(dataset):
    done = run(dataset, "--index", 3)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: index: found 3, expected 0 to 2 in 'test'"
