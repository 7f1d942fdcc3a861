import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.pirenderer import FaceRenderer
from jaxtalk.pretrained import pirenderer
from tests import golden_files, gradients, random_variables, weight_rule

# Narrow, and shallow enough for finite differences; images of 16 pixels.
NARROW = {
    **{"descriptor_dim": 3, "mapping_layers": 1, "warp_width": 2, "warp_down": 2, "warp_up": 1},
    **{"edit_width": 2, "edit_levels": 1, "edit_residual": 1, "max_width": 4},
}


def load(name, kept=True):
    """(arrays, noise, renderer for either convention, variables, images, coefficients)."""
    arrays, meta = golden_files.load(name, kept)
    sizes = meta["config"]

    def make(align_corners=False):
        return FaceRenderer(
            descriptor_dim=sizes["common"]["descriptor_nc"],
            warp_width=sizes["warpping_net"]["base_nc"],
            edit_width=sizes["editing_net"]["base_nc"],
            max_width=sizes["common"]["max_nc"],
            align_corners=align_corners,
        )

    if meta["state_dict_stored"]:
        state = {n.removeprefix("sd/"): a for n, a in arrays.items() if n.startswith("sd/")}
    else:
        state = weight_rule.from_meta(meta)
    variables = jax.device_put(pirenderer.from_state_dict(state))
    images = golden_files.images(arrays["img_u8_nhwc"])
    coefficients = arrays["coeff"].transpose(0, 2, 1)
    return arrays, meta["f32_vs_f64"], make, variables, images, coefficients


def planes(x, stride):
    return np.asarray(x).transpose(0, 3, 1, 2)[:, :, ::stride, ::stride]


def assert_matches(rendered, arrays, noise):
    """The examples must match the reference's one."""
    found = {
        "flow_field": (planes(rendered.flow, 1), "flow_field"),
        "warp_image_s2": (planes(rendered.warped, 2), "warp_image"),
        "fake_image_s2": (planes(rendered.image, 2), "fake_image"),
    }
    for key, (array, name) in found.items():
        expected = np.broadcast_to(arrays[key], array.shape)
        golden_files.assert_close(array, expected, noise[name])


def test_full_width_matches_reference():
    arrays, noise, make, variables, images, coefficients = load("pirender_full")

    @jax.jit
    def forward(variables, images, coefficients):
        rendered, state = make().apply(
            *(variables, images, coefficients),
            capture_intermediates=lambda module, _: module.name in ("mapping", "final"),
            mutable="intermediates",
        )
        aligned = make(align_corners=True).apply(variables, images, coefficients)
        return rendered, state["intermediates"], aligned.warped

    rendered, layers, aligned = forward(variables, images, coefficients)
    assert_matches(rendered, arrays, noise)
    golden_files.assert_close(
        planes(aligned, 4), arrays["warp_image_aligncornersTrue_s4"], noise["warp_image"]
    )
    # Neither has a noise of its own: the descriptor the flow's, the logits the image's.
    (descriptor,), (logits,) = (
        layers["mapping"]["__call__"],
        layers["editing"]["final"]["__call__"],
    )
    for found, key, name in (
        (descriptor, "descriptor", "flow_field"),
        (planes(logits, 4), "fake_pre_tanh_s4", "fake_image"),
    ):
        rms = np.sqrt(np.mean(arrays[key] ** 2))
        golden_files.assert_close(found, arrays[key], {**noise[name], "rms_ref": rms})


def test_stored_weights_match_reference_in_a_batch():
    """In a batch of 3 the second example is another one: examples must not mix."""
    arrays, noise, make, variables, images, coefficients = load("pirender_small", kept=False)
    images = np.concatenate([images, images[:, ::-1], images])
    coefficients = np.concatenate([coefficients, coefficients[:, ::-1], coefficients])
    rendered = jax.jit(make().apply)(variables, images, coefficients)
    assert_matches(jax.tree.map(lambda array: array[::2], rendered), arrays, noise)


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
        value_and_grad = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))
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
