"""Perceptual losses on VGG19: of the first-order model and of PIRenderer.

`features` is `jaxtalk.nn.vgg.VGG19` with its weights bound: normalised images [B, H, W, 3] -> maps.
The real images' features are constants to the gradient, as in both references.
"""

import jax
import jax.numpy as jnp

from jaxtalk.nn.pooling import mean_pool_2x2
from jaxtalk.nn.vgg import IMAGENET_MEAN, IMAGENET_STD
from jaxtalk.ops.gaussian_downsample import gaussian_downsample

NUM_SCALES = 4


def imagenet_normalized(images):
    """[..., 3] RGB in [0, 1] -> what torchvision's networks take."""
    return (images - jnp.asarray(IMAGENET_MEAN)) / jnp.asarray(IMAGENET_STD)


def first_order_perceptual(*, real, fake, features, weight=10.0):
    """The first-order model's pyramid: full, half, quarter and eighth of the resolution.

    Matches Siarohin et al. 2019.

    Args:
      real, fake: [B, H, W, 3] in [-1, 1], at least 128 pixels; the reference takes [0, 1], in
        which the images are filtered here too.
      features: see the module.
      weight: of each layer's mean absolute difference.

    Returns:
      [B] float32, the sum over scales and layers.
    """
    images = [(image.astype(jnp.float32) + 1) / 2 for image in (real, fake)]
    total = 0.0
    for scale in range(NUM_SCALES):
        pair = [imagenet_normalized(gaussian_downsample(image, 2**scale)) for image in images]
        total += sum(_distances(*map(features, pair)))
    return weight * total


def pirenderer_perceptual(*, real, fake, features, style_weight=0.0):
    """PIRenderer's loss of the warped image, and with `style_weight` 250 that of the final one.

    Matches Ren et al. 2021, weights 1 at four scales, each half of the one before by 2x2 means of
    the normalised images. The Gram matrices are compared at full resolution.

    Args:
      real, fake: [B, H, W, 3] in [-1, 1], at least 128 pixels.
      features: see the module.
      style_weight: of the mean absolute differences of the Gram matrices.

    Returns:
      [B] float32, the sum over scales and layers.
    """
    pair = [imagenet_normalized((image.astype(jnp.float32) + 1) / 2) for image in (real, fake)]
    maps = [features(image) for image in pair]
    total = sum(_distances(*maps))
    if style_weight:
        grams = [[gram_matrix(x) for x in layers] for layers in maps]
        total += style_weight * sum(_distances(*grams))
    for _ in range(NUM_SCALES - 1):
        pair = [mean_pool_2x2(image) for image in pair]
        total += sum(_distances(*map(features, pair)))
    return total


def gram_matrix(x):
    """[B, H, W, C] -> [B, C, C] float32, scalar products of channels over C H W."""
    x = x.astype(jnp.float32)
    gram = jnp.einsum("bhwc,bhwd->bcd", x, x, precision="highest")
    return gram / (x.shape[1] * x.shape[2] * x.shape[3])


def _distances(real, fake):
    """Mean absolute difference [B] of each layer."""
    return [
        jnp.mean(jnp.abs(jax.lax.stop_gradient(a) - b), axis=range(1, b.ndim), dtype=jnp.float32)
        for a, b in zip(real, fake)
    ]
