"""The one training loop.

The order of a step, which an interrupted and resumed run repeats bit for bit:

  next batch, train step, log, evaluate, pictures, save {state, iterator, config}, stop if asked

A checkpoint is therefore always taken before the next batch is drawn. The random numbers of a step
come from the seed, the name of the stage and the number of the step, never from the past. Before
all steps the untrained stage is evaluated, as step 0, and the last line tells what was learned.

Below <workdir>/<stage>:

  checkpoints/<step>/       the newest and the best state
  weights/                  what later stages take, of the newest checkpoint
  weights_best/             the same of the best one so far, by `Stage.best` on the held-out split
  metrics.jsonl             one line a log or evaluation; also in tensorboard/
  previews/<name>/<step>.*  pictures and videos
  finished.json             {num_steps, frozen, corpus} once the stage has done its steps; the
                            latter two say what it was trained on, see `sources`
"""

import contextlib
import functools
import json
import pathlib
import zlib

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtalk.core.errors import UserError, config_faults_of
from jaxtalk.training import config_diff
from jaxtalk.training import mesh as mesh_lib
from jaxtalk.training.checkpoint import (
    Checkpoints,
    digest,
    load_weights,
    save_weights,
    shapes,
)
from jaxtalk.training.checks import (
    check_same_run,
    check_state,
    last_good_named,
    select,
)
from jaxtalk.training.interrupt import StopSignals
from jaxtalk.training.meter import Clock, Meter
from jaxtalk.training.metric_writer import (
    MetricWriter,
    listed,
    progress,
    say,
    then_and_now,
    write_text,
)

FINISHED_FILE = "finished.json"


def train(stage, config, frozen, *, workdir, data, codes_dir=None, accept_changes=False):
    """Trains one stage to its `num_steps`, from its newest checkpoint if there is one.

    Args:
      stage: `jaxtalk.core.stage.Stage`.
      config: the recipe (`configs.common`); `config[stage.name]` are the values of the stage.
      frozen: name of a finished stage -> its variables, numpy arrays.
      workdir: everything is written below `workdir`/`stage.name`.
      data: has `make_loader` and `make_eval_batches` of `jaxtalk.data.loader`, and `fingerprint`
        and `annotations` of `jaxtalk.data.source`.
      codes_dir: cached style codes, for a stage that trains on them.
      accept_changes: go on from a checkpoint although values of the config differ.

    Raises:
      UserError: a checkpoint of another configuration; a loss that is not finite.
      SystemExit: stopped by a signal, after saving.
    """
    name, values = stage.name, config[stage.name]
    directory = pathlib.Path(workdir) / name

    # ---- Devices ----
    mesh = mesh_lib.make_mesh(values.batch_size, field=f"{name}.batch_size")
    everywhere, split = mesh_lib.replicated(mesh), mesh_lib.batch_sharding(mesh)
    say(f"{name}: trains on {mesh.size} x {mesh.devices.flat[0].device_kind}")

    # ---- Data ----
    share = {
        "batch_size": values.batch_size // jax.process_count(),
        "shard_index": jax.process_index(),
        "shard_count": jax.process_count(),
        "codes_dir": codes_dir,
    }
    train_split, eval_split = splits(config)
    dataset = dataset_of(config, name)
    loader = data.make_loader(dataset, values.data, split=train_split, seed=config.seed, **share)
    eval_batches = data.make_eval_batches(
        dataset, values.data, split=eval_split, num_batches=values.num_eval_batches, **share
    )

    annotations = functools.partial(data.annotations, dataset, train_split)

    def on_devices(batch):
        checked = select(stage, batch, share["batch_size"], dataset.name)
        return mesh_lib.to_global(split, checked)

    # ---- State, born sharded ----
    trained_on = sources(config, name, frozen, data)
    frozen = mesh_lib.replicate(mesh, frozen)
    init_rng, step_rng, preview_rng = _rngs(config.seed, name)
    with config_faults_of(name):
        abstract = jax.eval_shape(stage.init, init_rng, frozen)
    shardings = mesh_lib.state_sharding(mesh, abstract)

    # ---- Functions ----
    def step_fn(state, frozen, batch, rng, flags):
        rng = jax.random.fold_in(rng, state.step)
        return stage.train_step(state, frozen, batch, rng, flags=flags)

    train_step = jax.jit(
        step_fn, static_argnames="flags", donate_argnums=0, out_shardings=(shardings, everywhere)
    )
    eval_step = jax.jit(stage.eval_step, out_shardings=everywhere)
    preview = jax.jit(stage.preview, out_shardings=everywhere)

    def evaluate(writer, step, state):
        """Values of all held-out examples, {name: [N]}, and their means, which are written."""
        with config_faults_of(name):  # seen when it is traced
            values_of = _evaluate(eval_step, state, frozen, map(on_devices, eval_batches))
        scores = {key: float(np.mean(value)) for key, value in values_of.items()}
        writer.scalars(step, {f"eval/{key}": value for key, value in scores.items()})
        say(f"{name} {step}/{values.num_steps}  held out  {listed(scores)}")
        return values_of, scores

    with (
        contextlib.closing(loader),
        Checkpoints(directory / "checkpoints") as checkpoints,
        MetricWriter(directory, checkpoints.latest_step() or 0) as writer,
        StopSignals() as stop,
        last_good_named(name, checkpoints),
    ):
        # ---- Begin or resume ----
        start, best = checkpoints.latest_step() or 0, None
        if start:
            where = f"checkpoint {checkpoints.directory / str(start)}"
            run = checkpoints.read_run(start)
            if not accept_changes:
                check_same_run(where, run, config, name, trained_on)
            state = checkpoints.restore(start, mesh_lib.with_sharding(abstract, shardings))
            best, untrained = run["best"], run.get("untrained")  # older checkpoints lack it
            # The loader begins a new epoch where the number of processes has changed.
            states = run["iterators"]
            loader.set_state(states[jax.process_index() % len(states)])
            say(f"{name}: goes on from {where}")
        else:
            state = jax.jit(stage.init, out_shardings=shardings)(init_rng, frozen)
            if config.start_from.get(name):
                state = _begin_from(state, config.start_from[name], shardings, name)
            _, untrained = evaluate(writer, 0, state)
        meter, clock, alarm, kinds_of_steps = Meter(), Clock(), None, set()

        for step in range(start + 1, values.num_steps + 1):
            last, improved = step == values.num_steps, False

            # ---- Next batch, train step ----
            batch = on_devices(next(loader))
            flags = stage.flags_at(step - 1)
            to_compile = flags not in kinds_of_steps
            if to_compile and kinds_of_steps:
                say(f"{name}: step {step} is the first of another kind, which is compiled now")
            with config_faults_of(name):
                state, metrics = train_step(state, frozen, batch, step_rng, flags=flags)
            meter.add(step, metrics)
            if to_compile:
                jax.block_until_ready(metrics)
                compiled_s = clock.start()
                if not kinds_of_steps:
                    say(f"{name}: first step, with compilation: {compiled_s:.1f} s")
                kinds_of_steps.add(flags)
            else:
                clock.tick()

            # ---- Log ----
            if last or step % values.log_every == 0:
                means = meter.means()
                rate = clock.rate()
                train_means = {f"train/{key}": value for key, value in means.items()}
                writer.scalars(step, train_means | ({"steps_per_s": rate} if rate else {}))
                say(f"{name} {progress(step, values.num_steps, rate, means)}")

            # ---- Evaluate ----
            if last or step % values.eval_every == 0:
                with clock.paused():
                    held_out, scores = evaluate(writer, step, state)
                improved = _is_better(stage.best, scores, best)
                if improved:
                    best = {"step": step, "value": scores[stage.best[0]]}
                if alarm is None:
                    alarm = stage.alarm(step, held_out, annotations)
                    if alarm:
                        say(f"WARNING: {name}: {alarm}")

            # ---- Pictures ----
            if last or step % values.preview_every == 0:
                with clock.paused():
                    batch = on_devices(eval_batches[0])
                    writer.previews(step, preview(state, frozen, batch, preview_rng))

            # ---- Save ----
            stopped = stop.requested()
            if last or stopped or improved or step % values.checkpoint_every == 0:
                with clock.paused():
                    meter.check()
                    check_state(state, step)
                    run = {
                        "config": config_diff.to_json(config),
                        **trained_on,
                        "iterators": mesh_lib.gather_json(loader.get_state()),
                        "best": best,
                        "untrained": untrained,
                    }
                    checkpoints.save(step, state, run, best_step=best and best["step"])
                    _export(stage, state, frozen, config, directory / "weights")
                    if improved:
                        _export(stage, state, frozen, config, directory / "weights_best")
            if last and untrained:
                shown = then_and_now(untrained, scores, (stage.best[0], *stage.summary))
                say(f"{name}: held out, before -> after training: {shown}")
            if stopped and not last:
                say(f"{name}: asked to stop, saved step {step}; the same command goes on")
                raise SystemExit(stop.exit_code)

        # ---- End ----
        if start >= values.num_steps:  # it may have been cut off between the save and here
            _export(stage, state, frozen, config, directory / "weights")
        checkpoints.wait()
        if jax.process_index() == 0:
            finished = {"num_steps": max(start, values.num_steps), **trained_on}
            write_text(directory / FINISHED_FILE, json.dumps(finished))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices(f"{name} is finished")


def _begin_from(state, directory, shardings, name):
    """`state` with the networks of the weights in `directory`, those that it has.

    Raises:
      UserError: no network of the stage is there, or one of another shape.
    """
    variables, field = load_weights(directory)[0], f"config.start_from.{name}"
    shared = sorted(variables.keys() & state.params.keys())
    if not shared:
        raise UserError(
            f"{field}: found {', '.join(sorted(variables))} in {directory}, expected one of "
            f"{', '.join(sorted(state.params))}; name weights of this stage"
        )
    for network in shared:
        lines = config_diff.differences(
            shapes(variables[network]), shapes(state.variables(network))
        )
        if lines:
            raise UserError(
                f"{field}: {network} in {directory} is of another size: "
                f"{config_diff.shorten(lines)}; name weights of such a model, or change "
                f"{name}.model"
            )
    say(f"{name}: begins from {', '.join(shared)} in {directory}")
    taken = {network: variables[network] for network in shared}
    return jax.device_put(state.with_variables(taken), shardings)


def splits(config):
    """Names of the splits to train on and to evaluate on; the test split is never looked at."""
    return "train", config.dataset.eval_split


def dataset_of(config, name):
    """`config.dataset`, with the corpus that the stage asks for (`data.corpus`) if it does."""
    dataset = config.dataset.copy_and_resolve_references()
    dataset.name = config[name].data.get("corpus") or dataset.name
    return dataset


def sources(config, name, frozen, data):
    """What a stage is trained on: {"frozen": stage -> digest of its weights, "corpus": digest}.

    name: of the stage. The others are those of `train`.
    """
    digests = {key: digest(variables) for key, variables in frozen.items()}
    return {"frozen": digests, "corpus": data.fingerprint(dataset_of(config, name))}


def _rngs(seed, stage_name):
    """Keys of a stage: for `init`, for the steps (folded with their number), for the pictures."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(stage_name.encode()))
    step_rng, preview_rng = jax.random.split(key)
    # The other generator compiles the initialisers of a large network in a sixth of the time.
    init_rng = jax.random.fold_in(jax.random.key(seed, impl="rbg"), zlib.crc32(stage_name.encode()))
    return init_rng, step_rng, preview_rng


def _evaluate(eval_step, state, frozen, batches):
    """The values of all examples of the fixed batches: {name: numpy [N]}."""
    collected = {}
    for batch in batches:
        scores = eval_step(state, frozen, batch)
        for name, values in jax.device_get(scores).items():
            collected.setdefault(name, []).append(values)
    return {name: np.concatenate(v) for name, v in collected.items()}


def _is_better(best_by, scores, best):
    """Whether `scores` beat the best so far by (name, "min" | "max"); not a number never does."""
    name, mode = best_by
    if name not in scores:
        raise ValueError(f"Stage.best: found {name!r}, expected one of {sorted(scores)}")
    if best is None or not np.isfinite(scores[name]):
        return bool(np.isfinite(scores[name]))
    return scores[name] < best["value"] if mode == "min" else scores[name] > best["value"]


def _export(stage, state, frozen, config, directory):
    """Writes the weights that later stages take, from process 0."""
    if jax.process_index() == 0:
        save_weights(directory, jax.device_get(stage.export(state, frozen)), config)
