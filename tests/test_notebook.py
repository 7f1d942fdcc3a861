"""The notebook, from top to bottom in a kernel of its own, with the weights of the bundle."""

import base64
import io
import json
import os
import pathlib
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from jaxtalk.media.audio import SAMPLES_PER_FRAME, read_audio, write_wav
from jaxtalk.talker import Talker

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "launch/colab_inference.ipynb"
SECONDS = 1


def execute(folder, **changes):
    """Runs a copy in `folder` with other values of the forms; (exit status, stderr, its cells)."""
    text = NOTEBOOK.read_text()
    for name, values in changes.items():
        # Code within JSON: quoted twice.
        found, value = (json.dumps(f"{name} = {json.dumps(v)} ")[1:-1] for v in values)
        assert text.count(found) == 1, name
        text = text.replace(found, value)
    path = folder / NOTEBOOK.name
    path.write_text(text)
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        # Nothing of the user's own Jupyter, its kernels least of all.
        "JUPYTER_PLATFORM_DIRS": "1",
        **{f"JUPYTER_{name}_DIR": str(folder / ".jupyter") for name in ("CONFIG", "DATA")},
        "JUPYTER_RUNTIME_DIR": str(folder / ".jupyter"),
        "IPYTHONDIR": str(folder / ".ipython"),
    }
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", path]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stderr, json.loads(path.read_text())["cells"]


def test_it_is_kept_without_outputs():
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder it ran in, id of a cell -> its outputs)."""
    folder = tmp_path_factory.mktemp("notebook")
    status, stderr, cells = execute(folder, SECONDS=(4, SECONDS))
    assert status == 0, stderr
    return folder, {cell["id"]: cell["outputs"] for cell in cells if "outputs" in cell}


def frames_of(path):
    """uint8 [T, H, W, 3], and the names of its streams' codecs."""
    with av.open(str(path)) as video:
        codecs = {stream.codec_context.name for stream in video.streams}
        return np.stack([f.to_ndarray(format="rgb24") for f in video.decode(video=0)]), codecs


@pytest.mark.parametrize("mode", ["audio_driven", "motion_controlled"])
def test_the_video_is_in_the_page_and_in_the_folder(run, mode):
    folder, outputs = run
    (output,) = outputs[mode.replace("_", "-")]
    assert "data:video/mp4;base64," in "".join(output["data"]["text/html"])
    frames, codecs = frames_of(folder / f"talk/{mode}.mp4")
    assert frames.shape == (25 * SECONDS, 64, 64, 3)
    assert codecs == {"h264", "aac"}
    assert np.abs(np.diff(frames.astype(float), axis=0)).max() > 10, "it moves"


def test_both_modes_differ_and_the_inputs_are_shown(run):
    folder, outputs = run
    driven, controlled = (
        frames_of(folder / f"talk/{name}.mp4")[0].astype(float)
        for name in ("audio_driven", "motion_controlled")
    )
    assert np.abs(driven - controlled).max() > 10
    shown = [key for output in outputs["show-inputs"] for key in output["data"]]
    assert {"image/png", "text/html"} <= set(shown)
    assert "install" in outputs and outputs["install"] == [], "it is installed already"


def test_the_video_is_that_of_the_bundle(run):
    with av.open(str(run[0] / "talk/audio_driven.mp4")) as video:
        assert Talker.load("bundle").name in video.metadata["comment"]


NUM_FRAMES = 10  # of what the user says


@pytest.fixture(scope="module")
def users(run, tmp_path_factory):
    """(folder, outputs) of a run with a portrait, speech and motion of the user's own.

    The portrait, wider than high and of a kind that no page shows, is the person of the motion.
    """
    folder, made = tmp_path_factory.mktemp("users"), run[0] / "talk"
    picture = Image.new("RGB", (96, 64), "red")
    picture.paste(Image.fromarray(frames_of(made / "motion.mp4")[0][0]), (16, 0))
    picture.save(folder / "me.bmp")
    write_wav(
        folder / "said.wav", read_audio(made / "speech.wav")[: NUM_FRAMES * SAMPLES_PER_FRAME]
    )
    (folder / "nod.mp4").write_bytes((made / "motion.mp4").read_bytes())
    files = {"PORTRAIT": "me.bmp", "SPEECH": "said.wav", "MOTION": "nod.mp4"}
    changes = {name: ("", str(folder / file)) for name, file in files.items()}
    status, stderr, cells = execute(folder, **changes)
    assert status == 0, stderr
    return folder, {cell["id"]: cell["outputs"] for cell in cells if "outputs" in cell}


def test_files_of_the_user_are_shown(users):
    folder, outputs = users
    portrait, sound, motion = (output["data"] for output in outputs["show-inputs"])
    with Image.open(io.BytesIO(base64.b64decode(portrait["image/png"]))) as picture:
        assert picture.size == (256, 256)
        small = np.asarray(picture.convert("RGB").resize((64, 64), Image.Resampling.BOX))
    with Image.open(folder / "me.bmp") as picture:
        seen = np.asarray(picture)[:, 16:80]
    assert np.abs(small.astype(float) - seen).mean() < 3
    for shown, name in ((sound, "said.wav"), (motion, "nod.mp4")):
        held = base64.b64encode((folder / name).read_bytes()).decode()
        assert held in "".join(shown["text/html"]).replace("\n", "")


def test_files_of_the_user_make_the_video(run, users):
    folder, _ = users
    assert sorted(p.name for p in (folder / "talk").iterdir()) == [
        "audio_driven.mp4",
        "motion_controlled.mp4",
    ]
    driven, controlled = (
        frames_of(folder / f"talk/{name}.mp4")[0].astype(float)
        for name in ("audio_driven", "motion_controlled")
    )
    assert driven.shape == controlled.shape == (NUM_FRAMES, 64, 64, 3)
    assert np.abs(driven - controlled).max() > 10
    with Image.open(folder / "me.bmp") as picture:
        own = np.asarray(picture)[:, 16:80]
    other = frames_of(run[0] / "talk/audio_driven.mp4")[0][0]
    assert np.abs(driven[0] - own).mean() < np.abs(driven[0] - other).mean()
