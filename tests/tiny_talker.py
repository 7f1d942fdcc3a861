"""A StyleTalker of a few thousand weights, untrained but not idle: every weight is random.

(As initialised, the manipulation ignores audio and motion, and a test would see one still.)
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from configs import styletalker
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.systems.styletalker.model import make_model
from jaxtalk.talker import Talker
from jaxtalk.training.checkpoint import save_weights

IMAGE_SIZE = 32


def recipe():
    """The demo recipe with a shrunk main stage."""
    config = ConfigDict(styletalker.get_config("demo").to_dict())
    model = config.styletalker.model
    model.image_size, model.num_ws, model.w_dim, model.num_blocks = IMAGE_SIZE, 8, 8, 4
    model.generator.update(
        {
            "resolution": IMAGE_SIZE,
            "num_layers": 6,
            "z_dim": 8,
            "w_dim": 8,
            "channel_base": 256,
            "channel_max": 8,
        }
    )
    model.lip_styles, model.motion_gain = (2,), (1.0, 1.0, 1.0, 2.0)
    model.encoder.update({"num_styles": 8, "w_dim": 8, "width": 4})
    model.audio.update({"width": 4, "output_dim": 16})
    model.block.update(
        {
            "z_dim": 4,
            "motion_width": 8,
            "motion_dim": 4,
            "audio_dim": 8,
            "lstm_width": 8,
            "smoothing_width": 8,
        }
    )
    return config


def variables(config, seed=0):
    """Network name -> variables, as the stage exports them."""
    model = config.styletalker.model
    key = jax.random.key(seed, impl="rbg")
    encoder = Encoder(**model.encoder, image_size=IMAGE_SIZE)
    generator = Generator(**model.generator)
    images = jnp.zeros((1, IMAGE_SIZE, IMAGE_SIZE, 3))
    w, mel = jnp.zeros((1, 2, model.num_ws, model.w_dim)), jnp.zeros((1, 2, 20, 80))
    rng = np.random.default_rng(seed)

    def fill(gain, path, leaf):
        name = path[-1].key
        if name in ("mean", "var", "scale"):  # of normalisation layers
            return np.full(leaf.shape, float(name != "mean"), np.float32)
        layer = leaf.shape[1:] if path[1].key == "blocks" else leaf.shape  # blocks: vmapped
        scale = gain / np.sqrt(np.prod(layer[:-1])) if len(layer) > 1 else 0.2
        if name == "linear_kernel":  # last of the encoder, whose many layers tell images apart less
            scale *= 100
        return (scale * rng.standard_normal(leaf.shape)).astype(np.float32)

    def random(gain, init, *arguments):
        """Numpy fills the shapes in no time; to compile the initialisers takes 20 s."""
        shapes = jax.eval_shape(init, key, *arguments)
        return jax.tree_util.tree_map_with_path(functools.partial(fill, gain), shapes)

    return {
        "encoder": random(1, encoder.init, images),
        "generator": jax.device_get(jax.jit(generator.init)(key, jnp.zeros((1, generator.z_dim)))),
        "styletalker": random(1, make_model(model).init, w, mel, key),
    }


def save(workdir):
    """Writes <workdir>/styletalker/weights."""
    config = recipe()
    save_weights(workdir / "styletalker" / "weights", variables(config), config)
    return workdir


@functools.cache
def loaded():
    """The same as a Talker, one for all tests, because it takes seconds to compile."""
    config = recipe()
    return Talker(variables(config), config)
