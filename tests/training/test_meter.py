import time

import jax.numpy as jnp
import pytest

from jaxtalk.training.meter import Clock, Meter


def test_means_over_the_steps_that_report_a_value():
    meter = Meter()
    for step in range(1, 6):
        meter.add(step, {"loss": jnp.float32(step)} | ({"r1": jnp.float32(7)} if step == 3 else {}))
        if step == 2:
            meter.check()  # looking does not forget
    assert meter.means() == {"loss": 3.0, "r1": 7.0}
    meter.add(6, {"loss": jnp.float32(6)})
    assert meter.means() == {"loss": 6.0}


def test_names_the_first_step_and_all_its_terms_that_are_not_finite():
    meter = Meter()
    meter.add(1, {"a": jnp.float32(1), "b": jnp.float32(1), "c": jnp.float32(1)})
    meter.add(2, {"a": jnp.float32(jnp.nan), "b": jnp.float32(1), "c": jnp.float32(-jnp.inf)})
    meter.add(3, {"a": jnp.float32(jnp.nan), "b": jnp.float32(jnp.nan), "c": jnp.float32(1)})
    with pytest.raises(FloatingPointError, match=r"^step 2: a is nan, c is -inf$"):
        meter.check()


def test_clock_leaves_pauses_out(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Clock()
    now[0] += 5
    assert clock.start() == 5
    assert clock.rate() == 0
    for _ in range(4):
        now[0] += 0.5
        clock.tick()
    with clock.paused():
        now[0] += 60
    assert clock.rate() == 2
    now[0] += 4
    clock.tick()
    assert clock.rate() == 0.25
