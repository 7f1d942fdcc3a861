"""The demo's way: encoder and generator together, as an autoencoder over pairs of frames.

A generator from adversarial training is ordered by itself: its first styles hold pose and shape,
its last ones colour and texture, and StyleTalker edits the first only. An autoencoder has no such
order, the motion of the mouth may hide in any style. So each frame is decoded from its own first
`num_motion_styles` styles and the remaining ones of another frame of its clip: what those carry
must be the same in both frames, and all that moves must be in the first; where there, `anchors`
says.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState, ema_update
from jaxtalk.nn.stylegan3 import w_avg
from jaxtalk.ops.landmarks import EYES, MIRRORED, MOUTH, NUM_LANDMARKS
from jaxtalk.pretraining.psp.anchors import motion_errors
from jaxtalk.pretraining.psp.model import feature_mask, make_networks, make_terms

NETWORKS = ("encoder", "generator")
EMA_WARMUP_STEPS = 10


def autoencoder_stage(config):
    """Trains the encoder and the generator of the stage `stylegan3` on the terms of eq. 20."""
    model = config.model
    encoder, generator = make_networks(model)
    terms = make_terms(config)
    optimizers = {
        name: make_optimizer(config.optimizer[name], config.num_steps) for name in NETWORKS
    }
    image_shape = (model.image_size, model.image_size, 3)

    def motion_terms(offsets, landmarks, pose):
        """`motion_errors` of the codes [B * 2, num_ws, w_dim] of pairs."""
        return motion_errors(
            model.anchors,
            model.anchor_scale,
            offsets=offsets.reshape(-1, 2, *offsets.shape[1:]),
            landmarks=landmarks,
            pose=pose,
            num_styles=model.num_motion_styles,
        )

    def init(rng, frozen):
        variables = {
            "encoder": encoder.init(rng, jnp.zeros((1, *image_shape))),
            # A copy: the state is donated, the frozen weights are not.
            "generator": jax.tree.map(jnp.copy, frozen["stylegan3"]["generator"]),
        }
        opt_state = {name: optimizers[name].init(variables[name]["params"]) for name in NETWORKS}
        return TrainState.create(variables, opt_state, ema_networks=NETWORKS)

    def train_step(state, frozen, batch, rng, *, flags):
        del flags
        pairs, landmarks, pose = mirrored(rng, batch["video"], batch["landmarks"], batch["pose"])
        real = to_unit(as_batch(pairs))

        def loss_fn(params):
            stats = {}
            offsets, stats["encoder"] = encoder.apply(
                state.variables("encoder", params["encoder"]),
                real,
                train=True,
                mutable=["batch_stats"],
            )
            variables = state.variables("generator", params["generator"])
            fake, stats["generator"] = generator.apply(
                variables,
                swap_styles(offsets, num_own=model.num_motion_styles) + w_avg(variables),
                update_emas=True,
                method="synthesis",
                mutable=["moving"],
            )
            values = terms(
                frozen, real=real, fake=fake, offsets=offsets, landmarks=as_batch(landmarks)
            )
            metrics = {name: value.mean() for name, value in values.items()}
            moved = motion_terms(offsets, landmarks, pose)
            moved |= changes(real, fake, as_batch(landmarks))
            moved = {k: v.mean() for k, v in moved.items()}
            metrics["loss"] += sum(config.loss[f"{k}_weight"] * v for k, v in moved.items())
            return metrics["loss"], (stats, metrics | moved)

        grads, (stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params)
        params, opt_state = {}, {}
        for name, optimizer in optimizers.items():
            updates, opt_state[name] = optimizer.update(
                grads[name], state.opt_state[name], state.params[name]
            )
            params[name] = optax.apply_updates(state.params[name], updates)
        state = state.replace(step=state.step + 1, params=params, stats=stats, opt_state=opt_state)
        decay = jnp.minimum(model.ema_decay, state.step / (state.step + EMA_WARMUP_STEPS))
        ema = {name: ema_update(state.ema[name], state.variables(name), decay) for name in NETWORKS}
        return state.replace(ema=ema), metrics

    def reconstruct(state, real):
        """Offsets and pictures, of a batch of pairs."""
        offsets = encoder.apply(state.ema["encoder"], real)
        variables = state.ema["generator"]
        ws = swap_styles(offsets, num_own=model.num_motion_styles) + w_avg(variables)
        return offsets, generator.apply(variables, ws, method="synthesis")

    def eval_step(state, frozen, batch):
        """Each frame, with the later styles of its neighbour."""
        real = to_unit(as_batch(batch["video"]))
        offsets, fake = reconstruct(state, real)
        values = terms(
            frozen, real=real, fake=fake, offsets=offsets, landmarks=as_batch(batch["landmarks"])
        )
        values = {name: value.reshape(-1, 2).mean(axis=1) for name, value in values.items()}
        values |= changes(real, fake, as_batch(batch["landmarks"]))
        return values | motion_terms(offsets, batch["landmarks"], batch["pose"])

    def preview(state, frozen, batch, rng):
        """Frames beside their reconstructions."""
        del frozen, rng
        real = to_unit(as_batch(batch["video"][:8]))
        _, fake = reconstruct(state, real)
        return {"reconstruction": jnp.concatenate([real, fake], axis=2)}

    def export(state, frozen):
        del frozen
        return dict(state.ema)

    return Stage(
        name="psp",
        frozen=("perceptual", "arcface", "stylegan3"),
        batch_spec={
            "video": ((2, *image_shape), np.uint8),
            "landmarks": ((2, NUM_LANDMARKS, 2), np.float32),
            "pose": ((2, 6), np.float32),
        },
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("encoder", "generator"),
        summary=("lpips", "l2", "id", "anchor"),
    )


def as_batch(pairs):
    """[B, 2, ...] -> [B * 2, ...]."""
    return pairs.reshape(-1, *pairs.shape[2:])


def mirrored(rng, video, landmarks, pose):
    """Half of the pairs, left for right: [B, 2, H, W, 3], [B, 2, 68, 2] in [-1, 1], [B, 2, 6]."""
    flip = jax.random.bernoulli(rng, 0.5, (len(video), 1, 1, 1))
    turned = landmarks[:, :, MIRRORED] * jnp.array([-1.0, 1.0])
    video = jnp.where(flip[..., None], video[:, :, :, ::-1], video)
    # Yaw, roll and x change sides.
    pose = jnp.where(flip[..., 0], pose * jnp.array([-1.0, 1.0, -1.0, -1.0, 1.0, 1.0]), pose)
    return video, jnp.where(flip, turned, landmarks), pose


def changes(real, fake, landmarks):
    """How far off is what changes between the frames of pairs, around eyes and mouth.

    In the squared error of the frames themselves a blink hides behind all that is not quite like
    this person's eyes; it is the same in both frames, and the difference is without it.

    Args:
      real, fake: [B * 2, H, W, 3], neighbours are pairs.
      landmarks: [B * 2, 68, 2] of the real ones, in [-1, 1].

    Returns:
      {"eyes_change", "mouth_change": [B], squared errors}.
    """
    wrong = fake.astype(jnp.float32) - real
    square = jnp.square(wrong[0::2] - wrong[1::2]).mean(axis=-1)
    values = {}
    for name, points in (("eyes", EYES), ("mouth", MOUTH)):
        mask = feature_mask(landmarks[:, points], real.shape[1])
        mask = jnp.maximum(mask[0::2], mask[1::2])
        total = jnp.maximum(mask.sum(axis=(1, 2)), 1e-6)
        values[f"{name}_change"] = (square * mask).sum(axis=(1, 2)) / total
    return values


def swap_styles(styles, *, num_own):
    """Pairs of neighbours [B * 2, num_ws, w_dim]: all but the first `num_own` styles exchanged."""
    pairs = styles.reshape(-1, 2, *styles.shape[1:])
    other = pairs[:, ::-1]
    return jnp.concatenate([pairs[:, :, :num_own], other[:, :, num_own:]], axis=2).reshape(
        styles.shape
    )
