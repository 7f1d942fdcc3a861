"""The plan of a run as a table; nothing is compiled, trained or written."""

import collections

import jax

from jaxtalk.core.batch import example_batch
from jaxtalk.core.errors import config_faults_of
from jaxtalk.training import checkpoint

SAMPLE_STEPS = 64  # steps over which lazy regularisers are averaged
_COLUMNS = (
    "stage",
    "module",
    "weights",
    "steps",
    "batch",
    "parameters",
    "state MB",
    "frozen MB",
    "GFLOP/step",
)


def table(config, jobs):
    """The jobs of `recipe.plan` as text.

    Parameters are those that the stage trains. State is what a step changes: parameters,
    statistics, optimizer, averages; activations come on top. GFLOP is XLA's count for the whole
    batch, before optimisation, averaged over the first steps ("?" where XLA gives none).
    """
    variables, rows = {}, [_COLUMNS]
    for job in jobs:
        values = config[job.name]
        if job.weights:
            variables[job.name] = _shapes(checkpoint.load_weights(job.weights)[0])
            where = f"{job.origin}: {job.weights}"
            rows.append((job.name, job.module, where, *["-"] * (len(_COLUMNS) - 3)))
            continue
        frozen = {name: variables[name] for name in job.stage.frozen}
        with config_faults_of(job.name):
            state = jax.eval_shape(job.stage.init, jax.random.key(0), frozen)
            variables[job.name] = jax.eval_shape(job.stage.export, state, frozen)
            gflop = _gflop(job.stage, state, frozen, values)
        rows.append(
            (
                job.name,
                job.module,
                job.origin,
                f"{values.num_steps:,}",
                f"{values.batch_size}",
                f"{sum(leaf.size for leaf in jax.tree.leaves(state.params)):,}",
                f"{_megabytes(state):.1f}",
                f"{_megabytes(frozen):.1f}",
                gflop,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def _gflop(stage, state, frozen, values):
    """GFLOP of an average step."""
    batch = _shapes(example_batch(stage.batch_spec, values.batch_size))
    steps = range(min(values.num_steps, SAMPLE_STEPS))
    counts = collections.Counter(stage.flags_at(step) for step in steps)
    step = jax.jit(stage.train_step, static_argnames="flags")
    total = 0.0
    for flags, count in counts.items():
        lowered = step.lower(state, frozen, batch, jax.random.key(0), flags=flags)
        cost = lowered.cost_analysis()
        if not cost or "flops" not in cost:
            return "?"
        total += count * cost["flops"]
    return f"{total / len(steps) / 1e9:.1f}"


def _shapes(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def _megabytes(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) / 1e6
