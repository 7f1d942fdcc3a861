"""Identity features: IR-SE-50 with an additive angular margin (ArcFace, Deng et al. 2019).

Trained over the speakers of the training split on the face crop that the identity loss sees, with
random mirroring. The published network saw aligned faces of MS1M instead.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState
from jaxtalk.losses.margin import additive_angular_margin
from jaxtalk.nn.arcface import IRSE50, face_crop


def make(config):
    """The stage `arcface` from its values; see `configs/arcface.py`.

    `loss.num_speakers` may exceed the number of speakers of the corpus: classes without examples
    only add constant-like negatives to the softmax.
    """
    model, loss = config.model, config.loss
    net = IRSE50(
        width=model.width,
        embedding_dim=model.embedding_dim,
        image_size=model.face_size,
        dtype=jnp.dtype(model.dtype),
    )
    optimizer = make_optimizer(config.optimizer, config.num_steps)
    image_shape = (model.image_size, model.image_size, 3)

    def faces(frames):
        return face_crop(to_unit(frames), size=model.face_size)

    def init(rng, frozen):
        del frozen
        net_rng, head_rng = jax.random.split(rng)
        variables = {
            "arcface": net.init(net_rng, jnp.zeros((1, model.face_size, model.face_size, 3))),
            "speakers": {
                "params": {
                    "centers": jax.random.normal(head_rng, (loss.num_speakers, model.embedding_dim))
                }
            },
        }
        params = {name: v["params"] for name, v in variables.items()}
        return TrainState.create(variables, {"all": optimizer.init(params)})

    def train_step(state, frozen, batch, rng, *, flags):
        del frozen, flags
        images = faces(batch["frames"])
        mirror = jax.random.bernoulli(rng, 0.5, (images.shape[0], 1, 1, 1))
        images = jnp.where(mirror, images[:, :, ::-1], images)

        def loss_fn(params):
            embedding, stats = net.apply(
                state.variables("arcface", params["arcface"]),
                images,
                train=True,
                mutable=["batch_stats"],
            )
            centers = params["speakers"]["centers"]
            value = additive_angular_margin(
                embedding=embedding,
                class_centers=centers,
                label=batch["speaker_id"],
                margin=loss.margin,
                scale=loss.scale,
            ).mean()
            logits = embedding @ (centers / jnp.linalg.norm(centers, axis=-1, keepdims=True)).T
            hit = logits.argmax(axis=-1) == batch["speaker_id"]
            return value, (stats, {"loss": value, "speaker_accuracy": hit.mean()})

        grads, (stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state["all"], state.params)
        state = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            stats={**state.stats, "arcface": stats},
            opt_state={"all": opt_state},
        )
        return state, metrics

    def similarity(state, batch):
        """Cosine of all pairs of the batch, [B, B]."""
        embedding = net.apply(state.variables("arcface"), faces(batch["frames"]))
        return embedding @ embedding.T

    def eval_step(state, frozen, batch):
        del frozen
        cosine = similarity(state, batch)
        speaker = batch["speaker_id"]
        return {"verification": verification(cosine=cosine, speaker=speaker)}

    def preview(state, frozen, batch, rng):
        """Each frame beside the frame of the batch that is nearest to it."""
        del frozen, rng
        frames = to_unit(batch["frames"])
        cosine = similarity(state, batch)
        nearest = jnp.argmax(cosine - 2 * jnp.eye(cosine.shape[0]), axis=-1)
        return {"nearest": jnp.concatenate([frames, frames[nearest]], axis=2)[:16]}

    def export(state, frozen):
        del frozen
        return {"arcface": state.variables("arcface")}

    return Stage(
        name="arcface",
        frozen=(),
        batch_spec={"frames": (image_shape, np.uint8), "speaker_id": ((), np.int32)},
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("arcface",),
        best=("verification", "max"),
    )


def verification(*, cosine, speaker):
    """How often a pair of one speaker is more alike than a pair of two, [B].

    For each example: the share of (same, other) pairs of the batch that its cosines rank the right
    way; 0.5, as for chance, where the batch has no second frame of its speaker or no other one.
    Works for speakers that training never saw.

    Args:
      cosine: [B, B].
      speaker: int [B].
    """
    same = (speaker[:, None] == speaker[None, :]) & ~jnp.eye(speaker.shape[0], dtype=bool)
    other = speaker[:, None] != speaker[None, :]
    pairs = same[:, :, None] & other[:, None, :]  # [B, same, other]
    right = cosine[:, :, None] > cosine[:, None, :]
    count = pairs.sum(axis=(1, 2))
    return jnp.where(count > 0, (pairs & right).sum(axis=(1, 2)) / jnp.maximum(count, 1), 0.5)
