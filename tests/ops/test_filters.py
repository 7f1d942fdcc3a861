"""Filter design against scipy and against the filters that public generators store."""

import numpy as np
import pytest
import scipy.signal
import scipy.special

from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.nn.stylegan3_layers import layer_specs
from jaxtalk.ops import filters
from tests import golden_files

# Taps, cutoff, transition width, sampling rate: narrow, wide and abrupt bands (all three branches
# of the Kaiser rule).
BANDS = [(12, 2.0, 12.0, 32), (24, 8.0, 16.0, 128), (12, 90.5, 75.0, 512), (12, 16.0, 1.0, 64)]


@pytest.mark.parametrize("band", BANDS)
def test_lowpass_is_firwin(band):
    num_taps, cutoff, width, rate = band
    expected = scipy.signal.firwin(num_taps, cutoff, width=width, fs=rate)
    np.testing.assert_allclose(filters.lowpass(*band), expected, rtol=0, atol=1e-12)


def test_bessel_j1_is_scipys():
    x = np.concatenate([np.linspace(-100, 100, 999), [0.0, 1e-9]])
    np.testing.assert_allclose(filters.bessel_j1(x), scipy.special.j1(x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("band", BANDS)
def test_radial_lowpass_is_a_windowed_jinc(band):
    num_taps, cutoff, width, rate = band
    x = (np.arange(num_taps) - (num_taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(x, x))
    attenuation = scipy.signal.kaiser_atten(num_taps, width / (rate / 2))
    window = scipy.signal.windows.kaiser(num_taps, scipy.signal.kaiser_beta(attenuation))
    jinc = scipy.special.j1(2 * np.pi * cutoff * radius) / (np.pi * radius)
    expected = jinc * np.outer(window, window)
    expected /= expected.sum()
    np.testing.assert_allclose(filters.radial_lowpass(*band), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("band", BANDS[:3])
def test_separable_terms_sum_to_the_radial_filter(band):
    taps = filters.radial_lowpass(*band)
    terms = filters.separable_terms(taps)
    assert 1 < len(terms) <= 5
    rest = taps - sum(np.outer(*term) for term in terms)
    assert np.abs(rest).sum() < 1e-6


@pytest.mark.parametrize("name", ["sg3_t256_cb1024_cm16", "sg3_r256_cb1024_cm16"])
def test_layers_have_the_sizes_and_filters_of_the_reference(name):
    arrays, meta = golden_files.load(name)
    kwargs = meta["kwargs"]
    config = "r" if "_r256_" in name else "t"
    generator = Generator(
        config=config, channel_base=kwargs["channel_base"], channel_max=kwargs["channel_max"]
    )
    specs = layer_specs(generator)
    assert len(specs) == len(meta["layers"])
    for spec, expected in zip(specs, meta["layers"]):
        found = {
            "in_size": [spec.in_size] * 2,
            "out_size": [spec.out_size] * 2,
            "in_ch": spec.in_channels,
            "out_ch": spec.out_channels,
            "in_sr": spec.in_rate,
            "out_sr": spec.out_rate,
            "up": spec.up,
            "down": spec.down,
            "conv_kernel": spec.conv_size,
            "is_torgb": spec.to_rgb,
        }
        assert found == {key: expected[key] for key in found}
        assert spec.in_cutoff == pytest.approx(expected["in_cutoff"])
        assert spec.out_cutoff == pytest.approx(expected["out_cutoff"])
        if spec.to_rgb:
            continue
        assert spec.pad == expected["padding_xlo_xhi_ylo_yhi"][0]
        stored = arrays[f"sd/synthesis.{expected['name']}.up_filter"]
        np.testing.assert_allclose(spec.up_taps, stored, rtol=0, atol=1e-7)
        stored = arrays[f"sd/synthesis.{expected['name']}.down_filter"]
        if stored.ndim == 1:
            stored = np.outer(stored, stored)
        assert (len(spec.down_terms) > 1) == expected["down_radial"]
        designed = sum(np.outer(*term) for term in spec.down_terms)
        np.testing.assert_allclose(designed, stored, rtol=0, atol=2e-7)
