"""The entry point, as a person starts it."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def train(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "jaxtalk.train", *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.arcface.num_stepz=3"], "did you mean --config.arcface.num_steps?"),
        (["--config.dataset.data_dir={tmp}"], "no corpus procedural_heads/demo_64 in {tmp}"),
        (["--workdir={tmp}/file/run"], "--workdir: cannot write to {tmp}/file/run"),
        (["--config.seed=-1"], "seed: found -1, expected a whole number"),
        (["--config.arcface.log_every=0"], "arcface.log_every: found 0, expected a whole number"),
    ],
)
def test_faults_are_told_in_one_line(tmp_path, arguments, words):
    (tmp_path / "file").write_text("")
    arguments = [f"--workdir={tmp_path}/run", *(a.format(tmp=tmp_path) for a in arguments)]
    result = train("--config=configs/arcface.py", *arguments)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert words.format(tmp=tmp_path) in line
    shown = train("--config=configs/arcface.py", *arguments, "--debug=true")
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr


def test_dry_run(tmp_path):
    result = train("--config=configs/arcface.py", f"--workdir={tmp_path}/run", "--dry_run")
    assert result.returncode == 0
    assert "jaxtalk.pretraining.arcface" in result.stdout
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("")
    result = train("--config=configs/arcface.py", f"--workdir={tmp_path}/file/run", "--dry_run")
    assert result.returncode == 0, "it writes nothing"
