import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.pirenderer import FaceRenderer
from tests import gradients, random_variables

# Narrow, and shallow enough for finite differences; images of 16 pixels.
NARROW = {
    **{"descriptor_dim": 3, "mapping_layers": 1, "warp_width": 2, "warp_down": 2, "warp_up": 1},
    **{"edit_width": 2, "edit_levels": 1, "edit_residual": 1, "max_width": 4},
}


@pytest.fixture(scope="module")
def small():
    """(renderer, params, images, coefficients), all weights away from their start."""
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    coefficients = rng.standard_normal((3, 13, 5)).astype(np.float32)
    renderer = FaceRenderer(**NARROW)
    variables = random_variables.draw(renderer, images, coefficients)
    return renderer, variables["params"], images, coefficients


def test_examples_do_not_mix(small):
    renderer, params, images, coefficients = small
    forward = jax.jit(renderer.apply)
    together = forward({"params": params}, images, coefficients)
    alone = forward({"params": params}, images[2:], coefficients[2:])
    for one, many in zip(alone, together):
        np.testing.assert_allclose(one[0], many[2], rtol=1e-5, atol=2e-5)
    assert together.flow.shape == (3, 8, 8, 2) and together.image.shape == (3, 16, 16, 3)


def test_gradients_match_finite_differences_and_reach_every_parameter(small):
    """With respect to parameters, image and coefficients, through the warp."""
    _, params, images, coefficients = small
    with jax.enable_x64(True):
        renderer = FaceRenderer(**NARROW, dtype=jnp.float64)

        def loss(params, images, coefficients):
            rendered = renderer.apply({"params": params}, images, coefficients)
            assert rendered.image.dtype == jnp.float64
            return jnp.mean((rendered.image - 0.1) ** 2)

        inputs = jax.tree.map(lambda a: np.asarray(a, np.float64), (params, images, coefficients))
        value_and_grad = gradients.quick_jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))
        grads = gradients.assert_matches_differences(value_and_grad, inputs, step=1e-7)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.abs(leaf).max() > 0, path


def test_bfloat16_still_renders_float32(small):
    _, params, images, coefficients = small
    renderer = FaceRenderer(**NARROW, dtype=jnp.bfloat16)
    rendered = jax.eval_shape(renderer.apply, {"params": params}, images, coefficients)
    assert {array.dtype for array in rendered} == {jnp.dtype("float32")}


def test_flow_is_in_pixels_of_its_grid(small):
    """A flow of one pixel to the right is that share of the image's width."""
    _, params, images, coefficients = small
    renderer = FaceRenderer(**NARROW, align_corners=True)
    still = {"kernel": np.zeros_like(params["warping"]["flow"]["kernel"]), "bias": np.zeros(2)}
    shifted = {**still, "bias": np.array([1.0, 0.0])}

    @jax.jit
    def warp(flow):
        changed = {**params, "warping": {**params["warping"], "flow": flow}}
        return renderer.apply({"params": changed}, images, coefficients).warped

    # The grid of 8 x 8 is resized between pixel centres, its outer ones repeated.
    positions = np.clip((np.arange(16) + 0.5) / 2 - 0.5, 0, 7) * 15 / 7

    def tents(positions):
        return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(16)))

    for flow, shift in ((still, 0), (shifted, 15 / 7)):
        columns = tents(positions + shift)
        expected = np.einsum("hi,wj,bijc->bhwc", tents(positions), columns, images)
        np.testing.assert_allclose(warp(flow), expected, rtol=0, atol=2e-5)


def test_wrong_inputs_are_named(small):
    renderer, params, images, coefficients = small
    with pytest.raises(ValueError, match=r"coefficients: found \(3, 12, 5\), .* at least 13"):
        renderer.apply({"params": params}, images, coefficients[:, 1:])
    with pytest.raises(ValueError, match=r"found \(3, 16, 14, 3\), .* multiples of 4"):
        renderer.apply({"params": params}, images[:, :, :14], coefficients)
