import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxtalk.losses.margin import additive_angular_margin

SCALE, MARGIN = 20.0, 0.5


def reference(embedding, class_centers, label):
    """The paper's formula with the angle itself, in float64."""
    embedding = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    centers = class_centers / np.linalg.norm(class_centers, axis=1, keepdims=True)
    cos = np.clip(embedding @ centers.T, -1, 1)
    rows = np.arange(len(label))
    angle = np.arccos(cos[rows, label]) + MARGIN
    cos_margin = np.cos(angle)
    past = angle >= np.pi
    cos_margin[past] = cos[rows, label][past] - MARGIN * np.sin(MARGIN)
    logits = SCALE * cos
    logits[rows, label] = SCALE * cos_margin
    return logsumexp(logits, axis=1) - logits[rows, label]


def loss(embedding, class_centers, label):
    return additive_angular_margin(
        embedding=jnp.asarray(embedding),
        class_centers=jnp.asarray(class_centers),
        label=jnp.asarray(label),
        scale=SCALE,
        margin=MARGIN,
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    embedding, centers = rng.standard_normal((6, 5)), rng.standard_normal((7, 5))
    label = rng.integers(0, 7, 6)
    embedding[0] = -centers[label[0]] + 0.1 * rng.standard_normal(5)  # theta + m beyond pi
    embedding[1] = centers[label[1]] + 0.1 * rng.standard_normal(5)
    return embedding, centers, label


def test_matches_the_angle_formula(data):
    np.testing.assert_allclose(loss(*data), reference(*data), rtol=1e-4, atol=1e-5)


def test_margin_zero_is_softmax_cross_entropy(data):
    embedding, centers, label = data
    plain = additive_angular_margin(
        embedding=embedding, class_centers=centers, label=label, scale=SCALE, margin=0.0
    )
    cos = (embedding / np.linalg.norm(embedding, axis=1, keepdims=True)) @ (
        centers / np.linalg.norm(centers, axis=1, keepdims=True)
    ).T
    expected = logsumexp(SCALE * cos, axis=1) - SCALE * cos[np.arange(6), label]
    np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("argument", [0, 1])
def test_gradient_matches_differences_of_the_reference(data, argument):
    def total(array):
        return loss(*(array if i == argument else a for i, a in enumerate(data))).sum()

    grad = np.asarray(jax.grad(total)(jnp.asarray(data[argument], jnp.float32)))
    expected = np.zeros_like(data[argument])
    for index in np.ndindex(*expected.shape):
        sides = []
        for sign in (1, -1):
            moved = data[argument].copy()
            moved[index] += sign * 1e-6
            sides.append(reference(*(moved if i == argument else a for i, a in enumerate(data))))
        expected[index] = (sides[0] - sides[1]).sum() / 2e-6
    np.testing.assert_allclose(grad, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0])
def test_gradient_is_finite_at_the_poles(sign):
    centers = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    label = np.arange(3)
    grad = jax.grad(lambda e: loss(e, centers, label).sum())(sign * centers)
    assert np.isfinite(grad).all()
    if sign:
        assert np.abs(grad).max() < 10 * SCALE
