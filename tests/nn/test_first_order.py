import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.first_order import Generator
from jaxtalk.nn.keypoint_detector import KeypointDetector
from jaxtalk.ops.gaussian_downsample import gaussian_downsample
from tests import gradients

# Narrow, and small enough for finite differences; images of 32 pixels.
DETECTOR = {"num_keypoints": 2, "width": 2, "max_width": 4, "num_blocks": 1, "downscale": 2}
GENERATOR = {
    **{"width": 2, "max_width": 4, "num_down": 1, "num_bottleneck": 1},
    **{"motion_width": 2, "motion_max_width": 4, "motion_blocks": 1, "motion_downscale": 2},
}


def animate(networks, variables, sources, drivings):
    """(source's key points, driving's, what the generator makes)."""
    detector, make = networks

    @jax.jit
    def forward(variables, sources, drivings):
        both = jnp.concatenate([sources, drivings])
        keypoints = detector.apply(variables[0], both)
        count = len(sources)
        of_source = jax.tree.map(lambda array: array[:count], keypoints)
        of_driving = jax.tree.map(lambda array: array[count:], keypoints)
        generated = make().apply(variables[1], sources, of_driving, of_source)
        return of_source, of_driving, generated

    return forward(variables, sources, drivings)


@pytest.fixture(scope="module")
def small():
    """((detector, make), variables, images), weights and statistics away from their start."""
    detector = KeypointDetector(**DETECTOR)

    def make(align_corners=False, dtype=jnp.float32):
        return Generator(**GENERATOR, align_corners=align_corners, dtype=dtype)

    images = jax.random.uniform(jax.random.key(0), (2, 3, 32, 32, 3))

    def shapes(images):
        first = detector.init(jax.random.key(0), images[0])
        keypoints = detector.apply(first, images[0])
        return first, make().init(jax.random.key(0), images[0], keypoints, keypoints)

    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = jax.tree_util.keystr(path)
        if "kernel" in name:  # smooth heat maps
            scale = 0.2 if "heatmap" in name else 1.0
            values = scale * rng.standard_normal(leaf.shape) / np.prod(leaf.shape[:-1]) ** 0.5
        elif "jacobian" in name:
            values = np.resize([1, 0, 0, 1], leaf.shape) + 0.3 * rng.standard_normal(leaf.shape)
        else:
            values = ("scale" in name or "var" in name) + 0.2 * rng.uniform(size=leaf.shape)
        return values.astype(np.float32)

    variables = jax.tree_util.tree_map_with_path(draw, jax.eval_shape(shapes, images))
    return (detector, make), variables, np.asarray(images)


@pytest.fixture(scope="module")
def exact(small):
    networks, variables, images = small
    return animate(networks, variables, *images)


def test_examples_do_not_mix(small):
    """In float64, where rounding does not hide or feign it."""
    (detector, make), variables, images = small
    with jax.enable_x64(True):
        networks = detector.clone(dtype=jnp.float64), lambda: make(dtype=jnp.float64)
        variables, images = jax.tree.map(np.float64, (variables, images))
        alone = animate(networks, variables, *images[:, 2:])
        together = animate(networks, variables, *images)
    for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(together)):
        assert one.dtype == jnp.float64
        np.testing.assert_allclose(one[0], many[2], rtol=1e-9, atol=1e-10)


def test_gradients_match_finite_differences_and_reach_every_parameter(small):
    """In training, through detector and generator, down to both images."""
    _, variables, images = small
    with jax.enable_x64(True):
        detector = KeypointDetector(**DETECTOR, dtype=jnp.float64)
        generator = Generator(**GENERATOR, dtype=jnp.float64)
        variables, images = jax.tree.map(lambda a: np.asarray(a, np.float64), (variables, images))

        def loss(params, images):
            keypoints, detector_stats = detector.apply(
                {**variables[0], "params": params[0]},
                images.reshape(6, 32, 32, 3),
                train=True,
                mutable="batch_stats",
            )
            of_source = jax.tree.map(lambda array: array[:3], keypoints)
            of_driving = jax.tree.map(lambda array: array[3:], keypoints)
            generated, stats = generator.apply(
                {**variables[1], "params": params[1]},
                *(images[0], of_driving, of_source),
                train=True,
                mutable="batch_stats",
            )
            assert generated.image.dtype == jnp.float64
            return jnp.mean((generated.image - 0.1) ** 2), (detector_stats, stats)

        step = gradients.quick_jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        inputs = [part["params"] for part in variables], images

        def value_and_grad(*inputs):
            (value, _), grads = step(*inputs)
            return value, grads

        grads, _ = gradients.assert_matches_differences(value_and_grad, inputs, step=1e-8)
        (_, new), _ = step(*inputs)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        # The norm behind a convolution cancels its bias, softmax that of the heat maps.
        cancelled = ("['conv']['bias']", "['conv1']['bias']", "['heatmap']['bias']")
        if not jax.tree_util.keystr(path).endswith(cancelled):
            assert np.abs(leaf).max() > 0, path
    for part, stats in zip(variables, new):
        old, stats = part["batch_stats"], stats["batch_stats"]
        moved = jax.tree.map(lambda a, b: np.abs(a - np.asarray(b)).max(), old, stats)
        assert min(jax.tree.leaves(moved)) > 0


def test_gradient_of_the_images_under_aligned_corners(small):
    """The other convention, with the running statistics."""
    (_, make), variables, images = small
    detector = KeypointDetector(**DETECTOR, dtype=jnp.float64)
    generator = make(align_corners=True, dtype=jnp.float64)

    def generated(sources, drivings):
        keypoints = detector.apply(variables[0], jnp.concatenate([sources, drivings]))
        of_source, of_driving = (
            jax.tree.map(lambda array, part=part: jnp.split(array, 2)[part], keypoints)
            for part in (0, 1)
        )
        return generator.apply(variables[1], sources, of_driving, of_source).image

    gradients.assert_of_input_matches_differences(generated, *images, step=1e-7)


def test_equal_key_points_leave_the_source_where_it_is(small):
    """Also under Jacobians other than the identity; a pixel's value is read off at its centre."""
    (detector, make), variables, images = small
    keypoints = jax.jit(detector.apply)(variables[0], images[0])
    assert np.abs(keypoints.jacobian - np.eye(2)).max() > 0.05
    generated = jax.jit(make(align_corners=True).apply)(
        variables[1], images[0], keypoints, keypoints
    )
    small_images = gaussian_downsample(images[0], 2)
    sparse = np.asarray(generated.motion.sparse_deformed)
    expected = np.broadcast_to(np.asarray(small_images)[:, :, :, None], sparse.shape)
    np.testing.assert_allclose(sparse, expected, rtol=0, atol=2e-4)


def test_bfloat16_keeps_float32_where_it_matters(small, exact):
    networks, variables, images = small
    detector = KeypointDetector(**DETECTOR, dtype=jnp.bfloat16)
    half = animate((detector, lambda: networks[1](dtype=jnp.bfloat16)), variables, *images)
    for a, b in zip(jax.tree.leaves(half), jax.tree.leaves(exact)):
        assert a.dtype == jnp.float32
        assert np.abs(a - b).mean() < 0.05 * np.abs(b).max()


def test_jacobians_start_as_identities():
    detector = KeypointDetector(num_keypoints=2, width=2, num_blocks=1, downscale=1)
    images = jax.random.uniform(jax.random.key(0), (1, 8, 8, 3))
    rng = jax.random.key(1, impl="rbg")
    keypoints, _ = jax.jit(detector.init_with_output)(rng, images)
    expected = np.broadcast_to(np.eye(2), (1, 2, 2, 2))
    np.testing.assert_allclose(keypoints.jacobian, expected, atol=1e-6)


def test_other_images_are_refused(small):
    (detector, _), variables, _ = small
    with pytest.raises(ValueError, match="found 15 x 16 pixels, expected multiples of 2"):
        detector.apply(variables[0], jnp.zeros((1, 30, 32, 3)))
