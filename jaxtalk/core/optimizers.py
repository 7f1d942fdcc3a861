"""Optimizers from plain config values."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtalk.core.errors import UserError


def make_optimizer(config, num_steps):
    """An optax transformation.

    Args:
      config: fields `name` ("adam", or "ranger": rectified Adam inside lookahead, as pSp trains
        its encoder, but for the centralisation of gradients), `learning_rate`, `b1`, `b2`, `eps`,
        `clip_norm` (global gradient norm; 0 turns it off), `warmup_steps` (the learning rate rises
        from 0) and `decay` ("none", or "cosine": it falls along half a cosine, at the last step to
        the share `floor` of it, 0 if unset).
      num_steps: length of the training.

    Raises:
      UserError: unknown name or decay.
    """
    if config.name == "adam":
        scale = optax.scale_by_adam(config.b1, config.b2, config.eps)
    elif config.name == "ranger":
        scale = optax.scale_by_radam(config.b1, config.b2, config.eps)
    else:
        raise UserError(f"optimizer.name: found {config.name!r}, expected 'adam' or 'ranger'")
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    optimizer = optax.chain(clip, scale, optax.scale_by_learning_rate(_schedule(config, num_steps)))
    return lookahead(optimizer) if config.name == "ranger" else optimizer


def _schedule(config, num_steps):
    """The learning rate: a number, or a function of the step."""
    peak, warmup = config.learning_rate, config.warmup_steps
    if config.decay == "cosine":
        first = 0.0 if warmup else peak
        last, end = max(num_steps, warmup + 1), config.get("floor", 0.0) * peak
        return optax.warmup_cosine_decay_schedule(first, peak, warmup, last, end)
    if config.decay != "none":
        raise UserError(f"optimizer.decay: found {config.decay!r}, expected 'none' or 'cosine'")
    return optax.linear_schedule(0.0, peak, warmup) if warmup else peak


class LookaheadState(NamedTuple):
    """Slow weights, steps since the start, and the inner state."""

    slow: Any
    count: jax.Array
    inner: Any


def lookahead(optimizer, *, interval=6, slow_step_size=0.5):
    """Lookahead (Zhang et al. 2019) as a plain transformation of updates.

    Every `interval` steps the weights go to slow + slow_step_size * (fast - slow), and the slow
    weights with them. optax's own version keeps both sets as a pair of parameters, which every
    checkpoint, average and export would have to know about; here the slow set is optimizer state.
    """

    def init(params):
        slow = jax.tree.map(jnp.copy, params)
        return LookaheadState(slow, jnp.zeros((), jnp.int32), optimizer.init(params))

    def update(updates, state, params):
        updates, inner = optimizer.update(updates, state.inner, params)
        count = state.count + 1
        sync = count % interval == 0
        fast = optax.apply_updates(params, updates)
        target = jax.tree.map(lambda s, f: s + slow_step_size * (f - s), state.slow, fast)
        updates = jax.tree.map(lambda u, t, p: jnp.where(sync, t - p, u), updates, target, params)
        slow = jax.tree.map(lambda s, t: jnp.where(sync, t, s), state.slow, target)
        return updates, LookaheadState(slow, count, inner)

    return optax.GradientTransformation(init, update)
