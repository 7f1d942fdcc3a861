"""The StyleGAN2 generator against golden vectors of both public references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan2_generator import Generator
from jaxtalk.pretrained import stylegan2_generator
from tests import golden_files, gradients, random_variables

# The files have that of images alone; it is up to 4e-6 in networks of this kind.
NOISE_OF_MAPS = 4e-6
SMALL = {
    "resolution": 8,
    "z_dim": 8,
    "w_dim": 8,
    "mapping_layers": 2,
    "channel_base": 64,
    "channel_max": 6,
}


def nchw(images):
    return np.asarray(images).transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def small():
    gen = Generator(**SMALL)
    z = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    return gen, random_variables.draw(gen, z, noise="none"), z


@pytest.mark.parametrize(
    ("name", "conv_clamp"), [("sg2_256_cb1024_cm16", 256.0), ("sg2ada_256_cb1024_cm16", None)]
)
def test_matches_the_reference(name, conv_clamp):
    """Styles, truncated ones, the output of each resolution, images without and with noise."""
    arrays, meta = golden_files.load(name, kept=False)
    noise = meta["f32_vs_f64"]
    gen = Generator(z_dim=64, w_dim=64, channel_base=1024, channel_max=16, conv_clamp=conv_clamp)
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    variables = stylegan2_generator.from_state_dict(state)
    expected = jax.eval_shape(lambda z: gen.init(jax.random.key(0), z, noise="none"), arrays["z"])
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)

    w = gen.apply(variables, arrays["z"], method="mapping")
    truncated = gen.apply(
        variables,
        arrays["z"],
        truncation_psi=meta["truncation_psi"],
        truncation_cutoff=meta["truncation_cutoff"],
        method="mapping",
    )
    columns = np.asarray(truncated)[:, meta["ws_truncated_columns"]]
    golden_files.assert_close(columns, arrays["ws_truncated"], noise["w"])

    @jax.jit
    def synthesize(variables, ws):
        def images(**keywords):
            return gen.apply(variables, ws, method="synthesis", **keywords)

        return images(noise="none", capture_intermediates=True), images(noise="const")

    # Three styles at once also show that images do not mix.
    ws = np.concatenate([arrays["ws"], truncated, w])
    (plain, state), noisy = synthesize(variables, ws)
    golden_files.assert_close(nchw(plain)[:1], arrays["img_noise_none"], noise["img"])
    found = nchw(noisy)[:1, :, ::2, ::2]
    golden_files.assert_close(found, arrays["img_noise_const_stride2"], noise["img_noise_const"])
    thin = nchw(plain)[1:2, :, ::4, ::4]
    golden_files.assert_close(thin, arrays["img_from_z_truncated_stride4"], noise["img"])
    for layer, stride in meta["act_strides"].items():
        size, kind = layer.split("/")
        block = f"blocks_{int(np.log2(int(size[1:]))) - 2}"
        x, image = state["intermediates"][block]["__call__"][0]
        found = nchw(image if kind == "img" else x)[:1, :, ::stride, ::stride]
        expected = arrays[f"act/{layer}"]
        rms = np.sqrt(np.mean(np.square(expected)))
        relative = {"max_abs_over_rms": NOISE_OF_MAPS, "rms_ref": rms}
        golden_files.assert_close(found, expected, relative)


def test_noise(small):
    """Random noise needs its stream and differs between draws; its strength scales it."""
    gen, variables, z = small
    draw = jax.jit(lambda seed: gen.apply(variables, z, rngs={"noise": jax.random.key(seed)}))
    assert np.abs(draw(0) - draw(1)).max() > 1e-3
    np.testing.assert_array_equal(draw(0), draw(0))
    with pytest.raises(ValueError, match=r"noise: found 'constant'"):
        gen.apply(variables, z, noise="constant")


def test_gradient_of_the_styles(small):
    gen, variables, _ = small
    wide = gen.clone(dtype=jnp.float64)
    ws = np.random.default_rng(0).standard_normal((2, gen.num_ws, 8))
    # Styles and filters are float32 by design: the step must stand above their rounding.
    gradients.assert_of_input_matches_differences(
        lambda ws: wide.apply(variables, ws, noise="none", method="synthesis"),
        ws,
        step=1e-3,
        rtol=1e-2,
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


def test_missing_and_unexpected_names(small):
    state = {
        "mapping.w_avg": np.zeros(8),
        "synthesis.b4.const": np.zeros((6, 4, 4)),
        "synthesis.b4.resample_filter": np.zeros((4, 4)),
    }
    with pytest.raises(UserError, match=r"'synthesis.b4.conv1.weight' is missing"):
        stylegan2_generator.from_state_dict(state)
    shapes = {"weight": (6, 6, 3, 3), "bias": (6,), "noise_strength": (), "noise_const": (4, 4)}
    affine = {"affine.weight": (6, 8), "affine.bias": (6,)}
    for name, shape in {**shapes, **affine}.items():
        state[f"synthesis.b4.conv1.{name}"] = np.zeros(shape)
    for name, shape in {"weight": (3, 6, 1, 1), "bias": (3,), **affine}.items():
        state[f"synthesis.b4.torgb.{name}"] = np.zeros(shape)
    assert set(stylegan2_generator.from_state_dict(state)["params"]) == {
        "mapping_network",
        "blocks_0",
    }
    with pytest.raises(UserError, match=r"1 unexpected names, the first is 'synthesis.b4.skip"):
        stylegan2_generator.from_state_dict({**state, "synthesis.b4.skip.weight": np.zeros(1)})
