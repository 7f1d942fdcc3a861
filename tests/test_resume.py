"""Stopped at any time and started again, a run ends with the bits of one that never stopped."""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import traverse_util

from jaxtalk.training.checkpoint import load_weights
from tests import small_syncnet, tiny_corpus

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 10


def train(workdir, **env):
    """Trains the stage psp of the tiny recipe in a process of its own; returns its exit code."""
    command = [
        *(sys.executable, "-m", "tests.training.tiny_stage", "--stage=psp"),
        *("--config=tests/training/tiny_stage.py", f"--workdir={workdir}"),
        *(f"--config.psp.num_steps={STEPS}", f"--compilation_cache={workdir.parent / 'cache'}"),
    ]
    env = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **env,
    }
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode


def arrays_of(directory):
    """Every array below a directory of checkpoints and weights: name -> bytes and shape."""
    arrays = {}
    with ocp.StandardCheckpointer() as checkpointer:
        for state in sorted(directory.glob("checkpoints/*/state")):
            tree = traverse_util.flatten_dict(checkpointer.restore(state), sep="/")
            arrays |= {f"{state.parent.name}/{name}": value for name, value in tree.items()}
    for name in ("weights", "weights_best"):
        tree = traverse_util.flatten_dict(load_weights(directory / name)[0], sep="/")
        arrays |= {f"{name}/{key}": value for key, value in tree.items()}
    return {name: (np.asarray(a).dtype, np.asarray(a).tobytes()) for name, a in arrays.items()}


def metrics_of(directory):
    """The lines of metrics.jsonl without the speed."""
    lines = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "steps_per_s"} for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "whole"
    assert train(workdir) == 0
    return workdir / "psp"


def test_interrupted_run_ends_with_the_same_bits(uninterrupted):
    workdir = uninterrupted.parents[1] / "parts"
    stage = workdir / "psp"
    checkpoints = stage / "checkpoints"

    assert train(workdir, TINY_SIGNAL="KILL:3") == -9  # before the first checkpoint
    assert not list(checkpoints.glob("[0-9]"))

    assert train(workdir, TINY_SIGNAL="TERM:5") == 128 + 15
    assert (checkpoints / "5").is_dir()
    assert not (stage / "finished.json").exists()

    # With a checkpoint behind it, at any step; the one of step 6, the best, may be half written.
    step = int(np.random.default_rng(3).integers(6, 9))
    assert train(workdir, TINY_SIGNAL=f"KILL:{step}") == -9
    assert {path.name for path in checkpoints.glob("[0-9]")} & {"5", "6"}
    assert not (stage / "finished.json").exists()

    assert train(workdir, TINY_KILL_IN_SAVE="8") == -9
    assert list(checkpoints.glob("8.*tmp*")), "the save had already ended"
    assert not (checkpoints / "8").exists()

    assert train(workdir) == 0
    assert not list(checkpoints.glob("*tmp*"))
    expected, found = arrays_of(uninterrupted), arrays_of(stage)
    assert any(name.startswith(f"{STEPS}/opt_state") for name in expected)
    assert any(name.startswith(f"{STEPS}/ema") for name in expected)
    assert expected == found
    assert metrics_of(uninterrupted) == metrics_of(stage)
    pictures = sorted(path.relative_to(uninterrupted) for path in uninterrupted.glob("*/*/*.png"))
    assert len(pictures) == 4
    for path in pictures:
        assert (uninterrupted / path).read_bytes() == (stage / path).read_bytes()


def test_killed_run_of_a_real_stage_on_a_corpus(tmp_path):
    """The loader, too, goes on where the last checkpoint has left it, or the bits would differ."""
    dataset = tiny_corpus.build_tiny_corpus(tmp_path / "corpus")
    values = {"num_steps": 40, "checkpoint_every": 5, "log_every": 1, "batch_size": 4}

    def start(name):
        command = small_syncnet.command(tmp_path / name, dataset, **values)
        quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
        env = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)

    assert start("whole").wait(300) == 0
    killed = start("parts")
    while killed.poll() is None and not (tmp_path / "parts/syncnet/checkpoints/5").is_dir():
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -9, "it was over before it was killed"
    assert start("parts").wait(300) == 0

    whole, parts = tmp_path / "whole/syncnet", tmp_path / "parts/syncnet"
    assert arrays_of(whole) == arrays_of(parts)
    assert metrics_of(whole) == metrics_of(parts)


def test_random_numbers_differ_from_step_to_step(uninterrupted):
    drawn = [m["train/noise"] for m in metrics_of(uninterrupted) if "train/noise" in m]
    assert len(set(drawn)) == STEPS
