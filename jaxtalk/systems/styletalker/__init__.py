"""StyleTalker (Min, Song, Hwang 2022): the main system.

Read `block.py` (one style vector), `model.py` (all of them), `step.py` (training), `generate.py`
(streams of frames).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.core.batch import MEL_BINS, MEL_FRAMES, excerpt_samples
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState
from jaxtalk.nn.syncnet import NUM_FRAMES
from jaxtalk.systems.styletalker.model import make_model
from jaxtalk.systems.styletalker.step import (
    eval_step,
    make_discriminator,
    sample_windows,
    train_step,
)


def make(config):
    """The stage, see `jaxtalk.core.stage`, from the values of `configs/styletalker.py`.

    Networks: "styletalker" (averaged) and "discriminator".

    Raises:
      ValueError: a window of frames that is longer than the clip, or too short for the sync loss;
        a style for the lips that is not edited; gains that are not one for each edited style.
    """
    model, data = config.model, config.data
    if not all(0 <= style < model.num_blocks for style in model.lip_styles):
        raise ValueError(
            f"model.lip_styles: found {tuple(model.lip_styles)}, expected numbers from 0 to "
            f"{model.num_blocks - 1} (model.num_blocks - 1)"
        )
    if len(model.motion_gain) not in (0, model.num_blocks):
        raise ValueError(
            f"model.motion_gain: found {len(model.motion_gain)} numbers, expected "
            f"{model.num_blocks} (model.num_blocks) or none"
        )
    if not NUM_FRAMES <= data.window_frames <= data.clip_frames:
        raise ValueError(
            f"data.window_frames: found {data.window_frames}, expected {NUM_FRAMES} (frames that "
            f"the sync loss sees) .. {data.clip_frames} (data.clip_frames)"
        )
    frozen_stages, summary = ("perceptual", "arcface", "psp"), ("code", "psnr", "id")
    if config.loss.sync_weight:
        frozen_stages += ("syncnet",)
        summary += ("sync", "audio_driven_sync", "real_sync")
    image = (model.image_size, model.image_size, 3)

    def init(rng, frozen):
        del frozen
        rngs = jax.random.split(rng)
        w = jnp.zeros((1, 2, model.num_ws, model.w_dim))
        mel = jnp.zeros((1, 2, MEL_FRAMES, MEL_BINS))
        video = jnp.zeros((1, NUM_FRAMES, *image))
        variables = {
            "styletalker": make_model(model).init(rngs[0], w, mel, rngs[0]),
            "discriminator": make_discriminator(config).init(rngs[1], video),
        }
        opt_state = {
            name: make_optimizer(config.optimizer[name], config.num_steps).init(v["params"])
            for name, v in variables.items()
        }
        return TrainState.create(variables, opt_state, ema_networks=("styletalker",))

    def preview(state, frozen, batch, rng):
        return sample_windows(config, state, frozen, batch, rng)[0]

    def export(state, frozen):
        return {
            "styletalker": state.ema["styletalker"],
            "encoder": frozen["psp"]["encoder"],
            "generator": frozen["psp"]["generator"],
        }

    def flags_at(step):
        if step < config.loss.code_steps:
            return ("codes", "audio") if step < config.loss.audio_steps else ("codes",)
        regularise = config.loss.r1_gamma > 0 and step % config.loss.r1_interval == 0
        return ("r1",) if regularise else ()

    return Stage(
        name="styletalker",
        frozen=frozen_stages,
        batch_spec={
            "w": ((data.clip_frames, model.num_ws, model.w_dim), np.float32),
            "audio": ((excerpt_samples(data.clip_frames),), np.int16),
            "window": ((data.window_frames, *image), np.uint8),
            "window_start": ((), np.int32),
        },
        init=init,
        train_step=functools.partial(train_step, config),
        eval_step=functools.partial(eval_step, config),
        preview=preview,
        export=export,
        exports=("encoder", "generator", "styletalker"),
        flags_at=flags_at,
        best=("lpips", "min"),
        summary=summary,
    )
