"""Sharpness without a reference: the cumulative probability of blur detection, CPBD.

Narvekar and Karam 2009, with the choices of the public Python package `cpbd`: edge blocks by the
Canny detector of scikit-image, edge pixels by Octave's Sobel detector, widths along rows only.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxtalk.metrics.image import check_images, gray
from jaxtalk.metrics.windows import gaussian_taps, window_sums

BLOCK = 64  # pixels each way
EDGE_SHARE = 0.002  # of its pixels: more, and a block is an edge block
SMOOTHING = gaussian_taps(radius=4, sigma=1.0)
# On the gradients of an image in 0..255: the package takes the defaults for images in 0..1.
LOW_THRESHOLD, HIGH_THRESHOLD = 0.1, 0.2
LOW_CONTRAST = 50  # up to it, the just noticeable width is that of low contrast
WIDTH_LOW_CONTRAST, WIDTH_HIGH_CONTRAST = 5, 3  # px
# A run of so many steps already makes an edge wider than any just noticeable width.
LONGEST_RUN = WIDTH_LOW_CONTRAST - 1


def _shift(array, rows, columns):
    """array[:, y + rows, x + columns], and zeros outside of it."""
    height, width = array.shape[1:]
    array = jnp.pad(array, ((0, 0), (abs(rows),) * 2, (abs(columns),) * 2))
    top, left = abs(rows) + rows, abs(columns) + columns
    return array[:, top : top + height, left : left + width]


def _per_block(array, reduce):
    """[B, H, W] -> [B, H // 64, W // 64], without what is left over at the lower right."""
    rows, columns = (size // BLOCK for size in array.shape[1:])
    array = array[:, : rows * BLOCK, : columns * BLOCK]
    return reduce(array.reshape(-1, rows, BLOCK, columns, BLOCK), (2, 4))


def _sobel(array):
    """Sobel's derivatives along rows (y) and columns (x), unnormalised, the edges repeated."""
    array = jnp.pad(array, ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = array.shape[1:]
    mean_y = array[:, : height - 2] + 2 * array[:, 1 : height - 1] + array[:, 2:]
    mean_x = array[:, :, : width - 2] + 2 * array[:, :, 1 : width - 1] + array[:, :, 2:]
    return mean_x[:, 2:] - mean_x[:, : height - 2], mean_y[:, :, 2:] - mean_y[:, :, : width - 2]


@jax.jit
def _padded(image):
    # Weighted means do not depend on the origin; one in the middle of the range keeps them exact.
    pad = len(SMOOTHING) // 2
    centred = image[..., None].astype(jnp.float32) - 128
    ones = jnp.ones((1, *centred.shape[1:]), jnp.float32)
    return jax.tree.map(
        lambda x: jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))), (centred, ones)
    )


@jax.jit
def _gradients(total, weight):
    y, x = _sobel((total / weight)[..., 0])
    return y, x, jnp.hypot(y, x)


@jax.jit
def _local_maxima(y, x, magnitude):
    """Where the gradient is as large as on either side of it, interpolated; (weak, strong)."""
    steep, same = jnp.abs(y) > jnp.abs(x), (y > 0) == (x > 0)
    small, large = jnp.minimum(jnp.abs(y), jnp.abs(x)), jnp.maximum(jnp.abs(y), jnp.abs(x))
    share = small / jnp.where(large > 0, large, 1)

    def not_above(side):
        straight = jnp.where(
            steep,
            jnp.where(same, _shift(magnitude, side, 0), _shift(magnitude, -side, 0)),
            _shift(magnitude, 0, side),
        )
        diagonal = jnp.where(same, _shift(magnitude, side, side), _shift(magnitude, -side, side))
        return diagonal * share + straight * (1 - share) <= magnitude

    inside = jnp.pad(jnp.ones([size - 2 for size in y.shape[1:]], bool), 1)
    maxima = not_above(1) & not_above(-1) & inside
    return maxima & (magnitude >= LOW_THRESHOLD), maxima & (magnitude >= HIGH_THRESHOLD)


@jax.jit
def _edge_blocks(weak, strong):
    """Blocks with enough edges: strong ones, and weak ones that neighbour on an edge in turn.

    Edges grow one pixel a round, and only while that can make a block an edge block.
    """
    least = int(EDGE_SHARE * BLOCK**2) + 1

    def enough(edges):
        return _per_block(edges.astype(jnp.int32), jnp.sum) >= least

    def undecided(state):
        edges, grew = state
        return grew & jnp.any(enough(weak) & ~enough(edges))

    def grow(state):
        edges, _ = state
        near = edges | _shift(edges, 0, 1) | _shift(edges, 0, -1)
        near = near | _shift(near, 1, 0) | _shift(near, -1, 0)
        return near & weak, jnp.any(near & weak & ~edges)

    edges, _ = lax.while_loop(undecided, grow, (strong, jnp.array(True)))
    return enough(edges)


@jax.jit
def _strength(image):
    return jnp.square(_sobel(image.astype(jnp.int32))[1])


@jax.jit
def _sharp_and_all(image, strength):
    """Per block, the edge pixels whose width is not noticeable, and all."""
    mean = jnp.mean(strength.astype(jnp.float32), (1, 2), keepdims=True)
    # Octave's cutoff compares a square with a root; the kernel's norm of 8 makes 2 sqrt a 16 sqrt.
    kept = jnp.where(strength > 16 * jnp.sqrt(mean), strength, 0)
    edges = (kept > _shift(kept, 0, 1)) & (kept > _shift(kept, 0, -1))
    edges |= (kept > _shift(kept, 1, 0)) & (kept > _shift(kept, -1, 0))

    image = image.astype(jnp.int32)
    x = _shift(image, 0, 1) - _shift(image, 0, -1)
    y = _shift(image, 1, 0) - _shift(image, -1, 0)
    # Within 22.5 degrees of a row, |y| < (sqrt(2) - 1) |x|, in whole numbers.
    along_row = jnp.square(jnp.abs(x) + jnp.abs(y)) < 2 * jnp.square(x)
    inside = jnp.pad(jnp.ones([size - 2 for size in image.shape[1:]], bool), 1)
    edges &= inside & (along_row | (x == 0))
    direction = jnp.where(x < 0, -1, 1)

    # Steps to the next pixel on the right; 0, which ends each run, beyond the last one.
    steps = jnp.sign(image[:, :, 1:] - image[:, :, :-1])
    steps = jnp.pad(steps, ((0, 0), (0, 0), (0, 1)))
    width = 2
    for first, onward in ((-2, -1), (1, 1)):
        run = True
        for k in range(LONGEST_RUN):
            run &= _shift(steps, 0, first + k * onward) == direction
            width += run
    contrast = _per_block(image, jnp.max) - _per_block(image, jnp.min)
    narrow, medium = (
        _per_block((edges & (width <= limit)).astype(jnp.int32), jnp.sum)
        for limit in (WIDTH_HIGH_CONTRAST, WIDTH_LOW_CONTRAST)
    )
    sharp = jnp.where(contrast <= LOW_CONTRAST, medium, narrow)
    return sharp, _per_block(edges.astype(jnp.int32), jnp.sum)


def cpbd(images):
    """Share of the edges whose blur is not noticeable: the larger, the sharper.

    An edge of width w is seen as blurred with probability 1 - exp(-(w / w_jnb)^3.6), and the metric
    counts those with at most 63 %. As widths are whole pixels, that is just w <= w_jnb, which is 5
    pixels in blocks of a contrast of up to 50 and 3 in others. An edge counts where the gradient
    lies within 22.5 degrees of a row or has, as in the package, no part along the row at all.

    Deviates for an image that nowhere darkens to the right nor, where it brightens, changes from
    row to row: there the package takes all angles for missing and gives 0.

    Args:
      images: [B, H, W, C] uint8, C = 1 or 3, of which `image.gray` is taken; at least 64 x 64
        pixels. Pixels beyond the last whole block of 64 do not count.

    Returns:
      [B] in [0, 1]; 0 for an image without edges.

    Raises:
      UserError: see `image.check_images`.
    """
    check_images(BLOCK, images=images)
    image = gray(images)[..., 0]
    smooth = window_sums(_padded(image), SMOOTHING)
    blocks = _edge_blocks(*_local_maxima(*_gradients(*smooth)))
    sharp, edges = (
        jnp.sum(jnp.where(blocks, counts, 0), (1, 2))
        for counts in _sharp_and_all(image, _strength(image))
    )
    return sharp / jnp.maximum(edges, 1)
