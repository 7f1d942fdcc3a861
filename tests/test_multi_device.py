"""Eight devices, or two processes, train as one device does."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests import small_syncnet, tiny_corpus

ROOT = pathlib.Path(__file__).parents[1]


def start(workdir, *flags, devices=1, **env):
    """A process that trains both stages of the tiny recipe."""
    command = [
        *(sys.executable, "-m", "tests.training.tiny_stage", f"--workdir={workdir}"),
        *(
            "--config=tests/training/tiny_stage.py",
            f"--compilation_cache={workdir.parent / 'cache'}",
            *flags,
        ),
        *(f"--config.{stage}.num_steps=6" for stage in ("psp", "styletalker")),
    ]
    return launch(command, devices, **env)


def start_syncnet(workdir, dataset, *flags, devices=1):
    """A process that trains the real stage syncnet for three steps."""
    every = {"log_every": 1, "eval_every": 1}
    return launch(small_syncnet.command(workdir, dataset, *flags, num_steps=3, **every), devices)


def launch(command, devices, **env):
    """A process that sees so many virtual devices."""
    env = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        # Compiling takes longer than the steps.
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        **env,
    }
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def flags_of_two():
    """Flags of two processes that find each other on this machine."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = ("--distributed", f"--coordinator_address=localhost:{port}", "--num_processes=2")
    return [(*flags, f"--process_id={i}") for i in (0, 1)]


def start_two(workdir, **env):
    """Two processes; `env` is for the second."""
    first, second = flags_of_two()
    return [start(workdir, *first), start(workdir, *second, **env)]


def finish(*processes, code=0):
    """What they printed; all must end with `code`."""
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [code] * len(processes), outputs
    return outputs


def losses(workdir, stages=("psp", "styletalker")):
    """(stage, step, name) -> value of all that was logged, speed aside."""
    return {
        (stage, line["step"], name): value
        for stage in stages
        for line in map(json.loads, (workdir / stage / "metrics.jsonl").read_text().splitlines())
        for name, value in line.items()
        if name != "steps_per_s"
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("alone")
    finish(start(workdir))
    return losses(workdir)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert len({key[:2] for key in found}) == 14  # steps 0 .. 6 of two stages
    names = sorted(expected)
    np.testing.assert_allclose([found[n] for n in names], [expected[n] for n in names], rtol=2e-4)


def test_eight_devices(alone, tmp_path):
    (output,) = finish(start(tmp_path, devices=8))
    assert "trains on 8 x" in output
    assert_same(losses(tmp_path), alone)


def test_two_processes_stopped_and_resumed(alone, tmp_path):
    """The signal reaches only the second of them; both save, and go on together."""
    outputs = finish(*start_two(tmp_path, TINY_SIGNAL="TERM:3"), code=128 + 15)
    assert outputs[0].count("saved step") == 1
    assert "psp 1/6" not in outputs[1], "only the first process speaks"
    assert not (tmp_path / "psp/finished.json").exists()

    outputs = finish(*start_two(tmp_path))
    assert "goes on from checkpoint" in outputs[0]
    assert "trains on 2 x" in outputs[0]
    assert_same(losses(tmp_path), alone)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_corpus.build_tiny_corpus(tmp_path_factory.mktemp("corpus"))


def test_a_real_stage_on_eight_devices(dataset, tmp_path):
    """The loss compares the clips of all devices, and the batch statistics are of all of them."""
    finish(start_syncnet(tmp_path / "one", dataset))
    (output,) = finish(start_syncnet(tmp_path / "eight", dataset, devices=8))
    assert "trains on 8 x" in output
    expected, found = (losses(tmp_path / name, ["syncnet"]) for name in ("one", "eight"))
    names = sorted(expected)
    assert found.keys() == expected.keys()
    assert ("syncnet", 3, "eval/loss") in expected
    for name in names:
        if name[2] == "eval/offset":  # of a network that knows nothing it may be any
            continue
        # The last bits of a sum can turn a rank round: of 32 clips, let that be two.
        tolerance = {"atol": 2 / 32} if "recall" in name[2] else {"rtol": 2e-3}
        np.testing.assert_allclose(found[name], expected[name], **tolerance, err_msg=str(name))


def test_two_processes_read_their_shares_of_a_corpus(dataset, tmp_path):
    outputs = finish(*(start_syncnet(tmp_path / "two", dataset, *f) for f in flags_of_two()))
    assert "trains on 2 x" in outputs[0]
    assert (tmp_path / "two/syncnet/weights/weights.npz").is_file()
    state = json.loads((tmp_path / "two/syncnet/finished.json").read_text())
    assert state["num_steps"] == 3
    assert all(np.isfinite(value) for value in losses(tmp_path / "two", ["syncnet"]).values())
