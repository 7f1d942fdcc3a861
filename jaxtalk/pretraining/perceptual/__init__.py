"""Perceptual features for LPIPS, learned from what a corpus knows about its faces.

A stand-in for the ImageNet VGG16 where that cannot be had: a narrow VGG16 predicts the speaker,
the 68 landmarks and the 64 expression parameters of a frame. The exported LPIPS has this trunk and
uniform weights on its channels, so it is the plain distance of unit-normalised features.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState
from jaxtalk.ops.points import draw_points
from jaxtalk.pretraining.perceptual.model import (
    NUM_EXPRESSION,
    NUM_LANDMARKS,
    FaceReader,
    uniform_lpips,
)


def make(config):
    """The stage `perceptual` from its values; see `configs/perceptual.py`."""
    model, loss = config.model, config.loss
    reader = FaceReader(loss.num_speakers, width=model.width, dtype=jnp.dtype(model.dtype))
    optimizer = make_optimizer(config.optimizer, config.num_steps)
    image_shape = (model.image_size, model.image_size, 3)

    def init(rng, frozen):
        del frozen
        variables = {"reader": reader.init(rng, jnp.zeros((1, *image_shape)))}
        opt_state = {"reader": optimizer.init(variables["reader"]["params"])}
        return TrainState.create(variables, opt_state)

    def losses(variables, batch):
        """Name -> [B]."""
        predicted = reader.apply(variables, to_unit(batch["frames"]))
        landmark_error = predicted["landmarks"] - batch["landmarks"]
        expression_error = predicted["expression"] - batch["expression"]
        return {
            "speaker": optax.softmax_cross_entropy_with_integer_labels(
                predicted["speaker"], batch["speaker_id"]
            ),
            "landmarks": jnp.abs(landmark_error).mean(axis=(1, 2)),
            "expression": jnp.square(expression_error).mean(axis=1),
        }, predicted

    def train_step(state, frozen, batch, rng, *, flags):
        del frozen, rng, flags

        def loss_fn(params):
            values, predicted = losses(state.variables("reader", params), batch)
            values = {name: value.mean() for name, value in values.items()}
            total = (
                loss.speaker_weight * values["speaker"]
                + loss.landmark_weight * values["landmarks"]
                + loss.expression_weight * values["expression"]
            )
            hit = predicted["speaker"].argmax(axis=-1) == batch["speaker_id"]
            return total, {**values, "loss": total, "speaker_accuracy": hit.mean()}

        grads, metrics = jax.grad(loss_fn, has_aux=True)(state.params["reader"])
        updates, opt_state = optimizer.update(
            grads, state.opt_state["reader"], state.params["reader"]
        )
        params = optax.apply_updates(state.params["reader"], updates)
        state = state.replace(
            step=state.step + 1, params={"reader": params}, opt_state={"reader": opt_state}
        )
        return state, metrics

    def eval_step(state, frozen, batch):
        """Speakers of other splits are unknown to the softmax: only geometry is scored."""
        del frozen
        values, _ = losses(state.variables("reader"), batch)
        total = (
            loss.landmark_weight * values["landmarks"]
            + loss.expression_weight * values["expression"]
        )
        return {
            "loss": total,
            "landmarks": values["landmarks"],
            "expression": values["expression"],
        }

    def preview(state, frozen, batch, rng):
        """Frames with the true landmarks in green and the predicted ones in red."""
        del frozen, rng
        frames = to_unit(batch["frames"][:16])
        predicted = reader.apply(state.variables("reader"), frames)["landmarks"]
        pictures = draw_points(frames, batch["landmarks"][:16], color=(-1, 1, -1))
        return {"landmarks": draw_points(pictures, predicted, color=(1, -1, -1))}

    def export(state, frozen):
        del frozen
        return {"lpips": {"params": uniform_lpips(state.params["reader"])}}

    return Stage(
        name="perceptual",
        frozen=(),
        batch_spec={
            "frames": (image_shape, np.uint8),
            "landmarks": ((NUM_LANDMARKS, 2), np.float32),
            "expression": ((NUM_EXPRESSION,), np.float32),
            "speaker_id": ((), np.int32),
        },
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("lpips",),
        summary=("landmarks", "expression"),
    )
