"""What one step of StyleTalker does: eq. 12 to 17.

Codes of all T frames go through the model, but only a window of T_w frames is synthesised by the
frozen generator and compared with the real frames. The video discriminator and the SyncNet see
the window in groups of five consecutive frames.
"""

import functools

import jax
import jax.numpy as jnp
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.state import ema_update
from jaxtalk.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from jaxtalk.losses.contrastive import sync_loss
from jaxtalk.losses.identity import identity
from jaxtalk.losses.kl import sequence_kl
from jaxtalk.losses.perceptual import multi_scale_lpips
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.patch_discriminator import PatchDiscriminator
from jaxtalk.nn.syncnet import NUM_FRAMES, SyncNet
from jaxtalk.ops.mel import mel_windows
from jaxtalk.systems.styletalker.generate import generate_clip, synthesize
from jaxtalk.systems.styletalker.model import make_model

EVAL_SEED = 0


def make_discriminator(config):
    """D_v of eq. 15."""
    return PatchDiscriminator(**config.model.discriminator, dtype=jnp.dtype(config.model.dtype))


def clip_mel(batch):
    """[B, T, 20, 80] of the batch's excerpt of audio."""
    return mel_windows(batch["audio"].astype(jnp.float32) / 32768.0)


def window_of(x, start, size):
    """Frames start .. start + size of each example: [B, T, ...], [B] -> [B, size, ...]."""
    return jax.vmap(functools.partial(jax.lax.dynamic_slice_in_dim, slice_size=size))(x, start)


def groups_of_frames(video):
    """[B, T_w, ...] -> [B * (T_w // 5), 5, ...], without overlap; what is left over is dropped."""
    count = video.shape[1] // NUM_FRAMES
    return video[:, : count * NUM_FRAMES].reshape(-1, NUM_FRAMES, *video.shape[2:])


def mean_of_parts(values, batch_size):
    """One value for each frame or group of a window -> their mean for each example, [B]."""
    return values.reshape(batch_size, -1).mean(axis=1)


def window_terms(config, frozen, real, fake, mel):
    """LPIPS, identity and sync loss (eq. 13, 14, 16) of windows of frames.

    Args:
      real, fake: [B, T_w, H, W, 3] in [-1, 1].
      mel: [B, T_w, 20, 80].

    Returns:
      {"lpips", "id", "sync": [B]}; no "sync" where `loss.sync_weight` is 0.
    """
    model, batch_size = config.model, real.shape[0]
    dtype = jnp.dtype(model.dtype)
    real_frames, fake_frames = (x.reshape(-1, *x.shape[2:]) for x in (real, fake))

    lpips = LPIPS(model.lpips_width, dtype)
    terms = {
        "lpips": multi_scale_lpips(
            real=real_frames,
            fake=fake_frames,
            distance=functools.partial(lpips.apply, frozen["perceptual"]["lpips"]),
            num_extra_scales=config.loss.num_extra_scales,
        )
    }
    arcface = IRSE50(**model.arcface, dtype=dtype)

    def embedding(frames):
        crop = face_crop(frames, model.arcface.image_size)
        return arcface.apply(frozen["arcface"]["arcface"], crop)

    terms["id"] = identity(
        real_embedding=embedding(real_frames), fake_embedding=embedding(fake_frames)
    )
    terms = {k: mean_of_parts(v, batch_size) for k, v in terms.items()}
    if config.loss.sync_weight:
        terms["sync"] = sync_term(config, frozen, fake, mel)
    return terms


def sync_term(config, frozen, video, mel):
    """Eq. 16 of the groups of five frames of a window, each with its centre's mel: [B]."""
    syncnet = SyncNet(**config.model.syncnet, dtype=jnp.dtype(config.model.dtype))
    centres = groups_of_frames(mel)[:, NUM_FRAMES // 2]
    embeddings = syncnet.apply(frozen["syncnet"]["syncnet"], groups_of_frames(video), centres)
    loss = sync_loss(video=embeddings[0], audio=embeddings[1])
    return mean_of_parts(loss, video.shape[0])


def kl_of(out):
    """Eq. 9 of BlockOutputs with a leading axis of blocks: [B], mean over the blocks."""
    kl = jax.vmap(sequence_kl)(
        z=out.z,
        mean=out.mean,
        log_std=out.log_std,
        u=out.u,
        prior_mean=out.prior_mean,
        prior_log_std=out.prior_log_std,
    )
    return kl.mean(axis=0)


def code_error(config, w_hat, w):
    """Squared error of the edited style vectors of all frames, in units of their motion: [B].

    The unit of each style vector is the mean over the batch of its squared distance to the first
    frame, so that holding the reference still scores 1 and the scale of the codes does not matter.
    Each has a unit of its own: what turns a head in the picture may move a hundredth as far in the
    codes as what opens a mouth, and would not be learned. Not in the paper.
    """
    w_hat, w = (x[:, :, : config.model.num_blocks] for x in (w_hat, w))
    still = jnp.square(w - w[:, :1]).mean(axis=(0, 1, 3))
    return (jnp.square(w_hat - w).mean(axis=(1, 3)) / (still + 1e-6)).mean(axis=1)


def code_terms(config, state, batch, rng, params, train_audio=True):
    """What a whole clip of codes gives without a picture: eq. 9 and the error of the codes.

    train_audio: False takes the audio encoder as it is, statistics of batches and all.

    Returns:
      {"kl", "code": scalars}, the codes w_hat [B, T, num_ws, D], new batch statistics.
    """
    if not train_audio:
        params = params | {"audio_encoder": jax.lax.stop_gradient(params["audio_encoder"])}
    (w_hat, out), updates = make_model(config.model).apply(
        state.variables("styletalker", params),
        batch["w"],
        clip_mel(batch),
        rng,
        train=train_audio,
        mutable=["batch_stats"],
    )
    terms = {"kl": kl_of(out), "code": code_error(config, w_hat, batch["w"])}
    return {k: v.mean() for k, v in terms.items()}, w_hat, dict(updates)


def weighted(config, state, terms):
    """Eq. 17: the sum of the terms, the KL term brought in over the first steps."""
    loss = config.loss
    warm = jnp.minimum(1.0, (state.step + 1) / max(1, loss.kl_warmup_steps))
    weights = {"lpips": 1.0, "kl": loss.kl_weight * warm}
    return sum(weights.get(k, loss.get(f"{k}_weight")) * v for k, v in terms.items())


def code_objective(config, state, batch, rng, train_audio, params):
    """The terms of eq. 17 that need no picture; returns as `generator_objective`, no frames."""
    terms, _, updates = code_terms(config, state, batch, rng, params, train_audio)
    loss = weighted(config, state, terms)
    return loss, ({**terms, "loss": loss}, None, updates)


def generator_objective(config, state, frozen, batch, rng, params):
    """Eq. 17 for the model's `params`.

    Returns:
      The loss, and (terms by name, fake frames [B, T_w, H, W, 3], new batch statistics).
    """
    terms, w_hat, updates = code_terms(config, state, batch, rng, params)
    real, start, size = to_unit(batch["window"]), batch["window_start"], batch["window"].shape[1]
    fake = synthesize(config, frozen["psp"]["generator"], window_of(w_hat, start, size))
    mel = window_of(clip_mel(batch), start, size)
    pictures = window_terms(config, frozen, real, fake, mel)
    logits = make_discriminator(config).apply(
        state.variables("discriminator"), groups_of_frames(fake)
    )
    pictures["adv"] = mean_of_parts(generator_loss(fake_logits=logits), len(real))
    terms |= {k: v.mean() for k, v in pictures.items()}
    loss = weighted(config, state, terms)
    return loss, ({**terms, "loss": loss}, fake, updates)


def discriminator_objective(config, state, real, fake, do_r1, params):
    """Loss of D_v on groups of frames [N, 5, H, W, 3], and its parts by name.

    No gradient goes to `fake`. R1 runs in float32 whatever the dtype of the networks.
    """
    discriminator = make_discriminator(config)
    variables = state.variables("discriminator", params)
    logits_fn = functools.partial(discriminator.apply, variables)
    fake = jax.lax.stop_gradient(fake)
    loss = discriminator_loss(real_logits=logits_fn(real), fake_logits=logits_fn(fake)).mean()
    terms = {"disc": loss}
    if do_r1:
        exact_fn = functools.partial(discriminator.clone(dtype=jnp.float32).apply, variables)
        terms["r1"] = r1_penalty(logits_fn=exact_fn, real=real).mean()
        loss += 0.5 * config.loss.r1_gamma * config.loss.r1_interval * terms["r1"]
    return loss, terms


def train_step(config, state, frozen, batch, rng, *, flags):
    """One update of the model and of D_v, from the same synthesised frames.

    Args:
      config: values of the stage.
      state, frozen, batch, rng: see `jaxtalk.core.stage`.
      flags: ("codes",), ("codes", "audio"), ("r1",) or (). In a step with "codes" only the model
        learns, from `code_objective`, its audio encoder where "audio" is there, too.

    Returns:
      The next state, and the terms of both losses, unweighted.
    """
    if "codes" in flags:
        objective = functools.partial(code_objective, config, state, batch, rng, "audio" in flags)
    else:
        objective = functools.partial(generator_objective, config, state, frozen, batch, rng)
    grads, (metrics, fake, stats) = jax.grad(objective, has_aux=True)(state.params["styletalker"])
    gradients, terms = {"styletalker": grads}, {}
    if fake is not None:
        real, fake = groups_of_frames(to_unit(batch["window"])), groups_of_frames(fake)
        objective = functools.partial(
            discriminator_objective, config, state, real, fake, "r1" in flags
        )
        gradients["discriminator"], terms = jax.grad(objective, has_aux=True)(
            state.params["discriminator"]
        )
    params, opt_state = dict(state.params), dict(state.opt_state)
    for name, gradient in gradients.items():
        optimizer = make_optimizer(config.optimizer[name], config.num_steps)
        updates, opt_state[name] = optimizer.update(
            gradient, state.opt_state[name], state.params[name]
        )
        if name == "styletalker" and flags == ("codes",):  # it would go on by its momentum
            still = jax.tree.map(jnp.zeros_like, updates["audio_encoder"])
            updates = updates | {"audio_encoder": still}
        params[name] = optax.apply_updates(state.params[name], updates)
        terms[f"{name}_grad_norm"] = optax.tree.norm(gradient)
    variables = {"params": params["styletalker"], **stats}
    ema = ema_update(state.ema["styletalker"], variables, config.model.ema_decay)
    new = state.replace(
        step=state.step + 1,
        params=params,
        stats={**state.stats, "styletalker": stats},
        opt_state=opt_state,
        ema={"styletalker": ema},
    )
    return new, {**metrics, **terms}


def sample_windows(config, state, frozen, batch, rng):
    """The window of each clip, [B, T_w, H, W, 3] in [-1, 1], three times.

    Returns:
      {"real"; "reconstruction": motion by the posterior (eq. 18); "audio_driven": motion by the
      prior, from the clip's first frame and audio alone (eq. 19)}, and BlockOutputs and w_hat of
      the reconstruction.
    """
    variables, generator = state.sampling_variables("styletalker"), frozen["psp"]["generator"]
    w, mel, size = batch["w"], clip_mel(batch), batch["window"].shape[1]
    w_hat, out = make_model(config.model).apply(variables, w, mel, rng)
    driven = generate_clip(config, variables, w[:, 0], mel, rng)
    videos = {"real": to_unit(batch["window"])}
    for name, codes in (("reconstruction", w_hat), ("audio_driven", driven)):
        window = window_of(codes, batch["window_start"], size)
        videos[name] = synthesize(config, generator, window)
    return videos, out, w_hat


def eval_step(config, state, frozen, batch):
    """Quality of the averaged weights, with the noise of one fixed key: {name: [B]}.

    lpips, id, sync, psnr (dB, peak to peak 2, mean over frames) of the reconstructed window; kl
    and code (error) of the whole clip; audio_driven_sync, the sync loss without the posterior, and
    real_sync, that of the real frames: what a perfect model would reach.
    """
    mel = window_of(clip_mel(batch), batch["window_start"], batch["window"].shape[1])
    videos, out, w_hat = sample_windows(config, state, frozen, batch, jax.random.key(EVAL_SEED))
    real, fake = videos["real"], videos["reconstruction"]
    values = window_terms(config, frozen, real, fake, mel)
    error = jnp.square(real - fake).mean(axis=(2, 3, 4))
    values["psnr"] = (10.0 * jnp.log10(4.0 / (error + 1e-8))).mean(axis=1)
    values["kl"] = kl_of(out)
    values["code"] = code_error(config, w_hat, batch["w"])
    if config.loss.sync_weight:
        for name, video in (("real_sync", real), ("audio_driven_sync", videos["audio_driven"])):
            values[name] = sync_term(config, frozen, video, mel)
    return values
