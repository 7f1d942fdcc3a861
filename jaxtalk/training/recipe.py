"""A recipe: stages in order, each trained unless its weights exist.

Weights of a stage are looked for in this order:

  1. `config.pretrained[<stage>]`, a directory with weights that the user names;
  2. `<workdir>/<stage>/weights`, if the stage has reached its `num_steps`;
  3. `jaxtalk/bundle/<preset>/<stage>`, with `config.use_bundle`, unless the work directory holds
     a checkpoint of the stage, and never for the stage that the run is for.
"""

import dataclasses
import difflib
import importlib
import json
import os
import pathlib
import pkgutil
import tempfile

from jaxtalk.core.errors import UserError, config_faults_of
from jaxtalk.core.stage import Stage
from jaxtalk.training import checkpoint, config_diff, encoding, loop
from jaxtalk.training import mesh as mesh_lib
from jaxtalk.training.metric_writer import say

BUNDLE = pathlib.Path(__file__).resolve().parents[1] / "bundle"
_FINISHED_HERE = "finished here"
_COUNTS = (
    "batch_size",
    "num_steps",
    "num_eval_batches",
    "log_every",
    "checkpoint_every",
    "eval_every",
    "preview_every",
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A stage of a plan: trained, or taken from `weights`, a directory."""

    name: str
    module: str
    stage: Stage
    weights: pathlib.Path | None
    origin: str


def make_stage(config, name):
    """(module, Stage) of `config[name]`.

    Raises:
      UserError: no such stage in the recipe, or no such module, and lists the choices; values of
        the stage that are not positive or do not go together.
    """
    if name not in config.stages:
        near = difflib.get_close_matches(name, config.stages, 1, 0.0)[0]
        raise UserError(
            f"stage: found {name!r}, expected one of {', '.join(config.stages)}; "
            f"did you mean {near!r}?"
        )
    path = config[name].module
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise UserError(
            f"{name}.module: found {path!r}, expected one of {', '.join(_stage_modules())}"
        ) from error
    for key in _COUNTS:
        found = config[name][key]
        if not isinstance(found, int) or found < 1:
            raise UserError(
                f"{name}.{key}: found {found!r}, expected a whole number of 1 or more; change it "
                f"with --config.{name}.{key}=..."
            )
    with config_faults_of(name):
        return module, module.make(config[name])


def _stage_modules():
    """Import paths of the packages that stages live in."""
    root = pathlib.Path(__file__).resolve().parents[1]
    return [
        f"jaxtalk.{folder}.{package.name}"
        for folder in ("systems", "pretraining")
        for package in pkgutil.iter_modules([str(root / folder)])
        if package.ispkg
    ]


def plan(config, workdir, *, target=None, accept_changes=False):
    """What a run does: the jobs in the order of the recipe.

    Args:
      config: the recipe.
      workdir: the work directory, which need not exist.
      target: the one stage to train; None: the last of the recipe, after those that it needs.
      accept_changes: take finished weights although values of the config differ.

    Raises:
      UserError: a negative seed; unknown stage; weights of another configuration; with `target`,
        a stage that it needs has no weights.
    """
    if not isinstance(config.seed, int) or config.seed < 0:
        raise UserError(f"seed: found {config.seed!r}, expected a whole number of 0 or more")
    goal = target or config.stages[-1]
    make_stage(config, goal)
    jobs, needed = {}, [goal]
    while needed:
        name = needed.pop()
        if name in jobs:
            continue
        _, stage = make_stage(config, name)
        weights, origin = find_weights(config, workdir, name, is_goal=name == goal)
        if weights:
            if origin == f"config.pretrained.{name}":
                _check_networks(stage, weights)
            _check_weights(config, name, weights, origin, accept_changes)
        elif target and name != goal:
            raise UserError(
                f"--stage={goal} needs weights of {name}, and there are none; train them with "
                f"--stage={name}, or name a directory with --config.pretrained.{name}=..."
            )
        else:
            needed.extend(stage.frozen)
        jobs[name] = Job(name, config[name].module, stage, weights, origin)
    return [jobs[name] for name in config.stages if name in jobs]


def find_weights(config, workdir, name, *, is_goal):
    """(directory or None, where it comes from) of the weights of a stage."""
    pretrained, own = config.pretrained.get(name, ""), pathlib.Path(workdir) / name
    if pretrained:
        return pathlib.Path(pretrained), f"config.pretrained.{name}"
    if _finished_steps(own) >= config[name].num_steps:
        return own / "weights", _FINISHED_HERE
    if config.use_bundle and not is_goal and not (own / "checkpoints").exists():
        bundled = BUNDLE / config.preset / name
        if checkpoint.has_weights(bundled):
            return bundled, "bundle"
    return None, "trained by this run"


def _finished_steps(directory):
    try:
        return json.loads((directory / loop.FINISHED_FILE).read_text())["num_steps"]
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _check_networks(stage, directory):
    """Weights that the user names must be those of the stage, not of another one."""
    name, networks = stage.name, checkpoint.network_names(directory)
    described = checkpoint.load_config(directory).get(name, {}).get("model")
    if not described or not set(stage.exports) <= set(networks):
        expected = f" ({', '.join(stage.exports)})" if stage.exports else ""
        raise UserError(
            f"config.pretrained.{name}: found weights of something else in {directory} "
            f"({', '.join(networks)}), expected those of the stage {name}{expected}; name another "
            "directory"
        )


def _check_weights(config, name, directory, origin, accept_changes):
    """Weights must be of the networks that the config describes, and those of this work directory
    of the whole configuration."""
    saved = checkpoint.load_config(directory)
    if origin == _FINISHED_HERE:
        found, expected = (config_diff.run_values(c, name) for c in (saved, config))
        advice = "; give another --workdir, or --accept_changes to take them all the same"
    else:
        plain = (config_diff.to_json(c) for c in (saved, config))
        found, expected = ({"model": values.get(name, {}).get("model")} for values in plain)
        if not found["model"]:
            return
        advice = "; name the weights of such a model, or change the config"
    lines = config_diff.differences(found, expected)
    if lines and not (accept_changes and origin == _FINISHED_HERE):
        raise UserError(
            f"weights of {name} in {directory} are of another configuration: "
            f"{config_diff.shorten(lines)}{advice}"
        )


def _check_sources(config, job, workdir, data):
    """Weights of this work directory must be of the corpus and of the frozen weights of today.

    A frozen stage whose weights are nowhere to be found is not compared.
    """
    where = pathlib.Path(workdir) / job.name
    trained_on = json.loads((where / loop.FINISHED_FILE).read_text())
    frozen = {}
    for name in job.stage.frozen:
        directory, _ = find_weights(config, workdir, name, is_goal=False)
        if directory:
            frozen[name] = checkpoint.load_weights(directory)[0]
    expected = loop.sources(config, job.name, frozen, data)
    recorded = trained_on.get("frozen", {})
    found = {
        "corpus": trained_on.get("corpus"),
        "frozen": {name: recorded[name] for name in frozen if name in recorded},
    }
    lines = config_diff.differences(found, expected)
    if lines:
        raise UserError(
            f"{job.name} in {where} was trained on something else: {config_diff.shorten(lines)}; "
            "give another --workdir, or delete that directory to train it again, or "
            "--accept_changes to take it all the same"
        )


def check_writable(workdir):
    """Makes the work directory.

    Raises:
      UserError: nothing can be written there.
    """
    try:
        os.makedirs(workdir, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=workdir, prefix=".probe"):
            pass
    except OSError as error:
        raise UserError(
            f"--workdir: cannot write to {workdir} ({error.strerror}); give another directory"
        ) from error


def run(config, workdir, *, data, target=None, accept_changes=False):
    """Trains what the plan says, one stage after the other.

    Args:
      config: the recipe.
      workdir: gets a directory for each stage, and `codes` for cached style codes.
      data: has `make_loader` and `make_eval_batches` of `jaxtalk.data.loader`, `codes_key`,
        `check_note` and `encode_corpus` of `jaxtalk.data.codes`, `fingerprint` and `annotations`
        of `jaxtalk.data.source`.
      target: see `plan`.
      accept_changes: see `plan` and `loop.train`.

    Raises:
      UserError: see `plan` and `loop.train`; the batch of a stage does not divide over the devices
        of several processes; a finished stage was trained on another corpus, or
        on other weights of the stages that it takes; `config.dataset.codes_dir` has codes of
        another corpus or encoder.
    """
    check_writable(workdir)
    jobs = plan(config, workdir, target=target, accept_changes=accept_changes)
    for job in jobs:
        say(f"{job.name}: {job.origin}" + (f", {job.weights}" if job.weights else ""))
        if job.weights is None:  # rather now than after days of the stages before it
            mesh_lib.make_mesh(config[job.name].batch_size, field=f"{job.name}.batch_size")
            data.fingerprint(loop.dataset_of(config, job.name))  # it is there
            _check_codes(config, job, jobs, data)
    for job in jobs:
        if job.origin == _FINISHED_HERE and not accept_changes:
            _check_sources(config, job, workdir, data)
        if job.weights is None:
            frozen = {
                other.name: checkpoint.load_weights(weights_directory(other, workdir))[0]
                for other in jobs
                if other.name in job.stage.frozen
            }
            codes = config[job.name].data.kind == "codes"
            loop.train(
                job.stage,
                config,
                frozen,
                workdir=workdir,
                data=data,
                codes_dir=_codes_dir(config, frozen["psp"], workdir, data) if codes else None,
                accept_changes=accept_changes,
            )
    say(f"weights: {weights_directory(jobs[-1], workdir)}")


def _check_codes(config, job, jobs, data):
    """The codes that the user names must be of this corpus and of the encoder, if that is there."""
    if config[job.name].data.kind != "codes" or not config.dataset.codes_dir:
        return
    for other in jobs:
        if other.name == "psp" and other.weights:
            digest = checkpoint.digest(checkpoint.load_weights(other.weights)[0])
            data.check_note(config.dataset.codes_dir, config.dataset, digest)


def _codes_dir(config, variables, workdir, data):
    """Folder of the style codes of all frames by the frozen encoder; computes what is missing.

    Args:
      config: the recipe; `config.psp` describes the encoder.
      variables: what the stage psp exports.
      workdir: the codes are in `workdir`/codes/<hash of the weights and of the corpus>, unless
        `config.dataset.codes_dir` names a folder.
      data: see `run`.
    """
    module, _ = make_stage(config, "psp")
    key = data.codes_key(config.dataset, checkpoint.digest(variables))
    codes_dir = config.dataset.codes_dir or str(pathlib.Path(workdir) / "codes" / key)
    encoding.encode_corpus(
        *(module.make_encode(config.psp), variables, config.dataset),
        codes_dir=codes_dir,
        splits=loop.splits(config),
        data=data,
    )
    return codes_dir


def weights_directory(job, workdir):
    """Where the weights of a job are once it is done."""
    return job.weights or pathlib.Path(workdir) / job.name / "weights"
