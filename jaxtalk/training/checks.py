"""What the loop checks: batches, the configuration of a checkpoint, finite numbers."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.training import config_diff


def select(stage, batch, batch_size, corpus):
    """What the stage takes of a batch.

    Raises:
      UserError: the corpus lacks a field, or gives arrays of other shapes, such as larger frames.
    """
    missing = sorted(stage.batch_spec.keys() - batch.keys())
    if missing:
        raise UserError(
            f"{stage.name}: found no {', '.join(missing)} in {corpus}, expected a corpus that has "
            "it; build it with that field, or change dataset.name"
        )
    for key, (shape, dtype) in stage.batch_spec.items():
        found, expected = batch[key], (batch_size, *shape)
        if found.shape != expected or found.dtype != dtype:
            raise UserError(
                f"{stage.name}: found {key} {found.dtype}{list(found.shape)} in {corpus}, expected "
                f"{np.dtype(dtype).name}{list(expected)}; change dataset.name or {stage.name}.model"
            )
    return {key: batch[key] for key in stage.batch_spec}


def check_same_run(where, run, config, name, trained_on):
    """Raises UserError that names both sides of what differs."""
    lines = config_diff.differences(
        {
            **config_diff.run_values(run["config"], name),
            **{key: run.get(key) for key in trained_on},
        },
        {**config_diff.run_values(config, name), **trained_on},
    )
    if lines:
        raise UserError(
            f"{where} is of another configuration: {config_diff.shorten(lines)}; give another "
            "--workdir or the values it was made with, or --accept_changes to go on all the same"
        )


@contextlib.contextmanager
def last_good_named(name, checkpoints):
    """Tells the person what is left when a value stops being finite."""
    try:
        yield
    except FloatingPointError as error:
        checkpoints.wait()
        step = checkpoints.latest_step()
        kept = (
            f"checkpoint {checkpoints.directory / str(step)} is good: go on from it with a lower "
            "learning rate and --accept_changes"
            if step
            else "no checkpoint was saved before: lower the learning rate"
        )
        raise UserError(f"{name}: {error}; {kept}, or look for the cause with --debug") from error


@jax.jit
def _is_finite(array):
    return jnp.isfinite(array).all()


def check_state(state, step):
    """A step may turn weights into NaN although its losses are finite; such a state is not saved.

    Raises:
      FloatingPointError: names the step and the first leaves.
    """
    leaves = [
        (jax.tree_util.keystr(path, simple=True, separator="/"), _is_finite(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    bad = [name for name, finite in leaves if not finite]
    if bad:
        raise FloatingPointError(f"step {step}: not finite: {config_diff.shorten(bad)}")
