"""The image generator, StyleGAN3 (Karras et al. 2021), trained adversarially on frames.

Matches the published training loop: non-saturating loss; R1 on the discriminator every
`r1_interval` steps as an update of its own, with learning rate and betas corrected for the extra
updates; an average of the generator's weights with a half-life in images that ramps up; a blur of
the discriminator's input that fades out; two mapping layers; no style mixing and no path-length
regulariser. Deviations: no augmentation of what the discriminator sees (the corpora are large
beside the number of steps), and no separate generator batch for each phase's microbatches.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState, ema_update
from jaxtalk.losses import adversarial
from jaxtalk.nn.stylegan2 import Discriminator
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.pretraining.stylegan.blur import blur
from jaxtalk.pretraining.stylegan.distance import sliced_wasserstein

NUM_PREVIEWS = 16


def lazily_regularised(config, interval):
    """Optimizer values for `interval` + 1 updates in the time of `interval`."""
    ratio = interval / (interval + 1)
    config = ConfigDict(config.to_dict())
    config.learning_rate *= ratio
    config.b1, config.b2 = config.b1**ratio, config.b2**ratio
    return config


def mean_r1(disc, variables, real, sigma):
    """R1 of the discriminator behind the blur, mean over real [B, H, W, 3]: float32 scalar.

    All of it in float32, whatever `disc.dtype` is.
    """
    exact = disc.clone(dtype=jnp.float32)
    return adversarial.r1_penalty(
        logits_fn=lambda images: exact.apply(variables, blur(images, sigma)), real=real
    ).mean()


def make(config):
    """The stage `stylegan3` from its values; see `configs/stylegan3.py`."""
    model, loss, batch_size = config.model, config.loss, config.batch_size
    dtype = jnp.dtype(model.dtype)
    gen = Generator(**model.generator, dtype=dtype)
    disc = Discriminator(**model.discriminator, dtype=dtype)
    gen_optimizer = make_optimizer(config.optimizer.generator, config.num_steps)
    disc_optimizer = make_optimizer(
        lazily_regularised(config.optimizer.discriminator, loss.r1_interval), config.num_steps
    )
    image_shape = (model.generator.resolution, model.generator.resolution, 3)

    def init(rng, frozen):
        del frozen
        gen_rng, disc_rng = jax.random.split(rng)
        variables = {
            "generator": gen.init(gen_rng, jnp.zeros((1, gen.z_dim))),
            "discriminator": disc.init(disc_rng, jnp.zeros((1, *image_shape))),
        }
        opt_state = {
            "generator": gen_optimizer.init(variables["generator"]["params"]),
            "discriminator": disc_optimizer.init(variables["discriminator"]["params"]),
        }
        return TrainState.create(variables, opt_state, ema_networks=("generator",))

    def latents(rng, real):
        """z [B, z_dim], spread over the devices as the batch is.

        Nothing else ties the generator's batch to the data: without this every device of a mesh
        would compute all of it. The pixels decide nothing, all of them are 1 at most.
        """
        z = jax.random.normal(rng, (real.shape[0], gen.z_dim))
        pixels = real.reshape(real.shape[0], -1)[:, : gen.z_dim]
        return jnp.where(pixels <= 1.0, z, pixels)

    def blur_sigma(step):
        """Pixels; falls linearly to 0 at `blur_fade_kimg`."""
        progress = step * batch_size / (loss.blur_fade_kimg * 1000)
        return loss.blur_init_sigma * jnp.clip(1 - progress, 0, 1)

    def ema_decay(step):
        """Half-life in images, no longer than `ema_rampup` of the images seen so far."""
        seen = (step + 1) * batch_size
        half_life = jnp.minimum(model.ema_half_life_kimg * 1000, seen * model.ema_rampup)
        return 0.5 ** (batch_size / half_life)

    def generator_phase(state, real, rng, sigma):
        """One update of the generator against the discriminator as it is."""
        z = latents(rng, real)
        disc_variables = state.variables("discriminator")

        def loss_fn(params):
            fake = gen.apply(state.variables("generator", params), z)
            logits = disc.apply(disc_variables, blur(fake, sigma))
            return adversarial.generator_loss(fake_logits=logits).mean()

        value, grads = jax.value_and_grad(loss_fn)(state.params["generator"])
        updates, opt_state = gen_optimizer.update(
            grads, state.opt_state["generator"], state.params["generator"]
        )
        params = optax.apply_updates(state.params["generator"], updates)
        state = state.replace(
            params={**state.params, "generator": params},
            opt_state={**state.opt_state, "generator": opt_state},
        )
        return state, {"loss_generator": value}

    def update_discriminator(state, grads):
        updates, opt_state = disc_optimizer.update(
            grads, state.opt_state["discriminator"], state.params["discriminator"]
        )
        params = optax.apply_updates(state.params["discriminator"], updates)
        return state.replace(
            params={**state.params, "discriminator": params},
            opt_state={**state.opt_state, "discriminator": opt_state},
        )

    def discriminator_phase(state, real, rng, sigma):
        """One update of the discriminator; the generator's moving averages move with its fakes."""
        z = latents(rng, real)
        fake, moved = gen.apply(
            state.variables("generator"), z, update_emas=True, mutable=["moving"]
        )
        state = state.replace(stats={**state.stats, "generator": moved})
        fake = jax.lax.stop_gradient(fake)

        def loss_fn(params):
            variables = state.variables("discriminator", params)
            real_logits = disc.apply(variables, blur(real, sigma))
            fake_logits = disc.apply(variables, blur(fake, sigma))
            value = adversarial.discriminator_loss(
                real_logits=real_logits, fake_logits=fake_logits
            ).mean()
            return value, (real_logits.mean(), fake_logits.mean())

        grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (value, (real_logit, fake_logit)), grads = grad_fn(state.params["discriminator"])
        metrics = {"loss_discriminator": value, "logit_real": real_logit, "logit_fake": fake_logit}
        return update_discriminator(state, grads), metrics

    def regularise_discriminator(state, real, sigma):
        """The R1 update, scaled for the steps that go without."""

        def loss_fn(params):
            penalty = mean_r1(disc, state.variables("discriminator", params), real, sigma)
            return penalty * (loss.r1_gamma / 2 * loss.r1_interval), penalty

        grads, penalty = jax.grad(loss_fn, has_aux=True)(state.params["discriminator"])
        return update_discriminator(state, grads), {"r1_penalty": penalty}

    def train_step(state, frozen, batch, rng, *, flags):
        del frozen
        real = to_unit(batch["frames"])
        sigma = blur_sigma(state.step)
        gen_rng, disc_rng = jax.random.split(rng)
        state, gen_metrics = generator_phase(state, real, gen_rng, sigma)
        state, disc_metrics = discriminator_phase(state, real, disc_rng, sigma)
        metrics = {**gen_metrics, **disc_metrics, "blur_sigma": sigma}
        if "r1" in flags:
            state, r1_metrics = regularise_discriminator(state, real, sigma)
            metrics.update(r1_metrics)
        # Weights are averaged; the generator's own moving averages are taken over as they are.
        params = ema_update(
            state.ema["generator"]["params"], state.params["generator"], ema_decay(state.step)
        )
        ema = {"generator": {"params": params, **state.stats["generator"]}}
        return state.replace(step=state.step + 1, ema=ema), metrics

    def eval_step(state, frozen, batch):
        del frozen
        real = to_unit(batch["frames"])
        z = latents(jax.random.key(1), real)
        fake = gen.apply(state.ema["generator"], z)
        logits = disc.apply(state.variables("discriminator"), fake)
        return {
            "sliced_wasserstein": sliced_wasserstein(real=real, fake=fake),
            "logit_fake": logits,
        }

    def preview(state, frozen, batch, rng):
        del frozen, batch, rng
        z = jax.random.normal(jax.random.key(0), (NUM_PREVIEWS, gen.z_dim))
        psi = model.preview_truncation_psi
        return {
            "samples": gen.apply(state.ema["generator"], z),
            "truncated": gen.apply(state.ema["generator"], z, truncation_psi=psi),
        }

    def export(state, frozen):
        del frozen
        return {
            "generator": state.ema["generator"],
            "discriminator": state.variables("discriminator"),
        }

    return Stage(
        name="stylegan3",
        frozen=(),
        batch_spec={"frames": (image_shape, np.uint8)},
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("generator",),
        flags_at=lambda step: ("r1",) if step % loss.r1_interval == 0 else (),
        best=("sliced_wasserstein", "min"),
    )
