import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.benchmarks.measure import (
    convolution_ceiling,
    device_name,
    fill,
    flop,
    matmul_ceiling,
    measure,
    row,
)
from jaxtalk.benchmarks.parts import Case


def float32(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def conv(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=numbers)


def test_flop_of_a_convolution():
    traced = jax.jit(conv).trace(float32(2, 10, 12, 5), float32(3, 3, 5, 7))
    assert flop(traced, traced.lower()) == 2 * (2 * 8 * 10) * (3 * 3 * 5) * 7


@pytest.mark.parametrize("nested", [False, True])
def test_flop_counts_each_turn_of_a_loop(nested):
    def turn(x, _):
        return jnp.dot(x, x), None

    def turns(x, _):
        return jax.lax.scan(turn, x, length=3)[0], None

    @jax.jit
    def loop(x):
        return jax.lax.scan(turns if nested else turn, x, length=5)[0]

    traced = jax.jit(lambda x: loop(x)).trace(float32(16, 16))
    count = flop(traced, traced.lower())
    products = 15 if nested else 5
    # Counting the turns costs an operation or two each.
    assert 0 <= count - products * 2 * 16**3 < 100


def test_flop_is_unknown_where_xla_gives_none(monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: None)
    case = Case(jnp.dot, (float32(2, 2), float32(2, 2)))
    found = row(*measure(case, repeats=1), 1, 10.0)
    assert found["ms"] > 0
    assert [found[k] for k in ("gflop", "gflop_per_s", "share_of_ceiling")] == [None] * 3


def test_a_run_lasts_until_its_results_are_there(monkeypatch):
    wait, waits = jax.block_until_ready, []

    def wait_for_50_ms(x):
        waits.append(x)
        return wait(x)

    clock = types.SimpleNamespace(perf_counter=lambda: 0.05 * len(waits))
    monkeypatch.setattr(jax, "block_until_ready", wait_for_50_ms)
    monkeypatch.setattr("jaxtalk.benchmarks.measure.time", clock)
    monkeypatch.setattr("jaxtalk.benchmarks.measure.WARM_UP_S", 0.06)
    case = Case(lambda x: {"double": 2 * x}, (float32(3),))
    runs_ms, _ = measure(case, repeats=3)
    assert runs_ms == pytest.approx([50] * 3)
    assert len(waits) == 5  # two to warm up
    assert all(set(x) == {"double"} for x in waits)


def test_row_takes_the_median():
    assert row([9.0, 2.0, 4.0], 8e9, 6, 4000.0) == {
        "ms": 4.0,
        "fastest_ms": 2.0,
        "per_s": 1500.0,
        "gflop": 8.0,
        "gflop_per_s": 2000.0,
        "ceiling_gflop_per_s": 4000.0,
        "share_of_ceiling": 0.5,
    }


def test_ceiling_of_convolutions(monkeypatch):
    """Of a true one: the count of its operations over the fastest time."""

    def timed(case, repeats):
        traced = jax.jit(case.run).trace(*case.shapes)
        return [3.0, 2.0], flop(traced, traced.lower())

    monkeypatch.setattr("jaxtalk.benchmarks.measure.measure", timed)
    speed = convolution_ceiling("float32", repeats=2, size=10, channels=5)
    # Without products with the padding: two rows and two columns of the nine lack a third.
    assert speed == pytest.approx(2 * (3 * 10 - 2) ** 2 * 5 * 5 / 2e6)


def test_the_machine_is_named():
    assert device_name().split(" x ")[0].isdecimal()
    assert len(device_name().split(" x ")[1]) > 2


def test_matmul_ceiling_is_of_its_dtype(monkeypatch):
    seen = []

    def fake(case, repeats):
        seen.append(case.shapes)
        return [4.0, 1.0, 2.0], None

    monkeypatch.setattr("jaxtalk.benchmarks.measure.measure", fake)
    assert matmul_ceiling("bfloat16", repeats=3, size=1000) == 2000.0  # 2e9 in 1 ms
    assert seen[0] == (jax.ShapeDtypeStruct((1000, 1000), jnp.bfloat16),) * 2


def test_fill():
    shapes = {
        "params": {"kernel": float32(3, 3, 100, 50), "scale": float32(4)},
        "batch_stats": {"var": float32(4)},
        "image": jax.ShapeDtypeStruct((1, 50, 50, 3), jnp.bfloat16),
        "sound": jax.ShapeDtypeStruct((1000,), jnp.int16),
        "count": jax.ShapeDtypeStruct((), jnp.int32),
        "rng": jax.eval_shape(jax.random.key, 0),
    }
    found = fill(shapes)
    jax.tree.map(
        lambda x, s: np.testing.assert_equal((x.shape, x.dtype), (s.shape, s.dtype)), found, shapes
    )
    assert np.std(found["params"]["kernel"]) == pytest.approx(1 / 30, rel=0.02)
    assert np.std(found["image"].astype(np.float32)) == pytest.approx(1, rel=0.05)
    np.testing.assert_array_equal(found["params"]["scale"], 1)
    np.testing.assert_array_equal(found["batch_stats"]["var"], 1)
    assert np.ptp(found["sound"]) > 200
    assert found["count"] == 0
