"""The stage learns; its augmentation moves pictures and landmarks together."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft, ndimage

from configs import landmarks as landmarks_config
from jaxtalk.core.batch import to_uint8
from jaxtalk.ops.landmarks import MIRRORED
from jaxtalk.ops.points import draw_points
from jaxtalk.pretraining import landmarks as stage_module
from jaxtalk.pretraining.landmarks import augmentation

SIZE = 32
NUM_STEPS = 200


@jax.jit
def blobs(points):
    """Pictures with a disc at each point [B, K, 2] in [0, 1]."""
    black = jnp.full((len(points), SIZE, SIZE, 3), -1.0)
    return draw_points(black, 2 * points - 1, color=(1, 1, 1), radius=2)


def centre_of_mass(images):
    """[B, 2], (x, y) in [0, 1]."""
    weight = np.asarray(images[..., 0]) + 1
    position = (np.arange(SIZE) + 0.5) / SIZE
    x = (weight.sum(1) * position).sum(1) / weight.sum((1, 2))
    y = (weight.sum(2) * position).sum(1) / weight.sum((1, 2))
    return np.stack([x, y], -1)


def all_at(points):
    """Landmarks that all lie at one point of each picture."""
    return jnp.repeat(jnp.asarray(points, jnp.float32)[:, None], 68, axis=1)


def test_what_is_moved_is_found_where_its_landmarks_are():
    points = np.array([[0.4, 0.6], [0.6, 0.35], [0.5, 0.5]])
    angle = np.array([0.3, -0.2, 0.0])
    scale = np.array([[1.1, 0.9], [0.9, 0.8], [1.0, 1.0]])
    shift = np.array([[0.05, 0.02], [-0.03, 0.0], [0.1, -0.1]])
    images, landmarks, pose = jax.jit(augmentation.move)(
        *(blobs(points[:, None]), all_at(points), jnp.zeros((3, 3))),
        **{"angle": angle, "scale": scale, "shift": shift},
    )
    assert np.abs(landmarks[:, 0] - points).max() > 0.05
    np.testing.assert_allclose(centre_of_mass(images), landmarks[:, 0], atol=5e-3)
    np.testing.assert_allclose(pose, np.stack([0 * angle, 0 * angle, -angle], -1))


def test_roll_is_the_angle_of_the_eyes_counted_the_other_way():
    eyes = np.array([[0.35, 0.5], [0.65, 0.5]])
    landmarks = jnp.asarray(np.repeat(eyes, 34, axis=0)[None], jnp.float32)
    _, landmarks, pose = jax.jit(augmentation.move)(
        *(blobs(eyes[None]), landmarks, jnp.zeros((1, 3))),
        **{"angle": jnp.array([0.2]), "scale": jnp.ones((1, 2)), "shift": jnp.zeros((1, 2))},
    )
    x, y = landmarks[0, -1] - landmarks[0, 0]
    np.testing.assert_allclose(np.arctan2(y, x), -pose[0, 2], rtol=1e-5)


def test_mirrored_where_asked():
    points = np.array([[0.3, 0.6], [0.3, 0.6]])
    rng = np.random.default_rng(0)
    landmarks = jnp.asarray(rng.uniform(size=(2, 68, 2)), jnp.float32)
    pose = jnp.asarray(rng.standard_normal((2, 3)), jnp.float32)
    before = blobs(points[:, None]), landmarks, pose
    images, found, turned = jax.jit(augmentation.mirror)(jnp.array([True, False]), *before)
    np.testing.assert_allclose(centre_of_mass(images), [[0.7, 0.6], [0.3, 0.6]], atol=5e-3)
    expected = np.asarray(landmarks)[0, MIRRORED] * [-1, 1] + [1, 0]
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_array_equal(found[1], landmarks[1])
    np.testing.assert_array_equal(turned, pose * np.array([[-1, 1, -1], [1, 1, 1]]))


def test_blur_is_that_of_scipy_inside_and_none_for_zero():
    images = np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    blur = jax.jit(augmentation.gaussian_blur)
    found = blur(images, np.array([0.0, 1.5]))
    np.testing.assert_allclose(found[0], images[0], atol=1e-6)
    expected = ndimage.gaussian_filter(images[1], (1.5, 1.5, 0), truncate=8)
    np.testing.assert_allclose(found[1, 12:-12, 12:-12], expected[12:-12, 12:-12], atol=1e-4)
    np.testing.assert_allclose(blur(0 * images + 0.7, np.ones(2)), 0.7, rtol=1e-6)


def test_coarse_cosines_are_multiples_of_the_step():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)
    step = np.array([0.3, 1e-3])
    found = np.asarray(jax.jit(augmentation.coarse_cosines)(images, step))
    np.testing.assert_allclose(found[1], images[1], atol=0.02)
    assert np.abs(found[0] - images[0]).max() > 0.1
    block = fft.dctn(found[0, 8:16, 16:24, 1], norm="ortho")
    u, v = np.indices((8, 8))
    multiple = block / (0.3 * (1 + u + v) / 4)
    np.testing.assert_allclose(multiple, multiple.round(), atol=1e-3)


def test_augmentation_differs_from_example_to_example():
    augment = augmentation.augment
    values = landmarks_config.stage_config()
    points = np.full((16, 2), 0.5)
    images, landmarks, pose = jax.jit(functools.partial(augment, limits=values.augment))(
        *(jax.random.key(0), blobs(points[:, None]), all_at(points), np.ones((16, 3)))
    )
    assert len(np.unique(np.asarray(images).std(axis=(1, 2, 3)).round(4))) > 12
    unmoved = np.isclose(np.abs(pose[:, 2]), 1)
    assert 0 < unmoved.sum() < 9
    np.testing.assert_allclose(landmarks[unmoved], 0.5, atol=1e-6)
    assert 0 < (pose[:, 0] < 0).sum() < 16, "some are mirrored"
    moved = np.abs(landmarks[:, 0] - 0.5).max(axis=0)
    assert (moved > 0.01).all() and (moved <= values.augment.shift + 1e-6).all()


def test_correlation_is_that_of_numpy():
    x, y = np.random.default_rng(0).standard_normal((2, 50))
    y = x + y
    np.testing.assert_allclose(correlation_of(x, y), np.corrcoef(x, y)[0, 1], rtol=1e-4)
    assert correlation_of(x, np.ones(50)) == 0


def correlation_of(x, y):
    return stage_module.correlation(jnp.asarray(x), jnp.asarray(y)).mean()


def batch_of_faces(rng, size):
    """A disc somewhere, and the landmarks, symmetric as a face, around it."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    ring = 0.3 * np.stack([np.cos(angle), np.sin(angle)], -1)
    ring = (ring + ring[MIRRORED] * [-1, 1]) / 2
    centre = rng.uniform(0.3, 0.7, (size, 1, 2))
    return {
        "frames": to_uint8(np.asarray(blobs(centre))),
        "landmarks": (2 * (centre + ring) - 1).astype(np.float32),
        "pose": np.zeros((size, 6), np.float32),
    }


@pytest.fixture(scope="module")
def trained():
    """(stage, compiled step, first state, last state, losses); the demo's config, narrow."""
    values = landmarks_config.stage_config()
    values.model.update({"image_size": SIZE, "width": 8, "max_width": 16})
    values.num_steps = NUM_STEPS
    stage = stage_module.make(values)
    step = jax.jit(functools.partial(stage.train_step, flags=()))
    first = state = jax.jit(stage.init)(jax.random.key(0), {})
    rng, losses = np.random.default_rng(0), []
    for i in range(NUM_STEPS):
        state, metrics = step(state, {}, batch_of_faces(rng, 16), jax.random.key(i))
        losses.append(float(metrics["loss"]))
    return stage, step, first, state, losses


def test_the_stage_learns(trained):
    stage, _, first, last, losses = trained
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    batch, evaluate = batch_of_faces(np.random.default_rng(1), 8), jax.jit(stage.eval_step)
    before, after = (jax.device_get(evaluate(s, {}, batch)) for s in (first, last))
    assert set(after) == {
        *("error", "error_mouth", "error_eyes", "error_blurred", "error_pose"),
        *("mouth_correlation", "eye_correlation"),
    }
    for key in ("error", "error_mouth", "error_blurred"):
        assert after[key].mean() < 0.3 * before[key].mean(), key


def test_the_learning_rate_falls_to_zero(trained):
    _, step, _, last, _ = trained
    batch = batch_of_faces(np.random.default_rng(1), 16)
    after, _ = step(last, {}, batch, jax.random.key(0))
    for old, new in zip(jax.tree.leaves(last.params), jax.tree.leaves(after.params)):
        np.testing.assert_array_equal(old, new)
