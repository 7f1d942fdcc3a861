"""The builder: the same bytes from any number of processes, the schema, splits, bad clips."""

import hashlib
import io
import pathlib
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxtalk.core.errors import UserError
from tfds_builders.procedural_heads import build, clips, pool
from tfds_builders.procedural_heads.procedural_heads_dataset_builder import (
    CONFIGS,
    HeadsConfig,
    ProceduralHeads,
    SplitSize,
    clip_specs,
)

ROOT = pathlib.Path(__file__).parents[2]
FRAMES = 6
SPLITS = {
    "train": SplitSize(2, 2, FRAMES),
    "validation": SplitSize(1, 1, FRAMES),
    "test": SplitSize(1, 1, FRAMES),
}


def built(directory, num_processes, seed=0, splits=SPLITS):
    config = HeadsConfig(name="tiny", size=64, splits=splits, seed=seed)
    builder = ProceduralHeads(config=config, data_dir=directory, num_processes=num_processes)
    tfds.disable_progress_bar()
    builder.download_and_prepare()
    return pathlib.Path(builder.data_path)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return built(tmp_path_factory.mktemp("one"), num_processes=1)


def digests(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.iterdir()}


def test_the_same_bytes_from_two_processes(corpus, tmp_path):
    assert digests(built(tmp_path, num_processes=2)) == digests(corpus)


KILLED_BUILD = """
import os, signal, sys
from tests.tfds_builders import test_corpus
from tfds_builders.procedural_heads import clips, pool

make_clip = clips.make_clip

def killed(spec):
    if spec.key == "train_00001_01":
        os.kill(os.getpid(), signal.SIGKILL)
    return make_clip(spec)

pool.clips.make_clip = killed
test_corpus.built(sys.argv[1], num_processes=1)
"""


def test_a_build_that_was_killed_starts_again(corpus, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED_BUILD, str(tmp_path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    unfinished = tmp_path / "procedural_heads/tiny"
    assert any(unfinished.iterdir()) and not (unfinished / "1.0.0").exists()
    assert digests(built(tmp_path, num_processes=1)) == digests(corpus)


def test_another_seed_gives_other_people(tmp_path):
    spec = clips.ClipSpec(0, "test", 0, 0, 2, 64)
    one, other = clips.make_clip(spec), clips.make_clip(spec._replace(seed=1))
    assert one["text"] != other["text"]
    assert np.abs(one["mesh"][0] - other["mesh"][0]).max() > 0.05


def test_clips_of_a_speaker_share_the_person_not_the_moment():
    spec = clips.ClipSpec(0, "train", 3, 0, 2, 64)
    one, other = clips.make_clip(spec), clips.make_clip(spec._replace(clip=1))
    assert one["speaker"] == other["speaker"] and one["text"] != other["text"]
    assert not np.array_equal(one["video"][0], other["video"][0])
    # Width of the head, which no expression changes.
    wide = [np.linalg.norm(clip["mesh"][0, 0] - clip["mesh"][0, 16]) for clip in (one, other)]
    assert wide[0] == pytest.approx(wide[1], abs=1e-5)


def test_schema(corpus):
    source = tfds.builder_from_directory(corpus).as_data_source("train")
    assert len(source) == 4
    for clip in source:
        assert len(clip["video"]) == FRAMES
        image = Image.open(io.BytesIO(clip["video"][0]))
        assert image.format == "JPEG" and image.size == (64, 64) and image.mode == "RGB"
        shapes = {
            "audio": (FRAMES * 640,),
            "landmarks": (FRAMES, 68, 2),
            "mesh": (FRAMES, 315, 3),
            "expression": (FRAMES, 64),
            "pose": (FRAMES, 6),
            "mouth_box": (FRAMES, 4),
            "phonemes": (FRAMES,),
        }
        for key, shape in shapes.items():
            assert clip[key].shape == shape, key
            dtype = {"audio": np.int16, "phonemes": np.int32}.get(key, np.float32)
            assert clip[key].dtype == dtype, key
        assert (clip["fps"], clip["sample_rate_hz"]) == (25.0, 16_000)
        assert (clip["av_offset_frames"], clip["start_s"]) == (0, 0.0)
        assert clip["speaker"] == b"train_%05d" % clip["speaker_id"]
        emotion, level = clip["style"].decode().split("_")
        assert emotion in clips.motion.STYLES and level in "123"
        assert clip["phonemes"].min() >= 0 and clip["phonemes"].max() <= 40
        assert clip["landmarks"].min() > 0 and clip["landmarks"].max() < 64
        x0, y0, x1, y1 = clip["mouth_box"].T
        mouth = clip["landmarks"][:, 48:]
        assert (x0[:, None] <= mouth[..., 0]).all() and (mouth[..., 1] <= y1[:, None]).all()
        assert (x1 > x0).all() and (y1 > y0).all()
        assert 40 < clip["pose"][:, 5].mean() * -1 < 130
    assert "tensorflow" not in sys.modules


def test_splits_share_nobody_and_nothing_said(corpus):
    builder = tfds.builder_from_directory(corpus)
    said = {split: {clip["text"] for clip in builder.as_data_source(split)} for split in SPLITS}
    people = {
        split: {clip["speaker"] for clip in builder.as_data_source(split)} for split in SPLITS
    }
    for found in (said, people):
        assert len(set.union(*found.values())) == sum(len(part) for part in found.values())


def test_configs_name_every_clip_once():
    configs = {config.name: config for config in CONFIGS}
    names = ["bundle_64", "demo_64", "faces_64", "heads_128", "heads_256", "test_64"]
    assert sorted(configs) == names
    for config in CONFIGS:
        keys = [spec.key for spec in clip_specs(config)]
        assert len(keys) == len(set(keys))
    assert configs["heads_256"].splits["test"].speakers >= 24
    assert configs["demo_64"].splits["test"].frames >= 100


def test_one_frame_in_some():
    """A stride keeps every second frame of the same clip, and all of its sound."""
    config = HeadsConfig(name="few", size=64, splits={"train": SplitSize(1, 1, FRAMES, stride=2)})
    (spec,) = clip_specs(config)
    few, all_frames = clips.make_clip(spec), clips.make_clip(spec._replace(stride=1))
    assert (few["fps"], all_frames["fps"]) == (12.5, 25)
    for key in ("video", "landmarks", "mesh", "expression", "pose", "mouth_box", "phonemes"):
        np.testing.assert_array_equal(few[key], all_frames[key][::2], key)
    np.testing.assert_array_equal(few["audio"], all_frames["audio"])


@pytest.fixture
def broken(monkeypatch):
    """Makes clips of a speaker fail, and the others cost nothing."""
    made = clips.make_clip(clips.ClipSpec(0, "train", 0, 0, FRAMES, 64))

    def install(bad):
        def make_clip(spec):
            if bad(spec):
                raise ArithmeticError("no such face")
            return made

        monkeypatch.setattr(pool.clips, "make_clip", make_clip)

    return install


def test_a_bad_clip_is_reported_and_left_out(broken, tmp_path, capsys):
    broken(lambda spec: spec.key == "train_00001_01")
    path = built(tmp_path, num_processes=1)
    assert "train_00001_01: ArithmeticError: no such face" in capsys.readouterr().err
    builder = tfds.builder_from_directory(path)
    assert len(builder.as_data_source("train")) == 3
    assert len(builder.as_data_source("test")) == 1
    assert builder.info.metadata == {
        "skipped_train": ["train_00001_01: ArithmeticError: no such face"]
    }


def test_a_corpus_of_bad_clips_is_an_error(broken, tmp_path):
    broken(lambda spec: spec.split == "test")
    with pytest.raises(UserError, match=r"test: all 1 clips failed.*no such face"):
        built(tmp_path, num_processes=1)
    assert not list(tmp_path.glob("procedural_heads/tiny/1.0.0"))


def test_command_line(broken, tmp_path, monkeypatch, capsys):
    broken(lambda spec: False)
    tiny = HeadsConfig(name="tiny", size=64, splits=SPLITS)
    monkeypatch.setattr(build, "CONFIGS", [tiny])
    arguments = ["--config", "tiny", "--data_dir", str(tmp_path), "--num_processes", "1"]
    build.main(arguments)
    assert "36 frames" in capsys.readouterr().out
    build.main(arguments)
    assert "is built already" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    data_dir = tmp_path / "file" / "data"
    with pytest.raises(SystemExit) as stopped:
        build.main(["--data_dir", str(data_dir)])
    line = stopped.value.code
    assert line.startswith(f"error: --data_dir: cannot build in {data_dir} (Not a directory)")
    assert "\n" not in line
    with pytest.raises(UserError, match="cannot build in"):
        build.main(["--data_dir", str(data_dir), "--debug"])


def test_no_room_is_one_line(broken, tmp_path, monkeypatch):
    broken(lambda spec: False)
    monkeypatch.setattr(build, "CONFIGS", [HeadsConfig(name="tiny", size=64, splits=SPLITS)])
    words = ["--config", "tiny", "--data_dir", str(tmp_path), "--num_processes", "1"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(SystemExit) as stopped:
            build.main(words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = stopped.value.code
    assert line.startswith(f"error: --data_dir: cannot build in {tmp_path} (") and "\n" not in line
    assert "File too large" in line and line.endswith("make room, or name another folder")
    build.main(words)
    assert (tmp_path / "procedural_heads/tiny/1.0.0").is_dir()


def test_missing_espeak_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"espeakng-loader: not installed.*pip install"):
        list(pool.make_clips([clips.ClipSpec(0, "train", 0, 0, 2, 64)], num_processes=1))
