"""The launch scripts, run against stand-ins for gcloud and srun that write down what they get."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from absl import flags

from jaxtalk.training import command_line

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = [*sorted((ROOT / "launch").glob("*.sh")), ROOT / ".ci/run"]
TPU = ["--name", "talk", "--zone", "us-east5-a", "--bucket", "talk-bucket", "--type", "v5p-32"]


def bash(script, *args, cwd=ROOT, **env):
    return subprocess.run(
        ["bash", str(script), *args],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def stand_in(folder, name, body):
    """An executable `name` in folder/bin that logs its arguments; returns a PATH that finds it."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    log = f'line="$*"; echo "{name} ${{line//$\'\\n\'/ }}" >> {folder}/log'
    path.write_text(f"#!/usr/bin/env bash\n{log}\n{body}\n")
    path.chmod(0o755)
    return f"{path.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_executable_and_pass_shellcheck(script):
    assert os.access(script, os.X_OK)
    shellcheck = pathlib.Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("guide", ["README.md", "CONTRIBUTING.md", "launch/README.md"])
def test_guides_name_files_and_commands_that_exist(guide):
    text = (ROOT / guide).read_text()
    paths = re.findall(r"\b((?:configs|jaxtalk|launch|tests)/[\w/]+\.(?:py|sh|md))", text)
    modules = re.findall(r"-m ((?:jaxtalk|tfds_builders)[\w.]+)", text)
    assert paths and modules
    for name in [*paths, *(module.replace(".", "/") + ".py" for module in modules)]:
        assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\(([\w/.]+)\)", text):
        assert (ROOT / guide).parent.joinpath(link).exists(), link


def test_readme_has_every_option_of_generate():
    command = (ROOT / "jaxtalk/generate.py").read_text()
    section = (ROOT / "README.md").read_text().split("## Generate")[1].split("##")[0]
    for option in re.findall(r'add_argument\("(--\w+)"', command):
        assert option in section, option


def test_ci_runs_the_test_script():
    """With all extras for want of which tests are skipped."""
    text = (ROOT / ".ci/run").read_text()
    assert "bash launch/venv.sh torch,phonemes,beam\n" in text
    assert "exec bash launch/test.sh" in text


# Virtual environment, tests, quickstart: in a copy of the repository, with a stand-in for Python

PYTHON = """
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"-m pip --version"*) [ "$0" = .venv/bin/python ] ;;
  *"version_info[:2]"*) echo 3.12 ;;
  *"-m {broken}"*) exit 1 ;;
esac
"""


def checkout(folder, broken="nothing"):
    """(folder, path of the stand-in): launch and setup.py; a `broken` module fails."""
    shutil.copytree(ROOT / "launch", folder / "launch")
    shutil.copy(ROOT / "setup.py", folder)
    stand_in(folder, "python", PYTHON.format(broken=broken))
    return folder, str(folder / "bin" / "python")


def modules_run(folder):
    """Names after -m, in order, without the questions about the environment; empties the log."""
    lines = (folder / "log").read_text().splitlines()
    (folder / "log").unlink()
    runs = [line.split("-m ", 1)[1].split() for line in lines if "-m " in line]
    return [words[0] for words in runs if words[1:2] != ["--version"]]


def test_quickstart_runs_its_steps_and_says_where_the_video_is(tmp_path):
    folder, python = checkout(tmp_path)
    done = bash("launch/quickstart.sh", cwd=folder, PYTHON=python)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote runs/quickstart/talk.mp4"
    steps = [
        "tfds_builders.procedural_heads.build",
        "jaxtalk.train",
        "jaxtalk.data.export_clip",
        "jaxtalk.generate",
    ]
    assert modules_run(folder) == ["venv", "pip", *steps]
    bash("launch/quickstart.sh", cwd=folder, PYTHON=python)
    assert modules_run(folder) == steps  # installed already
    for name in ("install", "corpus", "train", "portrait", "generate"):
        assert re.search(rf"^ +\d+ s  {name}$", done.stdout, re.MULTILINE)


def test_quickstart_stops_at_the_step_that_fails(tmp_path):
    folder, python = checkout(tmp_path, broken="jaxtalk.train")
    done = bash("launch/quickstart.sh", cwd=folder, PYTHON=python)
    assert done.returncode == 1
    assert "stopped in step 'train'" in done.stderr
    assert modules_run(folder)[-1] == "jaxtalk.train"


def test_check_of_the_bundle_draws_the_corpus_and_passes_options_on(tmp_path):
    folder, python = checkout(tmp_path)
    done = bash("launch/check_bundle.sh", "--limit", "3", cwd=folder, PYTHON=python)
    assert done.returncode == 0, done.stderr
    last = (folder / "log").read_text().splitlines()[-1]
    assert "--checkpoint bundle" in last and last.endswith("--split test --limit 3")
    steps = ["tfds_builders.procedural_heads.build", "jaxtalk.evaluate"]
    assert modules_run(folder) == ["venv", "pip", *steps]


def trainings(folder):
    """Options of each call of jaxtalk.train in the log."""
    lines = (folder / "log").read_text().splitlines()
    return [line.split("-m jaxtalk.train ", 1)[1] for line in lines if "jaxtalk.train" in line]


def test_training_of_the_bundle_measures_what_it_has_made(tmp_path):
    folder, python = checkout(tmp_path)
    option = "--config.styletalker.num_steps=9"
    done = bash("launch/train_bundle.sh", option, cwd=folder, PYTHON=python)
    assert done.returncode == 0, done.stderr
    presets = {"bundle": "full", "bundle_no_flow": "no_flow", "bundle_no_sync": "no_sync"}
    begins = [
        f"--config configs/styletalker.py:{preset} --workdir runs/bundle/{name} "
        "--config.dataset.codes_dir=runs/bundle/codes "
        for preset, name in presets.items()
    ]
    frozen = [
        f"--config.pretrained.{stage}=runs/bundle/full/{stage}/weights"
        for stage in ("perceptual", "arcface", "psp", "syncnet")
    ]
    assert trainings(folder) == [
        begins[0] + f"--stage landmarks --dry_run {option}",
        *(begin + f"--dry_run {option}" for begin in begins),
        begins[0] + f"--stage landmarks {option}",
        begins[0] + option,
        begins[1] + " ".join([*frozen, option]),
        begins[2] + " ".join([*frozen[:3], option]),
    ]
    build, train = "tfds_builders.procedural_heads.build", "jaxtalk.train"
    pack = "jaxtalk.bundle.make"
    packed = [line for line in (folder / "log").read_text().splitlines() if pack in line]
    assert packed[1] == packed[0] + " --claims runs/evaluation/report.json"
    made = [pack, build, "jaxtalk.evaluate", pack]
    assert modules_run(folder)[2:] == [*[train] * 4, build, build, *[train] * 4, *made]


# ml_collections loads config files with a function that Python deprecates.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*spec_from_loader:DeprecationWarning")
def test_each_recipe_of_the_bundle_has_the_values_that_it_is_given(tmp_path, monkeypatch):
    """Those of the sync expert, too, which one of the recipes does not train."""
    folder, python = checkout(tmp_path)
    options = [
        "--config.syncnet.num_steps=900",
        "--config.start_from.syncnet=expert",
        "--config.styletalker.model.syncnet.width=6",
        "--config.psp.num_steps=8",
    ]
    done = bash("launch/train_bundle.sh", *options, cwd=folder, PYTHON=python)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(ROOT)
    called = [["train", *line.split()] for line in trainings(folder)]
    assert len(called) == 8
    for argv in called:
        values = flags.FlagValues()
        command_line.define_flags(values, argv)
        command_line.parse(argv, values)
        config = values.config
        assert (config.psp.num_steps, config.styletalker.model.syncnet.width) == (8, 6)
        if "syncnet" in config:
            assert (config.syncnet.num_steps, config.start_from.syncnet) == (900, "expert")
    assert sum("no_sync" in argv[2] for argv in called) == 2


@pytest.mark.parametrize("ablation", ["no_flow", "no_sync"])
def test_options_that_an_ablation_refuses_end_the_bundle_before_any_work(tmp_path, ablation):
    broken = f"jaxtalk.train --config configs/styletalker.py:bundle_{ablation} "
    folder, python = checkout(tmp_path, broken=broken)
    done = bash("launch/train_bundle.sh", "--config.psp.x=1", cwd=folder, PYTHON=python)
    assert done.returncode == 1
    called = trainings(folder)
    assert len(called) == {"no_flow": 3, "no_sync": 4}[ablation]
    assert all("--dry_run --config.psp.x=1" in options for options in called)
    assert modules_run(folder) == ["venv", "pip", *["jaxtalk.train"] * len(called)]


def test_ablation_trains_and_scores_each_preset(tmp_path):
    folder, python = checkout(tmp_path)
    done = bash("launch/ablation.sh", "--limit", "3", cwd=folder, PYTHON=python)
    assert done.returncode == 0, done.stderr
    lines = (folder / "log").read_text().splitlines()
    for preset in ("", ":no_flow", ":no_sync"):
        assert sum(line.split("--config ")[-1].split()[0] == f"configs/styletalker.py{preset}"
                   for line in lines if "jaxtalk.train" in line) == 1  # fmt: skip
    scored = [line for line in lines if "--protocols" in line]
    assert len(scored) == 3 and all(line.endswith("--limit 3") for line in scored)
    assert "--table" in lines[-1] and lines[-1].count("/cross_identity") == 3


@pytest.mark.parametrize("script", ["quickstart", "check_bundle", "train_bundle", "ablation"])
def test_commands_of_the_scripts_exist(script):
    text = (ROOT / f"launch/{script}.sh").read_text()
    for module in re.findall(r"-m (\S+)", text):
        path = ROOT / (module.replace(".", "/") + ".py")
        assert path.exists(), module
        source = path.read_text()
        if module == "jaxtalk.evaluate":
            source += (ROOT / "jaxtalk/scoring/arguments.py").read_text()
        options = re.split(r"\n *(?:step|\$python|done)", text.split(f"-m {module}", 1)[1])[0]
        for option in re.findall(r" --(\w+)", options):
            if module != "jaxtalk.train":  # its flags are absl's
                assert f'"--{option}"' in source, (module, option)


@pytest.mark.parametrize("broken", [None, "ruff", "pytest"])
def test_test_script_ends_with_the_status_of_what_it_runs(tmp_path, broken):
    folder, python = checkout(tmp_path, broken=broken)
    done = bash("launch/test.sh", "-q", cwd=folder, PYTHON=python)
    assert done.returncode == (0 if broken is None else 1)
    expected = ["venv", "pip", "ruff", "ruff", "pytest"]
    assert modules_run(folder) == (expected[:3] if broken == "ruff" else expected)


def test_interrupted_install_is_taken_up_again(tmp_path):
    folder, python = checkout(tmp_path, broken="pip install")
    assert bash("launch/venv.sh", "demo", cwd=folder, PYTHON=python).returncode != 0
    assert modules_run(folder) == ["venv", "pip"]
    assert bash("launch/venv.sh", "demo", cwd=folder, PYTHON=python).returncode != 0
    assert modules_run(folder) == ["pip"]


def test_old_python_is_refused(tmp_path):
    folder, _ = checkout(tmp_path)
    stand_in(folder, "old", "exit 1")
    done = bash("launch/venv.sh", "demo", cwd=folder, PYTHON=str(folder / "bin" / "old"))
    assert done.returncode == 1
    assert "is not Python 3.11 or newer" in done.stderr
    assert not (folder / ".venv").exists()


# What stands for Python knows only how to tell its version and to make the environment.
VERSIONED = """
case "$*" in
  *"version_info[:2]"*) echo {version} ;;
  *sys.exit*) exit 0 ;;
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""


@pytest.mark.parametrize(
    "installed, chosen",
    [
        ({"python3": "3.14", "python3.12": "3.12", "python3.11": "3.11"}, "python3.12"),
        ({"python3": "3.11", "python3.12": "3.12", "python3.11": "3.11"}, "python3"),
        ({"python3": "3.13", "python3.12": "none", "python3.11": "3.11"}, "python3.11"),
        ({"python3": "3.13", "python3.12": "none", "python3.11": "none"}, None),
    ],
)
def test_python_that_is_tested_is_preferred(tmp_path, installed, chosen):
    folder, _ = checkout(tmp_path)
    for name, version in installed.items():
        path = stand_in(folder, name, VERSIONED.format(version=version))
    env = {k: v for k, v in os.environ.items() if k != "PYTHON"}
    done = subprocess.run(
        ["bash", "launch/venv.sh", "demo"],
        cwd=folder,
        env={**env, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    makers = [
        line.split()[0] for line in (folder / "log").read_text().splitlines() if "-m venv" in line
    ]
    assert makers == ([chosen] if chosen else [])
    assert done.returncode == (0 if chosen else 1), done.stderr
    if not chosen:
        assert "is 3.11 or 3.12 (python3 is 3.13)" in done.stderr


# Cloud TPU


def test_tpu_dry_run_prints_every_command_and_calls_none(tmp_path):
    path = stand_in(tmp_path, "gcloud", "exit 1")
    done = bash(
        "launch/tpu_pod.sh",
        *("train", *TPU, "--spot", "--dry_run", "--", "--config", "configs/styletalker.py:paper"),
        PATH=path,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists()
    verbs = ["tpu-vm create talk", "git archive", "tpu-vm scp", "tpu-vm ssh", "jaxtalk.train"]
    positions = [done.stdout.index(verb) for verb in verbs]
    assert positions == sorted(positions)
    assert "--accelerator-type=v5p-32 --version=v2-alpha-tpuv5 --spot" in done.stdout
    # The flags take a value of the config only after the config itself.
    assert (
        "jaxtalk.train --distributed --workdir ../bucket/runs/talk --config "
        "configs/styletalker.py:paper --config.dataset.data_dir=../bucket/data'"
    ) in done.stdout


@pytest.mark.parametrize("action", ["upload", "stop", "delete"])
def test_tpu_dry_run_of_the_other_actions(tmp_path, action):
    path = stand_in(tmp_path, "gcloud", "exit 1")
    done = bash("launch/tpu_pod.sh", action, *TPU, "--dry_run", PATH=path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists()
    expected = {"upload": "gcloud storage rsync --recursive data gs://talk-bucket/data"}
    assert expected.get(action, f"tpu-vm {action} talk --zone=us-east5-a") in done.stdout


FAKE_TPU = """
state() {{ cat {folder}/state 2>/dev/null; }}
case "$4" in
  describe) [ -f {folder}/state ] || {{ echo "NOT_FOUND: no such TPU" >&2; exit 1; }}; state ;;
  create) echo READY > {folder}/state ;;
  delete) rm {folder}/state ;;
  scp) {scp} ;;
  ssh) case "$*" in *jaxtalk.train\\ --distributed*) {train} ;; esac ;;
esac
"""


def run_on_fake_tpu(folder, train, scp="exit 0"):
    stand_in(folder, "git", "exit 0")
    path = stand_in(folder, "gcloud", FAKE_TPU.format(folder=folder, train=train, scp=scp))
    args = ("train", *TPU, "--", "--config", "c")
    return bash("launch/tpu_pod.sh", *args, PATH=path, JAXTALK_PAUSE_S="0")


def log_of_verbs(folder):
    calls = [line.split() for line in (folder / "log").read_text().splitlines()]
    return [call[4] for call in calls if call[0] == "gcloud" and call[4] != "describe"]


def test_tpu_run_goes_on_after_a_preemption(tmp_path):
    train = f"""
      [ -f {tmp_path}/again ] && exit 0
      touch {tmp_path}/again; echo PREEMPTED > {tmp_path}/state; exit 255"""
    done = run_on_fake_tpu(tmp_path, train)
    assert done.returncode == 0, done.stdout + done.stderr
    one_life = ["create", "scp", "ssh", "ssh"]
    assert log_of_verbs(tmp_path) == [*one_life, "delete", *one_life]


def test_tpu_run_that_fails_on_a_healthy_machine_stops(tmp_path):
    done = run_on_fake_tpu(tmp_path, "exit 1")
    assert done.returncode == 1
    assert "failed three times" in done.stderr
    assert log_of_verbs(tmp_path).count("create") == 1


def test_tpu_run_without_its_code_does_not_start(tmp_path):
    done = run_on_fake_tpu(tmp_path, "exit 0", scp="exit 1")
    assert done.returncode == 1
    assert "failed three times" in done.stderr
    assert log_of_verbs(tmp_path) == ["create", "scp", "scp", "scp"]


def test_tpu_error_of_gcloud_does_not_create_a_machine(tmp_path):
    path = stand_in(tmp_path, "gcloud", "echo 'PERMISSION_DENIED: no' >&2; exit 1")
    done = bash("launch/tpu_pod.sh", "train", *TPU, PATH=path)
    assert done.returncode == 1
    assert "PERMISSION_DENIED" in done.stderr
    assert log_of_verbs(tmp_path) == []


@pytest.mark.parametrize(
    "args, message",
    [
        (["fly"], "action: found 'fly'"),
        (["train", "--name", "n", "--zone", "z", "--bucket", "b"], "--type: missing"),
        (["train", "--nmae", "n"], "--nmae: unknown option"),
    ],
)
def test_tpu_bad_arguments_are_named(args, message):
    done = bash("launch/tpu_pod.sh", *args)
    assert done.returncode == 1
    assert message in done.stderr


# Slurm


@pytest.mark.parametrize("flag_at", [0, 4])
def test_slurm_dry_run_prints_every_command_and_calls_none(tmp_path, flag_at):
    for name in ("srun", "sbatch", "scontrol"):
        path = stand_in(tmp_path, name, "exit 1")
    arguments = ["--config", "c", "--workdir", "w"]
    arguments.insert(flag_at, "--dry_run")
    done = bash("launch/slurm_gpu.sh", *arguments, PATH=path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists()
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["sbatch", "srun", "scontrol"]
    assert "jaxtalk.train --distributed --config c --workdir w" in lines[1]


def run_under_slurm(folder, train):
    path = stand_in(folder, "srun", train)
    stand_in(folder, "scontrol", "exit 0")
    return bash(
        ROOT / "launch/slurm_gpu.sh",
        *("--config", "c"),
        cwd=folder,
        PATH=path,
        SLURM_JOB_ID="7",
        SLURM_SUBMIT_DIR=str(folder),
    )


@pytest.mark.parametrize("status", [0, 3])
def test_slurm_job_ends_with_the_status_of_the_run(tmp_path, status):
    assert run_under_slurm(tmp_path, f"exit {status}").returncode == status
    assert "requeue" not in (tmp_path / "log").read_text()


def test_slurm_process_of_a_whole_node_takes_all_its_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "1")
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "4")
    assert run_under_slurm(tmp_path, "exit 0").returncode == 0
    assert "--local_device_ids=0,1,2,3" in (tmp_path / "log").read_text()


def test_slurm_job_is_saved_and_queued_again_near_its_time_limit(tmp_path):
    # The run sends its job the warning, as Slurm does, and leaves a mark when told to save.
    train = f"""
      trap 'echo saved >> {tmp_path}/log; exit 0' TERM
      kill -USR1 $PPID
      for _ in $(seq 300); do sleep 0.1; done
      exit 9"""
    done = run_under_slurm(tmp_path, train)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "log").read_text().splitlines()
    assert log[1:] == ["saved", "scontrol requeue 7"]


def test_slurm_script_outside_of_a_job_says_how_to_submit():
    env = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"}
    done = subprocess.run(
        ["bash", "launch/slurm_gpu.sh"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "sbatch launch/slurm_gpu.sh" in done.stderr
