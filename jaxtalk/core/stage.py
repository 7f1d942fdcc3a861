"""The contract between a training job and the one loop that runs it.

A stage is made by `make(config) -> Stage` in its own package (`jaxtalk.systems.*`,
`jaxtalk.pretraining.*`). All functions are pure closures over the config; weights of finished
stages come in as `frozen`, an argument of its own, so that they are neither donated, nor
differentiated, nor written again with each checkpoint.
"""

import dataclasses
from collections.abc import Callable
from typing import Any


def no_flags(step):
    """Flags of a stage whose every step is the same."""
    del step
    return ()


def no_alarm(step, values, annotations):
    """Alarm of a stage that has nothing to warn of."""
    del step, values, annotations


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training job.

    Attributes:
      name: key of the stage in the recipe and in the work directory, e.g. "psp".
      frozen: names of the stages whose exported variables it takes.
      batch_spec: key of the batch -> (shape without the batch axis, numpy dtype); see
        `jaxtalk.core.batch`.
      init: (rng, frozen) -> TrainState. Usable under `eval_shape` and `jit(out_shardings=...)`.
      train_step: (state, frozen, batch, rng, *, flags) -> (TrainState, {name: scalar}); `flags` is
        hashable and static.
      eval_step: (state, frozen, batch) -> {name: [B]}, one value per example.
      preview: (state, frozen, batch, rng) -> {name: images [N, H, W, 3] or videos
        [N, T, H, W, 3] in [-1, 1]} for picture grids and short clips.
      export: (state, frozen) -> network name -> variables: all that later stages and `Talker`
        take from this stage, complete in itself.
      exports: names of those networks that later stages and `Talker` do take, by which weights that
        a user names are recognised.
      flags_at: step (int) -> flags, e.g. whether the lazy regulariser runs.
      best: (metric name, "min" | "max") by which the best checkpoint is chosen.
      summary: names of values of `eval_step` whose way from untrained to trained is told at the
        end, beside that of `best`.
      alarm: (step, values, annotations) -> what the user must know, or None. Asked after each
        evaluation until it speaks. `values` are those of `eval_step`, numpy {name: [N]};
        `annotations(key)` gives that number of many clips of the training split, numpy [n], n = 0
        where the corpus has no such key; `annotations(key, built=True)` as the build measured it,
        see `jaxtalk.data.source`.
    """

    name: str
    frozen: tuple[str, ...]
    batch_spec: dict[str, tuple[tuple[int, ...], Any]]
    init: Callable
    train_step: Callable
    eval_step: Callable
    preview: Callable
    export: Callable
    exports: tuple[str, ...] = ()
    flags_at: Callable[[int], Any] = no_flags
    best: tuple[str, str] = ("loss", "min")
    summary: tuple[str, ...] = ()
    alarm: Callable = no_alarm
