"""The lip-sync expert: SyncNet with a contrastive objective (section 3.1, equations 3 and 4).

From each clip several windows of five frames (0.2 s) and their mel windows are taken. The paper
leaves the set of negatives open; the loss is a weighted sum of two, for video against audio and
audio against video:

- `batch_weight`: all other windows of the batch, over all devices, shifts in time included;
- `shift_weight`: the other windows of the same clip, shifts in time only. A small corpus needs
  these: with the other clips as negatives a network soon knows which voice belongs to which face
  by heart and stops looking at the lips.

Watch `recall_at_1`, among the windows of a clip, against `chance`. While it stays at chance nothing
is learned, whatever the loss does: `alarm` says so, what it has measured, and what is usually
wrong.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import excerpt_samples, to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState
from jaxtalk.losses import contrastive
from jaxtalk.nn.syncnet import SyncNet
from jaxtalk.ops.mel import mel_windows
from jaxtalk.pretraining.syncnet import windows
from jaxtalk.pretraining.syncnet.alarm import at_chance

MAX_OFFSET = 15  # frames, the range of the usual sync metrics
MIN_OVERLAP = 5  # windows that must remain at the largest offset
NEAR_OFFSET = 1  # frames within which an offset counts as found


def make(config):
    """The stage `syncnet` from its values; see `configs/syncnet.py`."""
    model, loss, num_frames = config.model, config.loss, config.data.clip_frames
    net = SyncNet(
        width=model.width,
        audio_width=model.audio_width,
        first_row=model.first_row,
        embedding_dim=model.embedding_dim,
        dtype=jnp.dtype(model.dtype),
    )
    optimizer = make_optimizer(config.optimizer, config.num_steps)
    max_offset = min(MAX_OFFSET, num_frames - 2 * windows.RADIUS - MIN_OVERLAP)

    def init(rng, frozen):
        del frozen
        frames = jnp.zeros((1, 2 * windows.RADIUS + 1, model.image_size, model.image_size, 3))
        variables = {"syncnet": net.init(rng, frames, jnp.zeros((1, 20, 80)))}
        opt_state = {"syncnet": optimizer.init(variables["syncnet"]["params"])}
        return TrainState.create(variables, opt_state)

    def inputs(batch, anchors):
        """Frames [B * K, 5, H, W, 3] and mel [B * K, 20, 80] at the anchors [B, K]."""
        mel = mel_windows(batch["audio"].astype(jnp.float32) / 32768)
        frames = to_unit(windows.frame_windows(batch["video"], anchors))
        return frames, windows.mel_at(mel, anchors)

    def compare(video, audio):
        """Loss and recall of embeddings [B * K, D], K in-sync windows of each clip: name -> [B]."""
        shape = (-1, loss.num_anchors, video.shape[-1])
        clips = {"video": video.reshape(shape), "audio": audio.reshape(shape)}
        info_nce = functools.partial(contrastive.info_nce, temperature=loss.temperature)
        within = jax.vmap(lambda pair: info_nce(**pair).mean())(clips)
        across = info_nce(video=video, audio=audio).reshape(shape[:2]).mean(axis=1)
        recall = jax.vmap(lambda pair: contrastive.recall_at_1(**pair).mean())(clips)
        return {
            "loss": loss.shift_weight * within + loss.batch_weight * across,
            "recall_at_1": recall,
            "chance": jnp.full_like(recall, 1 / loss.num_anchors),
        }

    def train_step(state, frozen, batch, rng, *, flags):
        del frozen, flags
        anchors = windows.random_anchors(
            rng,
            batch["video"].shape[0],
            num_frames=num_frames,
            num_anchors=loss.num_anchors,
            min_gap=loss.min_gap_frames,
        )
        frames, mel = inputs(batch, anchors)

        def loss_fn(params):
            (video, audio), stats = net.apply(
                state.variables("syncnet", params),
                frames,
                mel,
                train=True,
                mutable=["batch_stats"],
            )
            scores = compare(video, audio)
            metrics = {name: value.mean() for name, value in scores.items()}
            return metrics["loss"], (stats, metrics)

        grads, (stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params["syncnet"])
        updates, opt_state = optimizer.update(
            grads, state.opt_state["syncnet"], state.params["syncnet"]
        )
        params = optax.apply_updates(state.params["syncnet"], updates)
        state = state.replace(
            step=state.step + 1,
            params={"syncnet": params},
            stats={"syncnet": stats},
            opt_state={"syncnet": opt_state},
        )
        return state, metrics

    def embed_clips(state, batch):
        """Embeddings of all whole windows, two [B, T - 4, D]."""
        num_clips = batch["video"].shape[0]
        anchors = windows.all_anchors(num_clips, num_frames=num_frames)
        video, audio = net.apply(state.variables("syncnet"), *inputs(batch, anchors))
        return video.reshape(*anchors.shape, -1), audio.reshape(*anchors.shape, -1)

    def eval_step(state, frozen, batch):
        """Loss and recall on evenly spaced windows; whether the true offset, zero, is found.

        `offset`: of +-15 frames (fewer for short clips), the one at which a clip matches best, by
        which the lips lag (positive) or lead the speech; `offset_accuracy`: it is within one frame
        of zero.
        """
        del frozen
        video, audio = embed_clips(state, batch)
        scores = windows.offset_scores(video=video, audio=audio, max_offset=max_offset)
        offset = max_offset - scores.argmax(axis=-1)
        spacing = video.shape[1] // loss.num_anchors
        video, audio = (
            x[:, : spacing * loss.num_anchors : spacing].reshape(-1, x.shape[-1])
            for x in (video, audio)
        )
        near = jnp.abs(offset) <= NEAR_OFFSET
        offsets = {"offset": offset, "offset_accuracy": near}
        offsets = {name: value.astype(jnp.float32) for name, value in offsets.items()}
        return {**compare(video, audio), **offsets}

    def preview(state, frozen, batch, rng):
        """Cosine of each window (rows, time) with each mel window (columns): a bright diagonal."""
        del frozen, rng
        video, audio = embed_clips(state, {name: value[:8] for name, value in batch.items()})
        cosine = jnp.einsum("btd,bud->btu", video, audio)
        pictures = jnp.repeat(jnp.repeat(cosine, 4, axis=1), 4, axis=2)
        return {"similarity": jnp.broadcast_to(pictures[..., None], (*pictures.shape, 3))}

    def alarm(step, values, annotations):
        late = step >= config.alarm_step
        return at_chance(step, values, annotations, max_offset=max_offset) if late else None

    def export(state, frozen):
        del frozen
        return {"syncnet": state.variables("syncnet")}

    return Stage(
        name="syncnet",
        frozen=(),
        batch_spec={
            "video": ((num_frames, model.image_size, model.image_size, 3), np.uint8),
            "audio": ((excerpt_samples(num_frames),), np.int16),
        },
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("syncnet",),
        best=("recall_at_1", "max"),
        summary=("chance", "offset_accuracy", "loss"),
        alarm=alarm,
    )
