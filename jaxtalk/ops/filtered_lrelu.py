"""Alias-free leaky ReLU of StyleGAN3: up-sample, activate, down-sample."""

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

    filtered = []
    for strip in fir((x,), rows, high_sizes, axis=1):
        high = fir((strip,), rows, high_sizes, axis=2)
        high = tuple(leaky_relu(phase, gain, slope, clamp) for phase in high)
        filtered.append(fir(high, horizontal, out_sizes * len(down_terms), axis=2))
    columns = []
    for phase in range(out_phases):
        inputs = [
            strip[phase + i * out_phases] for i in range(len(down_terms)) for strip in filtered
        ]
        columns.append(merge_phases(fir(inputs, tuple(vertical), out_sizes, axis=1), axis=1))
    return merge_phases(tuple(columns), axis=2)
