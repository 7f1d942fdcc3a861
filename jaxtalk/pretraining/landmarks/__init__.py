"""The measuring network for generated videos: landmarks and head pose of a frame.

No other stage takes its weights. It learns from frames with known landmarks that are made worse in
the ways in which generated ones are (see `augmentation`). Errors are shares of the face height, the
height of the box around the landmarks.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState
from jaxtalk.nn.landmark_regressor import LandmarkRegressor
from jaxtalk.ops import landmarks as geometry
from jaxtalk.ops.points import draw_points
from jaxtalk.pretraining.landmarks.augmentation import augment, gaussian_blur

NUM_PREVIEWS = 16


def make(config):
    """The stage `landmarks` from its values; see `configs/landmarks.py`."""
    model, loss = config.model, config.loss
    net = LandmarkRegressor(
        width=model.width,
        max_width=model.max_width,
        num_levels=model.num_levels,
        num_features=model.num_features,
        dtype=jnp.dtype(model.dtype),
    )
    optimizer = make_optimizer(config.optimizer, config.num_steps)
    image_shape = (model.image_size, model.image_size, 3)
    weight = np.ones(geometry.NUM_LANDMARKS, np.float32)
    weight[np.concatenate([geometry.EYES, geometry.MOUTH])] = loss.detail_weight
    weight /= weight.mean()

    def init(rng, frozen):
        del frozen
        variables = {"landmarks": net.init(rng, jnp.zeros((1, *image_shape)))}
        opt_state = {"landmarks": optimizer.init(variables["landmarks"]["params"])}
        return TrainState.create(variables, opt_state)

    def examples(batch):
        """Images in [-1, 1], landmarks in [0, 1], the three angles."""
        return to_unit(batch["frames"]), (batch["landmarks"] + 1) / 2, batch["pose"][:, :3]

    def train_step(state, frozen, batch, rng, *, flags):
        del frozen, flags
        images, landmarks, pose = augment(rng, *examples(batch), limits=config.augment)
        height = geometry.face_height(landmarks)

        def loss_fn(params):
            found = net.apply(state.variables("landmarks", params), images)
            distance = jnp.abs(found["landmarks"] - landmarks).mean(axis=-1)

            def opening_error(measure):
                return (jnp.abs(measure(found["landmarks"]) - measure(landmarks)) / height).mean()

            values = {
                "landmarks": ((distance * weight).mean(axis=-1) / height).mean(),
                "mouth_opening": opening_error(geometry.mouth_opening),
                "eye_opening": opening_error(geometry.eye_opening),
                "pose": jnp.abs(found["pose"] - pose).mean(),
            }
            total = (
                values["landmarks"]
                + loss.mouth_opening_weight * values["mouth_opening"]
                + loss.eye_opening_weight * values["eye_opening"]
                + loss.pose_weight * values["pose"]
            )
            return total, {**values, "loss": total}

        grads, metrics = jax.grad(loss_fn, has_aux=True)(state.params["landmarks"])
        updates, opt_state = optimizer.update(
            grads, state.opt_state["landmarks"], state.params["landmarks"]
        )
        params = {"landmarks": optax.apply_updates(state.params["landmarks"], updates)}
        state = state.replace(
            step=state.step + 1, params=params, opt_state={"landmarks": opt_state}
        )
        return state, metrics

    def find(state, images):
        return net.apply(state.variables("landmarks"), images)

    def eval_step(state, frozen, batch):
        """Errors as shares of the face height, of the angles in rad; see `correlation`."""
        del frozen
        images, true, pose = examples(batch)
        found = find(state, images)
        landmarks = found["landmarks"]
        sigma = jnp.full(len(images), loss.eval_blur)
        blurred = find(state, gaussian_blur(images, sigma))["landmarks"]

        def openings(measure):
            return [measure(points) / geometry.face_height(points) for points in (landmarks, true)]

        return {
            "error": geometry.landmark_error(landmarks, true),
            "error_mouth": geometry.landmark_error(landmarks, true, geometry.MOUTH),
            "error_eyes": geometry.landmark_error(landmarks, true, geometry.EYES),
            "error_blurred": geometry.landmark_error(blurred, true),
            "error_pose": jnp.abs(found["pose"] - pose).mean(axis=-1),
            "mouth_correlation": correlation(*openings(geometry.mouth_opening)),
            "eye_correlation": correlation(*openings(geometry.eye_opening)),
        }

    def preview(state, frozen, batch, rng):
        """Frames with the true landmarks in green and the found ones in red."""
        del frozen, rng
        images = to_unit(batch["frames"][:NUM_PREVIEWS])
        found = find(state, images)["landmarks"]
        pictures = draw_points(images, batch["landmarks"][:NUM_PREVIEWS], color=(-1, 1, -1))
        return {"landmarks": draw_points(pictures, 2 * found - 1, color=(1, -1, -1))}

    def export(state, frozen):
        del frozen
        return {"landmarks": state.variables("landmarks")}

    return Stage(
        name="landmarks",
        frozen=(),
        batch_spec={
            "frames": (image_shape, np.uint8),
            "landmarks": ((geometry.NUM_LANDMARKS, 2), np.float32),
            "pose": ((6,), np.float32),
        },
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("landmarks",),
        best=("error", "min"),
        summary=("error_blurred", "mouth_correlation"),
    )


def correlation(x, y):
    """Terms [B] whose mean is the correlation of x [B] and y [B] over the batch.

    Zero where one of them is constant.
    """

    def standard(values):
        centred = values - values.mean()
        return centred / jnp.maximum(jnp.sqrt(jnp.square(centred).mean()), 1e-6)

    return standard(x) * standard(y)
