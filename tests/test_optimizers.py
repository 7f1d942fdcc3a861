"""`jaxtalk.core.optimizers` against the published update rules in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from jaxtalk.core.errors import UserError
from jaxtalk.core.optimizers import make_optimizer

STEPS = 20


def config(**values):
    base = {"name": "adam", "learning_rate": 0.1, "b1": 0.9, "b2": 0.95, "eps": 1e-8}
    constant = {"clip_norm": 0.0, "warmup_steps": 0, "decay": "none"}
    return ConfigDict({**base, **constant, **values})


def gradients(count=STEPS):
    return np.random.default_rng(0).normal(size=(count, 5))


def run(values, grads):
    """Parameters after each step, from zeros, in float32."""
    optimizer = make_optimizer(values, STEPS)
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    state, seen = optimizer.init(params), []

    @jax.jit
    def step(params, state, grads):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    for grad in np.asarray(grads, np.float32):
        params, state = step(params, state, {"a": grad[:2], "b": grad[2:]})
        seen.append(np.concatenate([params["a"], params["b"]]))
    return np.stack(seen)


def adam(values, grads, factor=lambda step: 1.0):
    """Kingma and Ba, algorithm 1, from ones; `factor` of the learning rate by steps before."""
    x, m, v, seen = np.ones(5), np.zeros(5), np.zeros(5), []
    for t, g in enumerate(grads, 1):
        m = values.b1 * m + (1 - values.b1) * g
        v = values.b2 * v + (1 - values.b2) * g**2
        m_hat, v_hat = m / (1 - values.b1**t), v / (1 - values.b2**t)
        x = x - values.learning_rate * factor(t - 1) * m_hat / (np.sqrt(v_hat) + values.eps)
        seen.append(x)
    return np.stack(seen)


def ranger(values, grads, interval=6, slow_step_size=0.5):
    """RAdam (Liu et al. 2020, algorithm 2; threshold 5) in lookahead (Zhang et al. 2019)."""
    x, slow, m, v, seen = np.ones(5), np.ones(5), np.zeros(5), np.zeros(5), []
    limit = 2 / (1 - values.b2) - 1
    for t, g in enumerate(grads, 1):
        m = values.b1 * m + (1 - values.b1) * g
        v = values.b2 * v + (1 - values.b2) * g**2
        m_hat = m / (1 - values.b1**t)
        rho = limit - 2 * t * values.b2**t / (1 - values.b2**t)
        if rho >= 5:
            above, below = (rho - 4) * (rho - 2) * limit, (limit - 4) * (limit - 2) * rho
            v_hat = np.sqrt(v / (1 - values.b2**t)) + values.eps
            x = x - values.learning_rate * np.sqrt(above / below) * m_hat / v_hat
        else:
            x = x - values.learning_rate * m_hat
        if t % interval == 0:
            x = slow = slow + slow_step_size * (x - slow)
        seen.append(x)
    return np.stack(seen)


def test_adam():
    np.testing.assert_allclose(run(config(), gradients()), adam(config(), gradients()), rtol=1e-4)


def test_ranger_is_rectified_adam_in_lookahead():
    values = config(name="ranger")
    expected = ranger(values, gradients())
    np.testing.assert_allclose(run(values, gradients()), expected, rtol=1e-4, atol=1e-5)
    # Both parts matter: without lookahead the result is another one.
    assert np.abs(expected - ranger(values, gradients(), interval=10**9)).max() > 0.05


def test_gradients_are_clipped_by_their_common_norm():
    grads = 100 * gradients()
    norms = np.linalg.norm(grads, axis=1, keepdims=True)
    expected = adam(config(), grads / norms * 0.5)
    np.testing.assert_allclose(run(config(clip_norm=0.5), grads), expected, rtol=1e-4)


@pytest.mark.parametrize("warmup_steps", [0, 5])
@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_learning_rate_rises_and_falls(warmup_steps, decay):
    def factor(step):
        if step < warmup_steps:
            return step / warmup_steps
        done = (step - warmup_steps) / (STEPS - warmup_steps)
        return 0.5 * (1 + np.cos(np.pi * done)) if decay == "cosine" else 1.0

    found = run(config(warmup_steps=warmup_steps, decay=decay), gradients())
    np.testing.assert_allclose(found, adam(config(), gradients(), factor), rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "sgd"}, "'sgd', expected 'adam' or 'ranger'"),
        ({"decay": "linear"}, "optimizer.decay: found 'linear', expected 'none' or 'cosine'"),
    ],
)
def test_unknown_choices(values, message):
    with pytest.raises(UserError, match=message):
        make_optimizer(config(**values), STEPS)
