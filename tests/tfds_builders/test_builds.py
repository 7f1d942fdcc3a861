"""Builds that are killed, fail, find no room, or run on Apache Beam."""

import os
import pathlib
import resource
import signal
import subprocess
import sys

import pytest

from jaxtalk.core.errors import UserError
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.preparation import run
from tfds_builders.video_folder import build
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

ROOT = pathlib.Path(__file__).parents[2]


KILLED_BUILD = """
import os, signal, sys
from tests.tfds_builders import corpora
from tfds_builders.preparation import guard
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

prepare = guard.Worker.prepare
def killed(self, source):
    if source.name == "b/two":
        os.kill(os.getpid(), signal.SIGKILL)
    prepare(self, source)

guard.Worker.prepare = killed
if __name__ == "__main__":
    corpora.build(VideoFolder, sys.argv[1], sys.argv[2])
"""


def test_a_build_that_was_killed_goes_on(tmp_path, capsys):
    video_trees.healthy(tmp_path / "videos/a/one.mp4", 0)
    video_trees.healthy(tmp_path / "videos/b/two.mp4", 1)
    script = tmp_path / "killed.py"
    script.write_text(KILLED_BUILD)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "videos"), str(tmp_path / "data")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "data/video_folder/default/1.0.0").exists()
    path, report = corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")
    assert "2 videos, 1 of them prepared now" in capsys.readouterr().out
    whole, whole_report = corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "whole")
    assert corpora.contents(path) == corpora.contents(whole)
    assert report == whole_report and len(corpora.kept(report)) == 2


def test_nothing_to_keep(tmp_path):
    video_trees.write(tmp_path / "videos/a/room.mp4", video_trees.empty_room(30))
    with pytest.raises(UserError, match="no clip to keep among 1 videos, no face: 1; see"):
        corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")
    report = corpora.read_report(tmp_path / "data/video_folder/default")
    assert corpora.left_out(report) == {"a/room": "no face"}


def test_another_video_of_the_same_name_is_not_built_already(tmp_path, capsys):
    video_trees.healthy(tmp_path / "videos/a/one.mp4", 0)
    corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")
    corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")
    assert "is built already" in capsys.readouterr().out
    video_trees.healthy(tmp_path / "videos/a/one.mp4", 1)
    with pytest.raises(UserError, match=r"with video_files \w{16} and not \w{16}; give this one"):
        corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--root: found file.txt in .*, and no video below it; expected files that end in"),
        ("--fps 30", "--fps: found 30 with --video mp4"),
        ("--size 7", "--size: found 7, expected an even number"),
        ("--max_clip_s 0.5", "--max_clip_s: found 0.5, expected at least --min_duration_s, 1"),
        ("--expression_basis {}/file.txt", ".*file.txt: the file is empty"),
    ],
)
def test_faults(tmp_path, arguments, message):
    root = tmp_path / "videos"
    root.mkdir()
    (root / "file.txt").touch()
    words = arguments.format(root).split()
    with pytest.raises(UserError, match=message):
        corpora.build(VideoFolder, root, tmp_path / "data", *words)
    assert not (tmp_path / "data/prepared").exists()


def test_a_fault_is_one_line_on_the_command_line(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        build.main(["--root", f"{tmp_path}/none", "--data_dir", f"{tmp_path}/data"])
    assert stopped.value.code == (
        f"error: --root: found {tmp_path}/none (no such file or directory), expected the folder of "
        "the data set"
    )


def test_a_store_that_cannot_be_written_ends_the_build(tmp_path):
    video_trees.healthy(tmp_path / "videos/a/one.mp4")
    builder = VideoFolder(data_dir=tmp_path / "data", detector=framed_faces.framed_faces)
    job = builder.job
    (source,) = builder.list_sources(str(tmp_path / "videos")).sources
    folder = pathlib.Path(job.folder, job.parameters.digest)
    folder.mkdir(parents=True)
    (folder / "results").touch()  # a file where a folder should be
    with pytest.raises(UserError, match=r"--data_dir: cannot write .*Not a directory.*start again"):
        run.prepare_here([source], job, 2)


def test_no_room_for_the_corpus(tmp_path):
    """The next build writes it from what was prepared."""
    video_trees.healthy(tmp_path / "videos/a/one.mp4")
    corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(UserError, match=r"--data_dir: cannot build .*File too large.*; expect"):
            corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data", "--config", "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "data/video_folder/b/1.0.0").exists()
    path, _ = corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "data", "--config", "b")
    assert list(corpora.contents(path)["train"]) == ["a/one/000"]


@pytest.mark.filterwarnings("ignore")  # Beam's own
def test_with_apache_beam(tmp_path):
    pytest.importorskip("apache_beam")
    video_trees.healthy(tmp_path / "videos/a/one.mp4", 0)
    video_trees.healthy(tmp_path / "videos/b/two.mp4", 1)
    (tmp_path / "videos/b/empty.mp4").touch()
    here, report = corpora.build(VideoFolder, tmp_path / "videos", tmp_path / "here")
    options = "direct_running_mode=multi_processing,direct_num_workers=2"
    beam, beam_report = corpora.build(
        VideoFolder, tmp_path / "videos", tmp_path / "beam", "--beam_pipeline_options", options
    )
    assert corpora.contents(beam) == corpora.contents(here)
    assert beam_report == report and len(report) == 3
