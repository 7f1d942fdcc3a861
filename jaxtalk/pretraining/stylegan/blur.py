"""The blur of what the discriminator sees in the early part of training."""

import jax.numpy as jnp


def blur(images, sigma):
    """Gaussian blur 2^-(d / sigma)^2 with zeros outside the image, as the published loop does.

    Both axes are dense matrix products, so that sigma can be a traced scalar that falls to zero,
    where the result is the input.

    Args:
      images: [B, H, W, 3].
      sigma: distance in pixels at which the weight is one half; scalar, at most H / 3 and W / 3.
    """

    def weights(size):
        # The reference normalises its kernel, which is cut at 3 sigma; so the rows of the inner
        # part sum to one here, and those near an edge to less.
        distance = jnp.arange(-size, size + 1)
        kernel = jnp.exp2(-jnp.square(distance / jnp.maximum(sigma, 1e-3)))
        kernel = jnp.where(jnp.abs(distance) <= jnp.floor(3 * sigma), kernel, 0)
        index = jnp.arange(size)
        return (kernel / kernel.sum())[index[:, None] - index[None, :] + size]

    rows, columns = weights(images.shape[1]), weights(images.shape[2])
    return jnp.einsum("yi,xj,bijc->byxc", rows, columns, images)
