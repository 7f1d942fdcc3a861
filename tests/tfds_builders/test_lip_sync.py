"""Videos of drawn heads whose sound was shifted, seen by the SyncNet of the bundle."""

import functools
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jaxtalk.core.errors import UserError
from jaxtalk.media import video
from jaxtalk.media.image import decode_jpeg
from jaxtalk.metrics.sync import lip_sync_error, offset_distances
from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.scoring import faces, observers
from jaxtalk.training.checkpoint import save_weights
from tests import random_variables
from tests.scoring import small_clips
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.preparation import lip_sync
from tfds_builders.procedural_heads import clips
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

ROOT = pathlib.Path(__file__).parents[2]
FRAMES, MARGIN = 50, 19
# Frames by which the lips lag their speech, in the videos of the people 1 to 4.
OFFSETS = {"a": 4, "b": -7, "c": 12, "d": 0}
ARGUMENTS = ["--size", "64", "--min_face_px", "40", "--syncnet", "bundle"]


@functools.cache
def talk(number):
    """(list of uint8 [64, 64, 3], float [S]) of somebody whom the bundle has not seen."""
    clip = clips.make_clip(clips.ClipSpec(0, "test", number, 0, FRAMES + 2 * MARGIN, 64))
    return [decode_jpeg(blob) for blob in clip["video"]], clip["audio"] / 32768


def write(path, number, offset, speaker=None):
    """The middle of a person's clip; the sound begins `offset` frames later in it."""
    pictures, _ = talk(number)
    sound = talk(number if speaker is None else speaker)[1]
    first = (MARGIN + offset) * 640
    video_trees.write(
        path, pictures[MARGIN : MARGIN + FRAMES], sound=sound[first : first + 640 * FRAMES]
    )


def build(root, data_dir, *arguments):
    detector = framed_faces.whole_pictures
    return corpora.build(VideoFolder, root, data_dir, *ARGUMENTS, *arguments, detector=detector)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("shifted")
    for number, (name, offset) in enumerate(OFFSETS.items(), start=1):
        write(root / f"{name}/video.mp4", number, offset)
    write(root / "f/beyond.mp4", 1, 19)
    write(root / "f/dubbed.mp4", 1, 0, speaker=2)
    pictures, sound = talk(3)
    video_trees.write(root / "f/short.mp4", pictures[:24], sound=sound[: 24 * 640])
    return root


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    """(data_dir, corpus' folder, report)."""
    data_dir = tmp_path_factory.mktemp("data")
    return data_dir, *build(tree, data_dir, "--min_duration_s", "0.9")


def test_offsets_are_found(built):
    _, _, report = built
    found = {line["speaker"]: line["av_offset_frames"] for line in report if line["kept"]}
    assert found.keys() == OFFSETS.keys()
    errors = [abs(found[name] - offset) for name, offset in OFFSETS.items()]
    assert max(errors) <= 1 and errors.count(0) >= 2, found
    assert min(line["sync_confidence"] for line in report if line["kept"]) > 0.25


def test_what_cannot_be_brought_in_step_is_left_out(built):
    _, _, report = built
    reasons = corpora.left_out(report)
    assert reasons["f/short"] == "too short"
    # A recording of somebody else, or of 19 frames later, has no offset that stands out.
    assert reasons.keys() == {"f/beyond", "f/dubbed", "f/short"}
    assert {reasons["f/beyond"], reasons["f/dubbed"]} <= {"no sync", "out of sync"}
    details = {line["source"]: line["detail"] for line in report}
    assert "found 24 frames, expected at least 25" in details["f/short"]


def test_the_sound_is_brought_in_step(built):
    """Each clip has the sound of its own frames, and loses those whose sound the video lacks."""
    _, path, report = built
    builder = tfds.builder_from_directory(path)
    stored = {
        c["speaker"].decode(): c for s in builder.info.splits for c in builder.as_data_source(s)
    }
    found = {line["speaker"]: line["av_offset_frames"] for line in report if line["kept"]}
    lines = {line["speaker"]: line for line in report if line["kept"]}
    for number, (name, offset) in enumerate(OFFSETS.items(), start=1):
        clip, length = stored[name], FRAMES - abs(found[name])
        assert video.num_frames(clip["video"]) == length == len(clip["landmarks"])
        assert clip["audio"].shape == (640 * length,) and len(clip["phonemes"]) == length
        assert clip["start_s"] == pytest.approx(max(0, found[name]) / 25)
        assert clip["av_offset_frames"] == 0 and lines[name]["duration_s"] == length / 25
        true = talk(number)[1][640 * (MARGIN + max(0, found[name])) :][: 640 * length]
        true = np.roll(true, 640 * (found[name] - offset))
        assert np.corrcoef(true[640:-640], clip["audio"][640:-640])[0, 1] > 0.95, name


def test_goes_on_and_differs_by_what_decides(built, tree, capsys):
    data_dir, path, _ = built
    build(tree, data_dir, "--min_duration_s", "0.9", "--config", "again")
    assert "7 videos, 0 of them prepared now" in capsys.readouterr().out
    metadata = tfds.builder_from_directory(path).info.metadata
    assert metadata["syncnet"].startswith("procedural ")
    with pytest.raises(UserError, match=r"min_sync_confidence 0\.25 and not 0\.5"):
        build(tree, data_dir, "--min_duration_s", "0.9", "--min_sync_confidence", "0.5")


def test_thirty_frames_a_second(tree, tmp_path):
    """What is seen has 25 frames a second whatever the corpus has."""
    os.makedirs(tmp_path / "videos/b")
    os.link(tree / "b/video.mp4", tmp_path / "videos/b/video.mp4")
    arguments = ["--fps", "30", "--video", "jpeg"]
    path, report = build(tmp_path / "videos", tmp_path / "data", *arguments)
    assert report[0]["av_offset_frames"] == pytest.approx(OFFSETS["b"], abs=1)
    clip = tfds.builder_from_directory(path).as_data_source("train")[0]
    lost = -(-abs(report[0]["av_offset_frames"]) * 30 // 25)
    assert len(clip["video"]) == len(clip["mesh"]) == FRAMES * 30 // 25 - lost


def test_the_public_network_sees_the_face_in_the_whole_picture(tmp_path):
    fields = {"width": 16, "embedding_dim": 8}
    net, size = SyncNetCZ(**fields), 40
    inputs = jnp.zeros((1, 5, 224, 224, 3)), jnp.zeros((1, 20, 13))
    variables = random_variables.draw(net, *inputs)
    config = ConfigDict({"network": "syncnet", "model": {"syncnet": fields}})
    save_weights(tmp_path, {"syncnet": variables}, config)
    images, audio = small_clips.frames(size), small_clips.sound(size)
    points = small_clips.landmarks_of(images)
    looking = lip_sync.LipSync(lip_sync.find(tmp_path))
    assert looking.protocol == "syncnet_v2" and looking.name.startswith("syncnet_v2 ")
    found = looking.measure(images, audio, box=(0, 0, 4, 4), size=64, points=points)
    crops = faces.lip_sync_crops(images, points)[0][None, ..., ::-1].astype(np.float32)
    lips = jax.jit(lambda x: net.apply(variables, x, method="lip"))(crops)[0]
    speech = observers.load_observers({"syncnet": tmp_path}, stand_ins=None, families=("sync",))[
        "sync"
    ].hear(audio, size)
    expected = lip_sync_error(offset_distances(lips, speech, max_offset=16))
    assert found.offset == int(expected["offset"])
    assert found.confidence == pytest.approx(float(expected["lse_c"]), rel=1e-2)


def test_bad_options(tmp_path):
    os.makedirs(tmp_path / "videos")
    with pytest.raises(UserError, match=r"--syncnet: found no weights in .*none, expected"):
        build(tmp_path / "videos", tmp_path / "data", "--syncnet", str(tmp_path / "none"))
    with pytest.raises(UserError, match="expected those of syncnet"):
        arcface = str(ROOT / "jaxtalk/bundle/demo/arcface")
        build(tmp_path / "videos", tmp_path / "data", "--syncnet", arcface)
    with pytest.raises(UserError, match=r"--min_sync_confidence: found 1 without --syncnet"):
        corpora.build(
            VideoFolder, tmp_path / "videos", tmp_path / "data", "--min_sync_confidence", "1"
        )


WITHOUT = """
import sys
from tests.tfds_builders import corpora, video_trees
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

if __name__ == "__main__":
    video_trees.healthy(f"{sys.argv[1]}/videos/a/one.mp4")
    corpora.build(VideoFolder, f"{sys.argv[1]}/videos", f"{sys.argv[1]}/data")
    assert "jax" not in sys.modules and "flax" not in sys.modules
"""


def test_without_the_option_there_is_no_jax(tmp_path):
    script = tmp_path / "without.py"
    script.write_text(WITHOUT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
