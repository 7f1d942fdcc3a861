"""StyleGAN3: the properties that training relies on; for its numbers see `tests.test_parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan3 import Generator, w_avg
from jaxtalk.pretrained import stylegan3
from tests import golden_files, gradients, random_variables

SMALL = {
    "resolution": 16,
    "num_layers": 3,
    "z_dim": 8,
    "w_dim": 8,
    "channel_base": 128,
    "channel_max": 6,
}


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


@pytest.mark.parametrize(("config", "c_dim"), [("t", 0), ("r", 3)])
def test_gradient_of_latents_and_labels(config, c_dim):
    """The clamp is low enough to cut off some activations."""
    generator = Generator(**SMALL, config=config, c_dim=c_dim, conv_clamp=2.0, margin_size=2)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((3, size)) for size in (8, c_dim) if size]
    variables = random_variables.enlarged(
        random_variables.draw(generator, *inputs, equalized=True), "mapping_network"
    )
    # Cosine and sine away from zero, where their angle has no derivative.
    variables["params"]["fourier_input"]["affine"]["bias"][0] += 4.0
    wide = generator.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda *inputs: wide.apply(variables, *inputs, truncation_psi=0.7), *inputs
    )


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


def test_without_a_bound(small):
    """Public networks that were trained in float32 have none; here it is the image's."""
    _, step, variables = small
    z = jax.random.normal(jax.random.key(6), (4, 8))
    layer = {**variables["params"]["layers_3"], "bias": jnp.full(3, 4000.0)}
    far = {**variables, "params": {**variables["params"], "layers_3": layer}}
    bounded = step(variables, z)[0], step(far, z)[0]
    free = run(Generator(**SMALL, conv_clamp=None))
    np.testing.assert_allclose(free(variables, z)[0], bounded[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(free(far, z)[0], bounded[0] + 1000, rtol=0, atol=1e-2)
    np.testing.assert_array_equal(bounded[1], 64)


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
    arrays, _ = golden_files.load("sg3_t256_cb1024_cm16")
    state = {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}
    with pytest.raises(UserError, match=r"unexpected \('synthesis\.b4\.const'"):
        stylegan3.from_state_dict({**state, "synthesis.b4.const": np.zeros(1)})
    del state["mapping.w_avg"]
    with pytest.raises(UserError, match=r"1 missing \('mapping\.w_avg'\)"):
        stylegan3.from_state_dict(state)
