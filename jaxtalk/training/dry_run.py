"""The plan of a run as a table; nothing is compiled, trained or written."""

import collections

import jax
from jax.extend.core import Var, jaxprs_in_params

from jaxtalk.core.batch import example_batch
from jaxtalk.core.errors import config_faults_of
from jaxtalk.training import checkpoint

_COLUMNS = (
    "stage",
    "module",
    "weights",
    "steps",
    "batch",
    "parameters",
    "state MB",
    "frozen MB",
    "peak MB",
    "GFLOP/step",
)


def table(config, jobs):
    """The jobs of `recipe.plan` as text.

    Parameters are those that the stage trains, or that its finished weights hold. State is what a
    step changes: parameters, statistics, optimizer, averages. Peak is what a step holds at most,
    state, frozen weights and activations of the whole batch together (a mesh of N devices splits
    the batch among them), if nothing is fused: an upper bound. GFLOP is XLA's count for the whole
    batch, before optimisation, averaged over the first steps ("?" where XLA gives none).
    """
    variables, rows = {}, [_COLUMNS]
    for job in jobs:
        values = config[job.name]
        if job.weights:
            variables[job.name] = _shapes(checkpoint.load_weights(job.weights)[0])
            where = f"{job.origin}: {job.weights}"
            size = sum(_num_parameters(network) for network in variables[job.name].values())
            rows.append((job.name, job.module, where, "-", "-", f"{size:,}", *["-"] * 4))
            continue
        frozen = {name: variables[name] for name in job.stage.frozen}
        with config_faults_of(job.name):
            state = jax.eval_shape(job.stage.init, jax.random.key(0), frozen)
            variables[job.name] = jax.eval_shape(job.stage.export, state, frozen)
            peak, gflop = _cost(job.stage, state, frozen, values)
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
                f"{peak:,.0f}",
                gflop,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def _num_parameters(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables.get("params", {})))


def _cost(stage, state, frozen, values):
    """MB that the largest step holds, and GFLOP of an average step as text."""
    batch = _shapes(example_batch(stage.batch_spec, values.batch_size))
    counts = collections.Counter(map(stage.flags_at, range(values.num_steps)))
    step = jax.jit(stage.train_step, static_argnames="flags")
    peak, flop = 0, 0.0
    for flags, count in counts.items():
        traced = step.trace(state, frozen, batch, jax.random.key(0), flags=flags)
        peak = max(peak, peak_bytes(traced.jaxpr.jaxpr))
        cost = traced.lower().cost_analysis() or {}
        flop += count * cost.get("flops", float("nan"))
    return peak / 1e6, "?" if flop != flop else f"{flop / values.num_steps / 1e9:.1f}"


def peak_bytes(jaxpr):
    """Bytes alive at once when the equations of a jaxpr run in order, each value freed after its
    last use; its inputs (and constants) live to the end."""
    held = [*jaxpr.invars, *jaxpr.constvars]
    kept = {v for v in [*held, *jaxpr.outvars] if isinstance(v, Var)}
    last_use = {v: i for i, e in enumerate(jaxpr.eqns) for v in e.invars if isinstance(v, Var)}
    live = peak = sum(_bytes(v) for v in held)
    for i, equation in enumerate(jaxpr.eqns):
        inside = [
            peak_bytes(inner) - sum(_bytes(v) for v in [*inner.invars, *inner.outvars])
            for inner in jaxprs_in_params(equation.params)
        ]
        live += sum(_bytes(v) for v in equation.outvars)
        peak = max(peak, live + max([0, *inside]))
        used = {v for v in [*equation.invars, *equation.outvars] if isinstance(v, Var)}
        live -= sum(_bytes(v) for v in used - kept if last_use.get(v, i) == i)
    return peak


def _bytes(variable):
    aval = variable.aval
    return getattr(aval, "size", 0) * getattr(getattr(aval, "dtype", None), "itemsize", 0)


def _shapes(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def _megabytes(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) / 1e6
