"""What both ways of training share: the networks, the codes and the terms of eq. 20."""

import jax.numpy as jnp

from jaxtalk.core.batch import to_unit
from jaxtalk.losses.identity import identity
from jaxtalk.nn.arcface import IRSE50, face_crop
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.psp import Encoder, style_codes
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.ops.landmarks import EYES, MOUTH


def make_networks(model):
    """(encoder, generator) from `config.model`."""
    dtype = jnp.dtype(model.dtype)
    encoder = Encoder(**model.encoder, image_size=model.image_size, dtype=dtype)
    return encoder, Generator(**model.generator, dtype=dtype)


def make_encode(config):
    """encode(variables, frames) -> `style_codes`, with what this stage exports.

    `frames` is uint8 [N, H, W, 3]. Pure: wrap it in `jax.jit`.
    """
    encoder, _ = make_networks(config.model)
    return lambda variables, frames: style_codes(encoder, variables, to_unit(frames))


def make_terms(config):
    """terms(frozen, *, real, fake, offsets, landmarks=None) -> name -> [B], eq. 20.

    `l2`, `lpips`, `id` and `w_norm` come without weights, `loss` is their weighted sum. `w_norm`
    is the Euclidean norm of all offsets of an image, as in the reference. Where their weights are
    not 0, there are also `eyes` and `mouth`, the squared error around them (a deviation), for which
    it takes the landmarks of the real images.
    """
    model, weights = config.model, config.loss
    dtype = jnp.dtype(model.dtype)
    arcface = IRSE50(**model.arcface, dtype=dtype)
    lpips = LPIPS(width=model.lpips_width, dtype=dtype)

    def identify(frozen, images):
        crops = face_crop(images, size=model.arcface.image_size)
        return arcface.apply(frozen["arcface"]["arcface"], crops)

    def terms(frozen, *, real, fake, offsets, landmarks=None):
        fake = fake.astype(jnp.float32)
        values = {
            "l2": jnp.square(fake - real).mean(axis=(1, 2, 3)),
            "lpips": lpips.apply(frozen["perceptual"]["lpips"], fake, real),
            "id": identity(
                real_embedding=identify(frozen, real), fake_embedding=identify(frozen, fake)
            ),
            "w_norm": jnp.linalg.norm(offsets.reshape(offsets.shape[0], -1), axis=-1),
        }
        for name, points in (("eyes", EYES), ("mouth", MOUTH)):
            if weights[f"{name}_weight"]:
                mask = feature_mask(landmarks[:, points], model.image_size)
                error = jnp.square(fake - real).mean(axis=-1) * mask
                values[name] = error.sum(axis=(1, 2)) / jnp.maximum(mask.sum(axis=(1, 2)), 1e-6)
        loss = sum(weights[f"{name}_weight"] * value for name, value in values.items())
        return {"loss": loss, **values}

    return terms


def feature_mask(points, size):
    """Where a feature of a face is: its landmarks [B, K, 2] in [-1, 1] -> [B, size, size].

    1 at each of the points, a Gaussian of size / 32 px around it; nowhere in an image whose
    landmarks are not known (NaN).
    """
    centres = (jnp.arange(size) + 0.5) * (2 / size) - 1
    across = jnp.square(centres - points[..., :1])[:, :, None]  # [B, K, 1, size]
    along = jnp.square(centres - points[..., 1:])[..., None]
    mask = jnp.exp(-(across + along) * (16**2 / 2)).max(axis=1)
    return jnp.where(jnp.isfinite(mask), mask, 0.0)
