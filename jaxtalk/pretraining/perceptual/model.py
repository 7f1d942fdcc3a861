"""The trunk with the heads that make it learn faces."""

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.vgg import SLICES
from jaxtalk.ops.points import expected_position

NUM_LANDMARKS = 68
NUM_EXPRESSION = 64


def uniform_lpips(reader_params):
    """Parameters of `LPIPS` with the reader's trunk.

    All channels weigh 1/5: the distance is the mean over the five layers of |a - b|^2 of the unit
    vectors, about as large as with the published weights.
    """
    params = dict(reader_params["lpips"])
    for name, value in params.items():
        if name.startswith("weight_"):
            params[name] = jnp.full_like(value, 1 / len(SLICES))
    return params


class FaceReader(nn.Module):
    """The trunk of LPIPS and three linear heads.

    Speaker and expression are read from the last map (relu5_3), averaged and flattened; landmarks
    from relu4_3 by a spatial softmax, which asks for features that know where they are.

    `__call__(images [B, H, W, 3] in [-1, 1])` returns `speaker` logits [B, num_speakers],
    `landmarks` [B, 68, 2] and `expression` [B, 64].
    """

    num_speakers: int
    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images):
        features = LPIPS(width=self.width, dtype=self.dtype, name="lpips").features(images)
        fine, last = (features[i].astype(jnp.float32) for i in (3, 4))
        # Zeros: the targets are small, a random start would be all that is learned from.
        head = functools.partial(nn.Dense, kernel_init=nn.initializers.zeros)
        maps = nn.Dense(NUM_LANDMARKS, name="landmarks")(fine)
        return {
            "speaker": head(self.num_speakers, name="speaker")(last.mean(axis=(1, 2))),
            "landmarks": expected_position(maps),
            "expression": head(NUM_EXPRESSION, name="expression")(last.reshape(len(last), -1)),
        }
