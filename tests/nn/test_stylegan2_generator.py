"""The StyleGAN2 generator; its numbers are held to the references by `tests.test_parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.stylegan2_generator import Generator
from tests import gradients, random_variables

SMALL = {
    "resolution": 8,
    "z_dim": 8,
    "w_dim": 8,
    "mapping_layers": 2,
    "channel_base": 64,
    "channel_max": 6,
}


@pytest.fixture(scope="module")
def small():
    gen = Generator(**SMALL)
    z = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    return gen, random_variables.draw(gen, z, noise="none", equalized=True), z


def test_noise(small):
    """Random noise needs its stream and differs between draws; its strength scales it."""
    gen, variables, z = small
    draw = jax.jit(lambda seed: gen.apply(variables, z, rngs={"noise": jax.random.key(seed)}))
    assert np.abs(draw(0) - draw(1)).max() > 1e-3
    np.testing.assert_array_equal(draw(0), draw(0))
    with pytest.raises(ValueError, match=r"noise: found 'constant'"):
        gen.apply(variables, z, noise="constant")


@pytest.mark.parametrize("conv_clamp", [None, 2.0])
def test_gradient_of_the_latents(small, conv_clamp):
    """Of both public variants; the clamp is low enough to cut off some activations."""
    gen, variables, z = small
    wide = gen.clone(dtype=jnp.float64, conv_clamp=conv_clamp)
    variables = random_variables.enlarged(variables, "mapping_network")
    gradients.assert_of_input_matches_differences(
        lambda z: wide.apply(variables, z, truncation_psi=0.7, noise="const"), z
    )


def test_mean_style_follows_the_batch(small):
    gen, variables, z = small
    w = gen.apply(variables, z, method="mapping")[:, 0]
    _, new = gen.apply(variables, z, update_emas=True, mutable=["moving"], method="mapping")
    expected = np.mean(w, 0) * 0.002 + variables["moving"]["w_avg"] * 0.998
    np.testing.assert_allclose(new["moving"]["w_avg"], expected, rtol=1e-5, atol=1e-6)


def test_other_styles_are_refused(small):
    gen, variables, _ = small
    with pytest.raises(ValueError, match=r"ws: found \(1, 7, 8\), expected \[B, 4, 8\]"):
        gen.apply(variables, jnp.zeros((1, 7, 8)), method="synthesis")
    with pytest.raises(ValueError, match="resolution: found 24"):
        Generator(resolution=24).init(jax.random.key(0), jnp.zeros((1, 512)))
