"""Eight devices, or two processes, train as one device does."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

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
    env = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        **env,
    }
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def start_two(workdir, **env):
    """Two processes that find each other on this machine."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = ("--distributed", f"--coordinator_address=localhost:{port}", "--num_processes=2")
    return [start(workdir, *flags, f"--process_id={i}", **(env if i else {})) for i in (0, 1)]


def finish(*processes, code=0):
    """What they printed; all must end with `code`."""
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [code] * len(processes), outputs
    return outputs


def losses(workdir):
    """(stage, step, name) -> value of all that was logged, speed aside."""
    return {
        (stage, line["step"], name): value
        for stage in ("psp", "styletalker")
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
    assert len({key[:2] for key in found}) == 12
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
