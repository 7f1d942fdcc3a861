"""A recipe of two stages that train in a second, with a data source of their own.

The stages are called psp and styletalker, as the second takes codes that the first one encodes.
Run as a program, this file is `jaxtalk.train` on that data. Two variables make it signal itself:
TINY_SIGNAL=TERM:5 when batch 5 is drawn, TINY_KILL_IN_SAVE=8 while the checkpoint of step 8 is
being written.
"""

import copy
import functools
import os
import signal
import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from jaxtalk import train
from jaxtalk.core.batch import to_unit
from jaxtalk.core.optimizers import make_optimizer
from jaxtalk.core.stage import Stage
from jaxtalk.core.state import TrainState, ema_update
from jaxtalk.training import checkpoint, command_line

SIDE, CODES, NUM_EXAMPLES = 8, 3, 40


class Net(nn.Module):
    """Convolution, batch statistics, dense."""

    width: int
    outputs: int = CODES

    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Conv(self.width, (3, 3))(images)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return nn.Dense(self.outputs)(nn.relu(x).mean(axis=(1, 2)))


def get_config(arg="tiny"):
    """The recipe; "poison": losses stop being finite at step 6."""
    if arg not in ("tiny", "poison"):
        raise ValueError(f"preset: found {arg!r}, expected one of ['tiny', 'poison']")
    stage = {
        "module": "tests.training.tiny_stage",
        "model": {"width": 4},
        "loss": {"poison_step": 6 if arg == "poison" else -1, "noise": 0.1},
        "optimizer": {
            "name": "ranger",
            "learning_rate": 0.01,
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
            "clip_norm": 1.0,
            "warmup_steps": 0,
            "decay": "none",
        },
        "batch_size": 8,
        "num_steps": 12,
        "log_every": 1,
        "checkpoint_every": 4,
        "eval_every": 6,
        "preview_every": 6,
        "num_eval_batches": 2,
    }
    return ConfigDict(
        {
            "preset": "tiny",
            "stages": ("psp", "styletalker"),
            "seed": 0,
            "use_bundle": False,
            "dataset": {
                "name": "noise",
                "data_dir": "",
                "num_workers": 0,
                "eval_split": "validation",
                "codes_dir": "",
            },
            "pretrained": {"psp": "", "styletalker": ""},
            "start_from": {"psp": "", "styletalker": ""},
            "psp": {**copy.deepcopy(stage), "name": "psp", "data": {"kind": "frames"}},
            "styletalker": {**stage, "name": "styletalker", "data": {"kind": "codes"}},
        }
    )


def make(config):
    """The stage: regress the codes of a frame, from its pixels and some noise."""
    net, optimizer = Net(config.model.width), make_optimizer(config.optimizer, config.num_steps)
    uses_codes = config.data.kind == "codes"

    def init(rng, frozen):
        variables = {"net": net.init(rng, jnp.zeros((1, SIDE, SIDE, 3)))}
        opt_state = {"net": optimizer.init(variables["net"]["params"])}
        return TrainState.create(variables, opt_state, ema_networks=("net",))

    def target(batch):
        return batch["w"] if uses_codes else to_unit(batch["frames"])[:, 0, 0]

    def train_step(state, frozen, batch, rng, *, flags):
        def loss_fn(params):
            images = to_unit(batch["frames"])
            images += config.loss.noise * jax.random.normal(rng, images.shape)
            variables = {"params": params, **state.stats["net"]}
            codes, stats = net.apply(variables, images, train=True, mutable=["batch_stats"])
            loss = jnp.square(codes - target(batch)).mean()
            if "reg" in flags:
                loss += 1e-3 * sum(jnp.square(p).sum() for p in jax.tree.leaves(params))
            loss = jnp.where(state.step + 1 == config.loss.poison_step, jnp.nan, loss)
            return loss, stats

        (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params["net"])
        updates, opt_state = optimizer.update(grads, state.opt_state["net"], state.params["net"])
        params = optax.apply_updates(state.params["net"], updates)
        state = state.replace(
            step=state.step + 1,
            params={"net": params},
            stats={"net": stats},
            opt_state={"net": opt_state},
            ema={"net": ema_update(state.ema["net"], {"params": params, **stats}, 0.9)},
        )
        metrics = {"loss": loss, "noise": jax.random.uniform(rng)}
        return state, {**metrics, "reg": loss} if "reg" in flags else metrics

    def eval_step(state, frozen, batch):
        codes = net.apply(state.ema["net"], to_unit(batch["frames"]))
        return {"loss": jnp.square(codes - target(batch)).mean(axis=1)}

    def preview(state, frozen, batch, rng):
        frames = to_unit(batch["frames"])
        noisy = frames + 0.1 * jax.random.normal(rng, frames.shape)
        return {"noisy": noisy, "pair": jnp.stack([frames, noisy], axis=1)}

    def export(state, frozen):
        return {"net": state.ema["net"], **({"encoder": frozen["psp"]["net"]} if frozen else {})}

    batch_spec = {"frames": ((SIDE, SIDE, 3), np.uint8)}
    return Stage(
        name=config.name,
        frozen=("psp",) if uses_codes else (),
        batch_spec={**batch_spec, "w": ((CODES,), np.float32)} if uses_codes else batch_spec,
        init=init,
        train_step=train_step,
        eval_step=eval_step,
        preview=preview,
        export=export,
        flags_at=lambda step: ("reg",) if step % 3 == 0 else (),
    )


def make_encode(config):
    """Codes of frames by the stage psp."""
    net = Net(config.model.width)
    return lambda variables, frames: net.apply(variables["net"], to_unit(frames))


def frames_of(split):
    """All frames of the noise corpus."""
    rng = np.random.default_rng({"train": 0, "validation": 1}[split])
    return rng.integers(0, 256, (NUM_EXAMPLES, SIDE, SIDE, 3), np.uint8)


class Loader:
    """Draws examples with numpy's generator, whose state is the state.

    A process takes its rows of the batch that one process alone would draw.
    """

    def __init__(self, split, batch_size, seed, shard_index, shard_count, codes_dir):
        self._frames, self._split, self._codes_dir = frames_of(split), split, codes_dir
        self._rng, self._drawn = np.random.default_rng(seed), 0
        self._total = batch_size * shard_count
        self._rows = slice(batch_size * shard_index, batch_size * (shard_index + 1))

    def __next__(self):
        self._drawn += 1
        name, _, at = os.environ.get("TINY_SIGNAL", "").partition(":")
        if name and self._drawn == int(at):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])
        if name and self._drawn >= int(at) and jax.process_count() > 1:
            time.sleep(1.0)  # threads carry the news between processes; these steps take no time
        return self.take(self._rng.integers(0, NUM_EXAMPLES, self._total)[self._rows])

    def take(self, indices):
        batch = {"frames": self._frames[indices]}
        if self._codes_dir:
            batch["w"] = np.load(os.path.join(self._codes_dir, f"{self._split}.npy"))[indices]
        return batch

    def close(self):
        """Nothing reads ahead."""

    def get_state(self):
        return {"rng": self._rng.bit_generator.state, "drawn": self._drawn}

    def set_state(self, state):
        self._rng.bit_generator.state, self._drawn = state["rng"], state["drawn"]


def make_loader(
    dataset, data, *, split, batch_size, seed, shard_index=0, shard_count=1, codes_dir=None
):
    """See `jaxtalk.data.loader`."""
    return Loader(split, batch_size, seed, shard_index, shard_count, codes_dir)


def make_eval_batches(
    dataset, data, *, split, batch_size, num_batches, shard_index=0, shard_count=1, codes_dir=None
):
    """See `jaxtalk.data.loader`."""
    loader = Loader(split, batch_size, 0, shard_index, shard_count, codes_dir)
    total = batch_size * shard_count
    starts = [total * i + batch_size * shard_index for i in range(num_batches)]
    return [loader.take(np.arange(start, start + batch_size)) for start in starts]


def encode_corpus(dataset, encode, *, codes_dir, splits, **options):
    """See `jaxtalk.data.codes`; here every process encodes all frames."""
    os.makedirs(codes_dir, exist_ok=True)
    for split in splits:
        path = os.path.join(codes_dir, f"{split}.npy")
        temporary = f"{path}.{os.getpid()}.npy"
        np.save(temporary, np.asarray(encode(frames_of(split))))
        os.replace(temporary, path)


DATA = types.SimpleNamespace(
    make_loader=make_loader,
    make_eval_batches=make_eval_batches,
    codes_key=lambda dataset, digest: f"{dataset.name}-{digest[:8]}",
    check_note=lambda codes_dir, dataset, digest: None,
    encode_corpus=encode_corpus,
    fingerprint=lambda dataset: f"digest of {dataset.name}",
    annotations=lambda dataset, split, key, built=False: np.zeros(0),
)


def kill_in_save(step):
    """Makes this process die by SIGKILL as soon as the save of `step` has begun."""
    save = checkpoint.Checkpoints.save

    def save_and_die(self, at, *args, **kwargs):
        save(self, at, *args, **kwargs)
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.Checkpoints.save = save_and_die


if __name__ == "__main__":
    if "TINY_KILL_IN_SAVE" in os.environ:
        kill_in_save(int(os.environ["TINY_KILL_IN_SAVE"]))
    command_line.define_flags()
    command_line.run(functools.partial(train.main, data=DATA))
