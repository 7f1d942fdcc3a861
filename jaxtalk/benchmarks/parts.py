"""The parts whose speed matters, each as a function and the shapes of its arguments.

All take the values of the main stage, `config.styletalker`, and a batch size, and return a `Case`.
Networks compute in `config.model.dtype`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxtalk.core.batch import MEL_BINS, MEL_FRAMES
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.nn.stylegan3_layers import activation, layer_specs
from jaxtalk.nn.syncnet import NUM_FRAMES, SyncNet
from jaxtalk.systems import styletalker
from jaxtalk.systems.styletalker.generate import UNKNOWN_LENGTH, generate_block, init_carry
from jaxtalk.systems.styletalker.model import make_model
from jaxtalk.talker import BLOCK_FRAMES


@dataclasses.dataclass(frozen=True)
class Case:
    """A pure function, to be jitted, and the shapes and dtypes of its arguments."""

    run: Callable
    shapes: tuple[Any, ...]


def generator_case(config, batch_size):
    """Synthesis of `batch_size` images from styles; no mapping network."""
    model, network = config.model, _generator(config.model)
    ws = _float32(batch_size, model.num_ws, model.w_dim)
    run = functools.partial(network.apply, method="synthesis")
    return Case(run, (_generator_variables(model), ws))


def filtered_lrelu_case(config, batch_size):
    """The filtered leaky ReLU of each layer of the generator, without what lies between them.

    One program runs them all. Where XLA runs some of them at once, or keeps a convolution's output
    in a cache in the whole generator, their share of the generator's time is off by that.
    """
    gen = _generator(config.model)
    specs = [spec for spec in layer_specs(gen) if not spec.to_rgb]

    def run(*inputs):
        return [activation(x, spec, gen.conv_clamp) for x, spec in zip(inputs, specs)]

    def shape(spec):
        size = spec.in_size + spec.conv_size - 1
        return jax.ShapeDtypeStruct((batch_size, size, size, spec.out_channels), gen.dtype)

    return Case(run, tuple(shape(spec) for spec in specs))


def encoder_case(config, batch_size):
    """pSp: `batch_size` images to style codes."""
    model = config.model
    network = Encoder(**model.encoder, image_size=model.image_size, dtype=_dtype(model))
    images = _images(model, batch_size)
    return Case(network.apply, (_variables(network, images), images))


def syncnet_case(config, batch_size):
    """Both encoders of SyncNet: `batch_size` windows of five frames, and of sound."""
    model, network = config.model, _syncnet(config.model)
    inputs = _images(model, batch_size, NUM_FRAMES), _float32(batch_size, MEL_FRAMES, MEL_BINS)
    return Case(network.apply, (_variables(network, *inputs), *inputs))


def prior_case(config, batch_size):
    """Style codes of one block of frames (`BLOCK_FRAMES`, as `Talker` takes them) of `batch_size`
    clips, the motion drawn from the prior."""
    model = config.model
    network, rng = make_model(model), _key()
    mel = _float32(batch_size, BLOCK_FRAMES, MEL_FRAMES, MEL_BINS)
    w = _float32(batch_size, BLOCK_FRAMES, model.num_ws, model.w_dim)
    carry = jax.eval_shape(
        functools.partial(init_carry, config), _float32(batch_size, model.num_ws, model.w_dim)
    )

    def run(variables, mel, carry, rng):
        inputs = {"mel": mel, "num_frames": UNKNOWN_LENGTH}
        return generate_block(config, variables, inputs, carry, rng)

    return Case(run, (_variables(network, w, mel, rng), mel, carry, rng))


def lpips_case(config, batch_size):
    """LPIPS of `batch_size` pairs of images."""
    model, network = config.model, _lpips(config.model)
    images = _images(model, batch_size)
    return Case(network.apply, (_variables(network, images, images), images, images))


def train_step_case(config, batch_size):
    """One step of the main stage with `batch_size` clips, without lazy regularisers.

    The state is not donated, unlike in training: every repetition takes the same one.
    """
    model, stage = config.model, styletalker.make(config)
    size = model.arcface.image_size
    lpips, arcface = _lpips(model), IRSE50(**model.arcface, dtype=_dtype(model))
    frozen = {
        "perceptual": {"lpips": _variables(lpips, *[_images(model, 1)] * 2)},
        "arcface": {"arcface": _variables(arcface, _float32(1, size, size, 3))},
        "psp": {"generator": _generator_variables(model)},
        "syncnet": {"syncnet": syncnet_case(config, 1).shapes[0]},
    }
    frozen = {name: frozen[name] for name in stage.frozen}
    batch = {
        name: jax.ShapeDtypeStruct((batch_size, *shape), dtype)
        for name, (shape, dtype) in stage.batch_spec.items()
    }
    state = jax.eval_shape(stage.init, _key(), frozen)
    run = functools.partial(stage.train_step, flags=())
    return Case(run, (state, frozen, batch, _key()))


PARTS = {
    "generator": generator_case,
    "filtered_lrelu": filtered_lrelu_case,
    "encoder": encoder_case,
    "syncnet": syncnet_case,
    "prior": prior_case,
    "lpips": lpips_case,
    "train_step": train_step_case,
}


def _dtype(model):
    return jnp.dtype(model.dtype)


def _generator(model):
    return Generator(**model.generator, dtype=_dtype(model))


def _generator_variables(model):
    return _variables(_generator(model), _float32(1, model.generator.z_dim))


def _lpips(model):
    return LPIPS(model.lpips_width, _dtype(model))


def _syncnet(model):
    return SyncNet(**model.syncnet, dtype=_dtype(model))


def _variables(network, *inputs):
    return jax.eval_shape(network.init, _key(), *inputs)


def _images(model, *leading):
    return _float32(*leading, model.image_size, model.image_size, 3)


def _float32(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _key():
    return jax.eval_shape(jax.random.key, 0)
