"""Alias-free leaky ReLU of StyleGAN3: up-sample, activate, down-sample."""

import jax.numpy as jnp

from jaxtalk.ops.leaky_relu import leaky_relu
from jaxtalk.ops.upfirdn import fir, merge_phases, phase_sizes, phase_taps


def filtered_lrelu(x, up_taps, down_terms, *, up, down, pad, out_size, gain, slope, clamp):
    """Karras et al. 2021, figure 4b (the bias is the caller's).

    The up-sampled image exists only as its up * up phases; `down` must divide `up`.

    Args:
      x: [B, N, N, C].
      up_taps: [L] floats of unit sum.
      down_terms: tuple of (vertical [M], horizontal [M]): the down-sampling filter is the sum of
        their outer products.
      up, down: factors.
      pad: zeros in front of both axes of the up-sampled image; negative values crop. Those
        behind follow from out_size.
      out_size: N', pixels of both axes of the output.
      gain, slope, clamp: see `leaky_relu`.

    Returns:
      [B, N', N', C].
    """
    if up % down:
        raise ValueError(f"down: found {down}, expected a divisor of up = {up}")
    rows = phase_taps([up * tap for tap in up_taps], up=up, pad=pad)
    high_sizes = phase_sizes((out_size - 1) * down + len(down_terms[0][0]), up)
    out_phases = up // down
    out_sizes = phase_sizes(out_size, out_phases)

    # Horizontally one output per term and phase; vertically the sum over terms.
    horizontal, vertical = (), [()] * out_phases
    for index, (column, row) in enumerate(down_terms):
        horizontal += phase_taps(row, down=down, in_phases=up)
        for phase, taps in enumerate(phase_taps(column, down=down, in_phases=up)):
            vertical[phase] += tuple((index * up + p, offset, c) for p, offset, c in taps)

    # The strips between the two up-samplings are stacked [up, B, H, W, C]: the same horizontal
    # filters serve all of them, in one operation that is compiled once.
    strips = fir((x,), rows, high_sizes, axis=1)
    strips = jnp.stack([_pad_rows(strip, high_sizes[0]) for strip in strips])
    high = fir((strips,), rows, high_sizes, axis=3)
    high = tuple(leaky_relu(phase, gain, slope, clamp) for phase in high)
    filtered = fir(high, horizontal, out_sizes * len(down_terms), axis=3)
    columns = []
    for phase in range(out_phases):
        inputs = [strip for stack in filtered[phase::out_phases] for strip in stack]
        columns.append(merge_phases(fir(inputs, tuple(vertical), out_sizes, axis=1), axis=1))
    return merge_phases(tuple(columns), axis=2)


def _pad_rows(x, size):
    return jnp.pad(x, ((0, 0), (0, size - x.shape[1]), (0, 0), (0, 0)))
