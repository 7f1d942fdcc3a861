"""StyleGAN3 against golden vectors of the reference, and the properties that training relies on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan3 import Generator, w_avg
from jaxtalk.pretrained import stylegan3
from tests import golden_files

KEPT = ("sg3_t256_cb1024_cm16", "sg3_r256_cb1024_cm16")
LARGE = ("sg3_t256_cb2048_cm32", "sg3_r256_cb2048_cm32")
SMALL = {
    "resolution": 16,
    "num_layers": 3,
    "z_dim": 8,
    "w_dim": 8,
    "channel_base": 128,
    "channel_max": 6,
}


def reference(name):
    """(arrays, meta, generator, variables) of a golden file."""
    arrays, meta = golden_files.load(name, kept=name in KEPT)
    kwargs = dict(meta["kwargs"])
    generator = Generator(
        resolution=kwargs["img_resolution"],
        config="r" if kwargs.get("use_radial_filters") else "t",
        z_dim=kwargs["z_dim"],
        c_dim=kwargs["c_dim"],
        w_dim=kwargs["w_dim"],
        mapping_layers=kwargs["mapping_kwargs"]["num_layers"],
        channel_base=kwargs["channel_base"],
        channel_max=kwargs["channel_max"],
        conv_clamp=kwargs.get("conv_clamp", 256.0),
    )
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    return arrays, meta, generator, stylegan3.from_state_dict(state)


def nchw(images):
    return np.asarray(images).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", [*KEPT, *LARGE])
def test_matches_the_reference(name):
    """Style codes, truncated ones, every layer's output and the images."""
    arrays, meta, generator, variables = reference(name)
    noise = meta["f32_vs_f64"]
    c = arrays.get("c")

    w = generator.apply(variables, arrays["z"], c, method="mapping")
    assert w.shape == (1, meta["num_ws"], generator.w_dim)
    for index in (0, -1):
        golden_files.assert_close(w[:, index], arrays["w_mapped_psi1"], noise["w_trunc"])
    truncated = generator.apply(
        variables,
        arrays["z"],
        c,
        truncation_psi=meta["truncation_psi"],
        truncation_cutoff=meta["truncation_cutoff"],
        method="mapping",
    )
    columns = np.asarray(truncated)[:, meta["ws_truncated_columns"]]
    golden_files.assert_close(columns, arrays["ws_truncated"], noise["w_trunc"])

    synthesize = jax.jit(
        lambda variables, ws: generator.apply(
            variables, ws, method="synthesis", capture_intermediates=True
        )
    )
    # Two styles at once also show that images do not mix.
    both = np.concatenate([arrays["ws"], truncated])
    images, state = synthesize(variables, both)
    golden_files.assert_close(nchw(images)[:1], arrays["img"], noise["img"])
    thin = nchw(images)[1:, :, ::4, ::4]
    golden_files.assert_close(thin, arrays["img_from_z_truncated_stride4"], noise["img"])
    for index, (layer, stride) in enumerate(meta["act_strides"].items()):
        ours = "fourier_input" if layer == "input" else f"layers_{index - 1}"
        (found,) = state["intermediates"][ours]["__call__"]
        found = nchw(found)[:1, :, ::stride, ::stride]
        golden_files.assert_close(found, arrays[f"act/{layer}"], noise["acts"][layer])


@pytest.mark.parametrize(
    ("values", "millions"),
    [
        ({}, 28.47),
        ({"config": "r", "channel_base": 65536, "channel_max": 1024}, 18.82),
    ],
)
def test_the_papers_sizes(values, millions):
    generator = Generator(**values)
    variables = jax.eval_shape(generator.init, jax.random.key(0), jnp.zeros((1, 512)))
    sizes = [leaf.size for leaf in jax.tree.leaves(variables["params"])]
    assert round(sum(sizes) / 1e6, 2) == millions
    assert generator.num_ws == 16


def run(generator):
    """jitted (variables, z) -> (images, moved variables and intermediates)."""
    options = {"mutable": ["moving", "intermediates"], "capture_intermediates": True}
    return jax.jit(lambda v, z: generator.apply(v, z, update_emas=True, **options))


@pytest.fixture(scope="module")
def small():
    """(generator, its `run`, variables whose mean style and magnitudes have moved)."""
    generator = Generator(**SMALL)
    variables = jax.jit(generator.init)(jax.random.key(0), jnp.zeros((1, 8)))
    step = run(generator)
    for seed in range(3):
        _, state = step(variables, jax.random.normal(jax.random.key(seed), (4, 8)))
        variables = {**variables, "moving": state["moving"]}
    return generator, step, variables


def test_moving_averages_advance(small):
    generator, step, variables = small
    z = jax.random.normal(jax.random.key(5), (4, 8))
    _, state = step(variables, z)
    before, after = variables["moving"], state["moving"]
    w = np.asarray(generator.apply(variables, z, method="mapping"))[:, 0]
    expected = 0.998 * np.asarray(before["w_avg"]) + 0.002 * w.mean(0)
    np.testing.assert_allclose(after["w_avg"], expected, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(w_avg({**variables, **state}), after["w_avg"])

    inputs = [state["intermediates"]["fourier_input"]["__call__"][0]]
    inputs += [state["intermediates"][f"layers_{i}"]["__call__"][0] for i in range(3)]
    for index, x in enumerate(inputs):
        old, new = (moving[f"layers_{index}"]["magnitude"] for moving in (before, after))
        expected = 0.999 * float(old) + 0.001 * np.mean(np.square(np.asarray(x, np.float64)))
        np.testing.assert_allclose(new, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        before["fourier_input"]["frequencies"], after["fourier_input"]["frequencies"]
    )


def test_moving_averages_carry_no_gradient(small):
    """An update moves the averages first: then it is the plain image of what they became."""
    generator, _, variables = small
    generator = generator.clone(magnitude_beta=0.5)
    ws = generator.apply(variables, jnp.ones((1, 8)), method="mapping")

    def updating(ws):
        images, state = generator.apply(
            variables, ws, update_emas=True, method="synthesis", mutable=["moving"]
        )
        return jnp.sum(jnp.square(images)), state

    @jax.jit
    def plain(ws, state):
        images = generator.apply({**variables, **state}, ws, method="synthesis")
        return jnp.sum(jnp.square(images))

    (value, state), gradient = jax.jit(jax.value_and_grad(updating, has_aux=True))(ws)
    expected, expected_gradient = jax.jit(jax.value_and_grad(plain))(ws, state)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    scale = np.abs(expected_gradient).max()
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-4 * scale)


def test_truncation_pulls_towards_the_mean_style(small):
    generator, _, variables = small
    z = jax.random.normal(jax.random.key(6), (2, 8))
    full = np.asarray(generator.apply(variables, z, method="mapping"))
    options = {"truncation_psi": 0.0, "truncation_cutoff": 2, "method": "mapping"}
    cut = np.asarray(generator.apply(variables, z, **options))
    np.testing.assert_allclose(cut[:, :2], np.broadcast_to(w_avg(variables), (2, 2, 8)), atol=1e-7)
    np.testing.assert_array_equal(cut[:, 2:], full[:, 2:])
    half = generator.apply(variables, z, truncation_psi=0.5, method="mapping")
    np.testing.assert_allclose(half, (full + np.asarray(w_avg(variables))) / 2, atol=1e-6)


@pytest.mark.parametrize("config", ["t", "r"])
def test_the_transform_moves_the_image(config):
    """A shift of the transform by 2 px shifts the image by 2 px: nothing sticks to the pixels."""
    generator = Generator(**{**SMALL, "resolution": 32, "num_layers": 4}, config=config)
    variables = jax.jit(generator.init)(jax.random.key(0), jnp.zeros((1, 8)))
    ws = generator.apply(variables, jnp.ones((1, 8)), method="mapping")
    render = jax.jit(lambda variables, ws: generator.apply(variables, ws, method="synthesis"))
    still = np.asarray(render(variables, ws))
    shift = np.eye(3, dtype=np.float32)
    shift[0, 2] = 2 / 32
    variables["moving"]["fourier_input"]["transform"] = shift
    moved = np.asarray(render(variables, ws))
    inner = still[:, 4:-4, 4:-4]
    error = moved[:, 4:-4, 2:-6] - inner
    assert np.sqrt(np.mean(np.square(error))) < 0.02 * np.std(inner)
    assert np.std(moved[:, 4:-4, 4:-4] - inner) > 0.1 * np.std(inner)


def test_bfloat16_images_are_float32_and_near(small):
    generator, step, variables = small
    z = jax.random.normal(jax.random.key(7), (4, 8))
    full = np.asarray(step(variables, z)[0])
    half, _ = run(generator.clone(dtype=jnp.bfloat16))(variables, z)
    assert half.dtype == jnp.float32
    error = np.asarray(half) - full
    assert np.sqrt(np.mean(np.square(error))) < 0.02 * np.std(full)


def test_initial_values_have_unit_variance():
    generator = Generator(**{**SMALL, "w_dim": 64, "channel_max": 64, "channel_base": 4096})
    key = jax.random.key(0)
    init = jax.jit(generator.init)
    variables, again = init(key, jnp.zeros((1, 8))), init(key, jnp.zeros((1, 8)))
    jax.tree.map(np.testing.assert_array_equal, variables, again)
    params = variables["params"]
    assert np.std(params["layers_0"]["kernel"]) == pytest.approx(1, abs=0.02)
    assert np.std(params["mapping_network"]["fc1"]["kernel"]) == pytest.approx(100, abs=3)
    a, b = (np.ravel(params[f"layers_{i}"]["kernel"]) for i in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
    frequencies = variables["moving"]["fourier_input"]["frequencies"]
    assert np.linalg.norm(frequencies, axis=-1).max() <= 2.0 + 1e-5


def test_wrong_arguments_are_refused(small):
    generator, _, variables = small
    with pytest.raises(ValueError, match="ws: found"):
        generator.apply(variables, jnp.zeros((1, 4, 8)), method="synthesis")
    with pytest.raises(ValueError, match="c: found a label of size 3, expected None"):
        generator.apply(variables, jnp.zeros((1, 8)), jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match="config: found 'x'"):
        generator.clone(config="x").init(jax.random.key(0), jnp.zeros((1, 8)))


def test_foreign_names_are_refused():
    arrays, _ = golden_files.load(KEPT[0])
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    with pytest.raises(UserError, match=r"unexpected names, the first is 'synthesis\.b4\.const'"):
        stylegan3.from_state_dict({**state, "synthesis.b4.const": np.zeros(1)})
    del state["mapping.w_avg"]
    with pytest.raises(UserError, match=r"'mapping\.w_avg' is missing"):
        stylegan3.from_state_dict(state)
