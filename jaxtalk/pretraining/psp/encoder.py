"""The paper's way: the encoder alone, in front of a frozen generator."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState, ema_update
from jaxtalk.nn.stylegan3 import w_avg
from jaxtalk.pretraining.psp.model import make_networks, make_terms


def encoder_stage(config):
    """Trains the encoder on single frames; the exported generator is the frozen one.

    Deviation from the reference: the exported encoder is a moving average.
    """
    model = config.model
    encoder, generator = make_networks(model)
    terms = make_terms(config)
    optimizer = make_optimizer(config.optimizer, config.num_steps)
    image_shape = (model.image_size, model.image_size, 3)

    def init(rng, frozen):
        del frozen
        variables = {"encoder": encoder.init(rng, jnp.zeros((1, *image_shape)))}
        opt_state = {"encoder": optimizer.init(variables["encoder"]["params"])}
        return TrainState.create(variables, opt_state, ema_networks=("encoder",))

    def decode(frozen, offsets):
        variables = frozen["stylegan3"]["generator"]
        return generator.apply(variables, offsets + w_avg(variables), method="synthesis")

    def train_step(state, frozen, batch, rng, *, flags):
        del rng, flags
        real = to_unit(batch["frames"])

        def loss_fn(params):
            offsets, stats = encoder.apply(
                state.variables("encoder", params), real, train=True, mutable=["batch_stats"]
            )
            values = terms(frozen, real=real, fake=decode(frozen, offsets), offsets=offsets)
            metrics = {name: value.mean() for name, value in values.items()}
            return metrics["loss"], (stats, metrics)

        grads, (stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params["encoder"])
        updates, opt_state = optimizer.update(
            grads, state.opt_state["encoder"], state.params["encoder"]
        )
        params = optax.apply_updates(state.params["encoder"], updates)
        state = state.replace(
            step=state.step + 1,
            params={"encoder": params},
            stats={"encoder": stats},
            opt_state={"encoder": opt_state},
        )
        ema = ema_update(state.ema["encoder"], state.variables("encoder"), model.ema_decay)
        return state.replace(ema={"encoder": ema}), metrics

    def reconstruct(state, frozen, real):
        offsets = encoder.apply(state.ema["encoder"], real)
        return offsets, decode(frozen, offsets)

    def eval_step(state, frozen, batch):
        real = to_unit(batch["frames"])
        offsets, fake = reconstruct(state, frozen, real)
        return terms(frozen, real=real, fake=fake, offsets=offsets)

    def preview(state, frozen, batch, rng):
        """Frames beside their reconstructions."""
        del rng
        real = to_unit(batch["frames"][:16])
        _, fake = reconstruct(state, frozen, real)
        return {"reconstruction": jnp.concatenate([real, fake], axis=2)}

    def export(state, frozen):
        return {
            "encoder": state.ema["encoder"],
            "generator": frozen["stylegan3"]["generator"],
        }

    return Stage(
        name="psp",
        frozen=("perceptual", "arcface", "stylegan3"),
        batch_spec={"frames": (image_shape, np.uint8)},
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        exports=("encoder", "generator"),
        summary=("lpips", "l2", "id"),
    )
