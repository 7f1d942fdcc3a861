"""The landmark regressor: shapes, a heat map read by hand, independence in a batch, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.landmark_regressor import LandmarkRegressor
from tests import gradients, random_variables

NARROW = {"width": 8, "max_width": 16, "num_levels": 2, "num_features": 4}


def images(batch, size=32):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.uniform(-1, 1, (batch, size, size, 3)), jnp.float32)


@pytest.fixture(scope="module")
def network():
    """(module, variables), narrow."""
    net = LandmarkRegressor(**NARROW)
    return net, random_variables.draw(net, images(1))


def test_size_of_the_demo():
    shapes = jax.eval_shape(LandmarkRegressor().init, jax.random.key(0), images(1, 64))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 137_567


@pytest.mark.parametrize("size", [(64, 64), (32, 48)])
def test_shapes(size):
    net = LandmarkRegressor(**NARROW)
    found, _ = jax.eval_shape(net.init_with_output, jax.random.key(0), jnp.ones((3, *size, 3)))
    assert found["landmarks"].shape == (3, 68, 2)
    assert found["pose"].shape == (3, 3)


def test_half_precision_gives_float32(network):
    net, variables = network
    exact = jax.jit(net.apply)(variables, images(2))
    rough = jax.jit(net.clone(dtype=jnp.bfloat16).apply)(variables, images(2))
    for name in exact:
        assert rough[name].dtype == jnp.float32
        difference = np.abs(rough[name] - exact[name])
        assert difference.mean() < 0.05 * np.std(exact[name]), name


def test_the_shift_is_added_to_the_maps(network):
    net, _ = network
    params = jax.tree.map(np.zeros_like, network[1]["params"])
    shift = np.arange(136, dtype=np.float32) / 1000
    params["shift"]["bias"] = shift
    found = jax.jit(net.apply)({"params": params}, images(1))["landmarks"]
    # Even maps: the centre of the image, and the shift of x and y in turn.
    np.testing.assert_allclose(found[0], 0.5 + shift.reshape(68, 2), atol=1e-6)


def test_an_example_does_not_depend_on_its_batch(network):
    net, variables = network
    apply = jax.jit(net.apply)
    together = apply(variables, images(3))
    for i in range(3):
        alone = apply(variables, images(3)[i : i + 1])
        for name in alone:
            np.testing.assert_allclose(together[name][i], alone[name][0], atol=1e-5)


def test_gradient_of_the_image(network):
    net, variables = network
    exact = net.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: exact.apply(variables, x), images(2))


def test_gradients_reach_all_parameters(network):
    net, variables = network

    def loss(params, x):
        found = net.apply({"params": params}, x)
        return jnp.square(found["landmarks"] - 0.3).sum() + jnp.square(found["pose"]).sum()

    gradient = jax.jit(jax.grad(loss))
    grads = gradient(variables["params"], images(2))
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all() and np.any(leaf), path
    even = gradient(variables["params"], jnp.zeros((2, 32, 32, 3)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(even))


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 32, 24, 3)])
def test_sides_that_do_not_halve_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \[B, H, W, 3\] with sides .* multiples of 16"):
        LandmarkRegressor(**NARROW).init(jax.random.key(0), jnp.zeros(shape))
