"""Sharpness without a reference: the cumulative probability of blur detection, CPBD.

Narvekar and Karam 2009, with the choices of the public Python package `cpbd`: edge blocks by the
Canny detector of scikit-image, edge pixels by Octave's Sobel detector, widths along rows only.
Functions here are of one image [H, W].
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtalk.metrics.image import check_images, gray
from jaxtalk.metrics.stages import over_frames
from jaxtalk.metrics.windows import column_sums, gaussian_taps, row_sums

BLOCK = 64  # pixels each way
EDGE_SHARE = 0.002  # of its pixels: more, and a block is an edge block
SMOOTHING = gaussian_taps(radius=4, sigma=1.0)
# On the gradients of an image in 0..255: the package takes the defaults for images in 0..1.
LOW_THRESHOLD, HIGH_THRESHOLD = 0.1, 0.2
LOW_CONTRAST = 50  # up to it, the just noticeable width is that of low contrast
WIDTH_LOW_CONTRAST, WIDTH_HIGH_CONTRAST = 5, 3  # px
# A run of so many steps already makes an edge wider than any just noticeable width.
LONGEST_RUN = WIDTH_LOW_CONTRAST - 1


def _inner(array, rows, columns):
    """array[y + rows, x + columns] of all pixels but those at the border: [H - 2, W - 2]."""
    height, width = array.shape
    return array[1 + rows : height - 1 + rows, 1 + columns : width - 1 + columns]


def _per_block(reduce, array):
    """[H, W] -> [H // 64, W // 64], without what is left over at the lower right."""
    rows, columns = (size // BLOCK for size in array.shape)
    strips = array[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, -1)
    return reduce(reduce(strips, 1).reshape(rows, columns, BLOCK), 2)


def _count(array):
    """Pixels per block for which it holds."""
    return _per_block(jnp.sum, array.astype(jnp.int32))


def _sobel(array):
    """Sobel's derivatives along columns (y) and rows (x), unnormalised, of an image that has been
    padded by a pixel: [H + 2, W + 2] -> [H, W] twice."""
    mean_y = array[:-2] + 2 * array[1:-1] + array[2:]
    mean_x = array[:, :-2] + 2 * array[:, 1:-1] + array[:, 2:]
    return mean_x[2:] - mean_x[:-2], mean_y[:, 2:] - mean_y[:, :-2]


def _inside(size):
    """Sum of the taps of `SMOOTHING` that lie inside of the image, around each of its pixels."""
    return np.convolve(np.ones(size), SMOOTHING, mode="same")


def _smooth(stage, image):
    """The image in Gaussian windows, of whose pixels those inside of it count."""
    # Weighted means do not depend on the origin; one in the middle of the range keeps them exact.
    pad = len(SMOOTHING) // 2
    weight = np.outer(*map(_inside, image.shape)).astype(np.float32)
    padded = stage(lambda x: jnp.pad(x.astype(jnp.float32) - 128, pad), image)
    columns = stage(lambda x: column_sums(x, SMOOTHING), padded)
    return stage(lambda x: row_sums(x, SMOOTHING) / weight, columns)


def _gradients(padded):
    y, x = _sobel(padded)
    return y, x, jnp.hypot(y, x)


def _local_maxima(y, x, magnitude):
    """Where the gradient is as large as on either side of it, interpolated; (weak, strong)."""
    y, x = _inner(y, 0, 0), _inner(x, 0, 0)
    steep, same = jnp.abs(y) > jnp.abs(x), (y > 0) == (x > 0)
    small, large = jnp.minimum(jnp.abs(y), jnp.abs(x)), jnp.maximum(jnp.abs(y), jnp.abs(x))
    share = small / jnp.where(large > 0, large, 1)
    here = _inner(magnitude, 0, 0)

    def not_above(side):
        straight = jnp.where(
            steep,
            jnp.where(same, _inner(magnitude, side, 0), _inner(magnitude, -side, 0)),
            _inner(magnitude, 0, side),
        )
        diagonal = jnp.where(same, _inner(magnitude, side, side), _inner(magnitude, -side, side))
        return diagonal * share + straight * (1 - share) <= here

    maxima = not_above(1) & not_above(-1)
    return tuple(jnp.pad(maxima & (here >= t), 1) for t in (LOW_THRESHOLD, HIGH_THRESHOLD))


def _edge_blocks(weak, strong):
    """Blocks with enough edges: strong ones, and weak ones that neighbour on an edge in turn.

    Edges grow one pixel a round, and only while that can make a block an edge block.
    """
    least = int(EDGE_SHARE * BLOCK**2) + 1
    possible = _count(weak) >= least

    def undecided(state):
        edges, grew = state
        return grew & jnp.any(possible & (_count(edges) < least))

    def grow(state):
        edges, _ = state
        padded = jnp.pad(edges, 1)
        near = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
        near = (near[:-2] | near[1:-1] | near[2:]) & weak
        return near, jnp.any(near & ~edges)

    edges, _ = lax.while_loop(undecided, grow, (strong, jnp.array(True)))
    return _count(edges) >= least


def _strength(padded):
    return jnp.square(_sobel(padded.astype(jnp.int32))[1])


def _kept(strength):
    """Strength where it is that of an edge, else 0."""
    mean = jnp.mean(strength.astype(jnp.float32))
    # Octave's cutoff compares a square with a root; the kernel's norm of 8 makes 2 sqrt a 16 sqrt.
    return jnp.where(strength > 16 * jnp.sqrt(mean), strength, 0)


def _steps(image):
    """Signs of the steps to the next pixel on the right; zeros, which end each run, beyond."""
    image = image.astype(jnp.int16)
    steps = jnp.sign(image[:, 1:] - image[:, :-1]).astype(jnp.int8)
    return jnp.pad(steps, ((0, 0), (LONGEST_RUN, LONGEST_RUN)))


def _edges_up_to(image, kept, steps):
    """Edge pixels: those up to 3 pixels wide, up to 5, and all."""
    here = _inner(kept, 0, 0)
    edges = (here > _inner(kept, 0, 1)) & (here > _inner(kept, 0, -1))
    edges |= (here > _inner(kept, 1, 0)) & (here > _inner(kept, -1, 0))

    image = image.astype(jnp.int32)
    x = _inner(image, 0, 1) - _inner(image, 0, -1)
    y = _inner(image, 1, 0) - _inner(image, -1, 0)
    # Within 22.5 degrees of a row, |y| < (sqrt(2) - 1) |x|, in whole numbers.
    along_row = jnp.square(jnp.abs(x) + jnp.abs(y)) < 2 * jnp.square(x)
    edges &= along_row | (x == 0)
    direction = jnp.where(x < 0, -1, 1).astype(jnp.int8)

    width = jnp.full(x.shape, 2, jnp.int8)
    for first, onward in ((-2, -1), (1, 1)):
        run = jnp.ones(x.shape, bool)
        for k in range(LONGEST_RUN):
            start = LONGEST_RUN + 1 + first + k * onward
            run &= steps[1:-1, start : start + x.shape[1]] == direction
            width += run
    widths = (WIDTH_HIGH_CONTRAST, WIDTH_LOW_CONTRAST)
    return tuple(jnp.pad(x, 1) for x in (*(edges & (width <= most) for most in widths), edges))


def _sharp_and_all(stage, image, padded):
    """Per block, the edge pixels whose width is not noticeable, and all."""
    kept = stage(_kept, stage(_strength, padded))
    edges = stage(_edges_up_to, image, kept, stage(_steps, image))
    narrow, medium, every = stage(lambda *edges: tuple(map(_count, edges)), *edges)
    contrast = stage(lambda x: _per_block(jnp.max, x) - _per_block(jnp.min, x), image)
    return jnp.where(contrast <= LOW_CONTRAST, medium, narrow), every


@over_frames
def _cpbd(stage, image):
    def repeated(image):
        return jnp.pad(image, 1, mode="edge")

    gradients = stage(_gradients, stage(repeated, _smooth(stage, image)))
    blocks = _edge_blocks(*stage(_local_maxima, *gradients))
    sharp, edges = (
        jnp.sum(jnp.where(blocks, counts, 0))
        for counts in _sharp_and_all(stage, image, stage(repeated, image))
    )
    return sharp / jnp.maximum(edges, 1)


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
    return _cpbd(gray(images)[..., 0])
