"""Time, operations and the speed that a machine can reach."""

import functools
import os
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun, jaxprs_in_params

from jaxtalk.benchmarks.parts import Case

WARM_UP_S = 0.3  # the first runs are slower: memory is taken from the system, clocks rise
ONES = ("['var']", "['scale']", "['magnitude']")  # divisors and gains of normalisation


def measure(case, *, repeats):
    """Runs a case after compilation on the default device.

    Returns:
      ([ms of each run], FLOP or None where XLA cannot tell). A run ends when its results are there,
      not when it is dispatched.
    """
    traced = jax.jit(case.run).trace(*case.shapes)
    lowered = traced.lower()
    compiled = lowered.compile()
    arguments = jax.device_put(fill(case.shapes))

    def run_ms():
        start_s = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        return 1e3 * (time.perf_counter() - start_s)

    warm_ms = run_ms()
    while warm_ms < 1e3 * WARM_UP_S:
        warm_ms += run_ms()
    return [run_ms() for _ in range(repeats)], flop(traced, lowered)


def row(runs_ms, flop, batch_size, ceiling):
    """The figures of one line of the table.

    Args:
      runs_ms, flop: see `measure`.
      batch_size: examples of a run.
      ceiling: GFLOP/s, see `matmul_ceiling`.
    """
    ms, gflop = statistics.median(runs_ms), None if flop is None else flop / 1e9
    speed = None if gflop is None else 1e3 * gflop / ms
    return {
        "ms": ms,
        "fastest_ms": min(runs_ms),
        "per_s": 1e3 * batch_size / ms,
        "gflop": gflop,
        "gflop_per_s": speed,
        "ceiling_gflop_per_s": ceiling,
        "share_of_ceiling": None if speed is None else speed / ceiling,
    }


def matmul_ceiling(dtype, *, repeats, size=None):
    """GFLOP/s of the fastest of several products of two square matrices.

    Precision is JAX's default, as it is in the networks: on accelerators float32 products may run
    on units of lower precision (TF32, or bfloat16 in passes).

    Args:
      dtype: of the matrices.
      size: of the matrices; None takes 2048 on CPUs and 8192 elsewhere.
    """
    size = size or (2048 if jax.default_backend() == "cpu" else 8192)
    matrix = jax.ShapeDtypeStruct((size, size), jnp.dtype(dtype))
    runs_ms, _ = measure(Case(jnp.matmul, (matrix, matrix)), repeats=repeats)
    return 2 * size**3 / min(runs_ms) / 1e6


def convolution_ceiling(dtype, *, repeats, size=128, channels=256):
    """GFLOP/s of the fastest of several convolutions, 3 x 3 and NHWC, as those of the generator.

    What a generator would reach whose filters, modulation and memory cost nothing. The padding is
    "SAME", with which XLA is five times as fast on CPUs as with "VALID".
    """
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.dtype(dtype))
    kernel = jax.ShapeDtypeStruct((3, 3, channels, channels), jnp.dtype(dtype))
    numbers = ("NHWC", "HWIO", "NHWC")
    run = functools.partial(
        jax.lax.conv_general_dilated,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=numbers,
    )
    runs_ms, flop = measure(Case(run, (image, kernel)), repeats=repeats)
    return flop / min(runs_ms) / 1e6


def device_name():
    """Kind and number of the devices; on CPUs the model's name where the system tells it."""
    device, info = jax.devices()[0], pathlib.Path("/proc/cpuinfo")
    if device.platform != "cpu":
        return f"{jax.device_count()} x {device.device_kind}"
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else 'cpu'}"


def flop(traced, lowered):
    """XLA's count for the lowered program, before optimisation; None where XLA gives none.

    XLA counts the body of a loop once. Here a scan counts as often as it runs; a while loop of
    unknown length stays at one.

    Args:
      traced, lowered: of `jax.jit(f).trace(...)` and its `lower()`.
    """
    once = _flop_once(lowered)
    return None if once is None else once + _flop_of_repetitions(traced.jaxpr.jaxpr)


def _flop_once(lowered):
    return (lowered.cost_analysis() or {}).get("flops")


def _flop_of_repetitions(jaxpr):
    """What `_flop_once` leaves out: all runs of the bodies of scans but the first."""
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            body, length = equation.params["jaxpr"], equation.params["length"]
            shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in body.in_avals]
            once = _flop_once(jax.jit(jaxpr_as_fun(body)).lower(*shapes))
            total += (length - 1) * once + length * _flop_of_repetitions(body.jaxpr)
        else:
            total += sum(map(_flop_of_repetitions, jaxprs_in_params(equation.params)))
    return total


def fill(shapes):
    """Numbers for a tree of shapes: finite in every part, and cheaper than compiling initialisers.

    Parameters have a deviation of 1 / sqrt(fan-in), other floats of 1; the optimizer's state and
    counters are 0.
    """
    rng = np.random.default_rng(0)

    def leaf(path, x):
        name = jax.tree_util.keystr(path)
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        if x.dtype in (np.uint8, np.int16):  # pictures and sound
            return rng.integers(0, 256, x.shape, x.dtype)
        if ".opt_state" in name or not jnp.issubdtype(x.dtype, jnp.floating):
            return np.zeros(x.shape, x.dtype)
        if name.endswith(ONES):
            return np.ones(x.shape, x.dtype)
        values = rng.standard_normal(x.shape, np.float32)
        if "params" in name:
            values *= np.float32(max(1, np.prod(x.shape[:-1])) ** -0.5)
        return values.astype(x.dtype)

    return jax.tree_util.tree_map_with_path(leaf, shapes)
