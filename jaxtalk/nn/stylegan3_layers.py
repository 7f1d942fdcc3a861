"""Sizes, bands and filters of the layers of StyleGAN3 (Karras et al. 2021, section 3.2)."""

import dataclasses

import numpy as np

from jaxtalk.ops.filtered_lrelu import filtered_lrelu
from jaxtalk.ops.filters import lowpass, radial_lowpass, separable_terms

# Convolution size and whether down-sampling filters are radial (not in critical layers).
CONFIGS = {"t": (3, False), "r": (1, True)}


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """Sizes (px), sampling rates (px per image width) and filters of one synthesis layer."""

    in_size: int
    out_size: int
    in_channels: int
    out_channels: int
    in_rate: int
    out_rate: int
    in_cutoff: float
    out_cutoff: float
    up: int
    down: int
    pad: int
    conv_size: int
    to_rgb: bool
    up_taps: tuple = ()
    down_terms: tuple = ()


def layer_specs(generator):
    """Layers of a `Generator`, from its fields alone: list of LayerSpec.

    Raises:
      ValueError: if config is unknown.
    """
    gen = generator
    if gen.config not in CONFIGS:
        raise ValueError(f"config: found {gen.config!r}, expected one of {sorted(CONFIGS)}")
    conv_size, radial = CONFIGS[gen.config]
    last_cutoff = gen.resolution / 2
    last_stopband = last_cutoff * gen.last_stopband_ratio
    progress = np.minimum(np.arange(gen.num_layers + 1) / (gen.num_layers - gen.num_critical), 1)
    cutoffs = gen.first_cutoff * (last_cutoff / gen.first_cutoff) ** progress
    stopbands = gen.first_stopband * (last_stopband / gen.first_stopband) ** progress
    rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, gen.resolution)))).astype(int)
    half_widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + gen.margin_size * 2
    sizes[-2:] = gen.resolution
    channels = np.rint(np.minimum(gen.channel_base / 2 / cutoffs, gen.channel_max)).astype(int)
    channels[-1] = gen.image_channels

    specs = []
    for out in range(gen.num_layers + 1):
        into = max(out - 1, 0)
        to_rgb = out == gen.num_layers
        high_rate = max(rates[into], rates[out]) * (1 if to_rgb else gen.lrelu_upsampling)
        up, down = int(high_rate // rates[into]), int(high_rate // rates[out])
        pad, up_taps, down_terms = 0, (), ()
        if not to_rgb:
            num_up, num_down = gen.filter_size * up, gen.filter_size * down
            total = (sizes[out] - 1) * down + 1 - (sizes[into] + conv_size - 1) * up
            pad = int((total + num_up + num_down - 2 + up) // 2)
            up_taps = lowpass(num_up, cutoffs[into], half_widths[into] * 2, high_rate)
            down_filter = num_down, cutoffs[out], half_widths[out] * 2, high_rate
            if radial and out < gen.num_layers - gen.num_critical:
                down_terms = separable_terms(radial_lowpass(*down_filter))
            else:
                down_terms = ((lowpass(*down_filter),) * 2,)
        specs.append(
            LayerSpec(
                in_size=int(sizes[into]),
                out_size=int(sizes[out]),
                in_channels=int(channels[into]),
                out_channels=int(channels[out]),
                in_rate=int(rates[into]),
                out_rate=int(rates[out]),
                in_cutoff=float(cutoffs[into]),
                out_cutoff=float(cutoffs[out]),
                up=up,
                down=down,
                pad=pad,
                conv_size=1 if to_rgb else conv_size,
                to_rgb=to_rgb,
                up_taps=_hashable(up_taps),
                down_terms=_hashable(down_terms),
            )
        )
    return specs


def activation(x, spec, clamp):
    """The alias-free leaky ReLU behind a layer's convolution.

    Args:
      x: [B, N, N, out_channels], N = in_size + conv_size - 1.
      spec: LayerSpec of a layer that is not `to_rgb`.
      clamp: bound of the magnitude, or None.

    Returns:
      [B, out_size, out_size, out_channels].
    """
    return filtered_lrelu(
        x,
        spec.up_taps,
        spec.down_terms,
        up=spec.up,
        down=spec.down,
        pad=spec.pad,
        out_size=spec.out_size,
        gain=2**0.5,
        slope=0.2,
        clamp=clamp,
    )


def _hashable(values):
    return tuple(_hashable(v) for v in values) if np.ndim(values) else float(values)
