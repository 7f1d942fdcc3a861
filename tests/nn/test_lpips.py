import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.lpips import LPIPS, SCALE, SHIFT
from tests import golden_files, gradients, random_variables


@pytest.fixture(scope="module")
def narrow():
    module = LPIPS(width=2)
    x, y = jax.random.uniform(jax.random.key(0), (2, 3, 16, 16, 3), minval=-1)
    rng = jax.random.key(1, impl="rbg")
    return module, jax.jit(module.init)(rng, x, y), x, y


def test_constants_of_the_reference():
    meta = golden_files.load("lpips_vgg")[1]
    assert list(SHIFT) == meta["shift"] and list(SCALE) == meta["scale"]


def test_it_is_a_distance(narrow):
    module, variables, x, y = narrow
    distance = jax.jit(module.apply)
    assert distance(variables, x, y).shape == (3,)
    assert np.all(distance(variables, x, y) > 0)
    np.testing.assert_allclose(distance(variables, x, y), distance(variables, y, x), rtol=1e-6)
    np.testing.assert_allclose(distance(variables, x, x), 0, atol=1e-9)


def test_weights_start_as_the_mean_over_channels_and_cannot_turn_negative(narrow):
    module, variables, x, y = narrow
    params = dict(variables["params"])
    for i, channels in enumerate((2, 4, 8, 16, 16)):
        np.testing.assert_array_equal(params[f"weight_{i}"], np.full(channels, 1 / channels))
        params[f"weight_{i}"] = -params[f"weight_{i}"]
    distance = jax.jit(module.apply)
    np.testing.assert_array_equal(distance({"params": params}, x, y), distance(variables, x, y))


def test_gradient_of_both_images():
    """Hence that of VGG16, too."""
    module = LPIPS(width=2)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16, 3))
    variables = random_variables.draw(module, x, y)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x, y: wide.apply(variables, x, y), x, y)


@pytest.mark.parametrize("case", ["different", "equal", "dead trunk"])
def test_gradient_is_finite(narrow, case):
    """A narrow trunk often has pixels where all channels are 0: the unit vectors' hard case."""
    module, variables, x, y = narrow
    if case == "dead trunk":
        bias = variables["params"]["trunk"]["conv1_2"]["bias"]
        trunk = dict(variables["params"]["trunk"])
        trunk["conv1_2"] = {**trunk["conv1_2"], "bias": bias - 100.0}
        variables = {"params": {**variables["params"], "trunk": trunk}}

    def loss(y):
        return module.apply(variables, x, y).sum()

    grad = jax.jit(jax.grad(loss))(x if case == "equal" else y)
    assert np.isfinite(grad).all()
    assert (np.abs(grad).max() > 1e-5) == (case == "different")


def test_small_or_unequal_images_are_refused(narrow):
    module, variables, x, _ = narrow
    with pytest.raises(ValueError, match="at least 16 pixels"):
        module.apply(variables, x[:, :8], x[:, :8])
    with pytest.raises(ValueError, match="two equal shapes"):
        module.apply(variables, x, x[:1])
