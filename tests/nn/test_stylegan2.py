"""The StyleGAN2 discriminator against golden vectors, and what adversarial training needs of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.nn.stylegan2 import Discriminator, minibatch_std
from jaxtalk.pretrained.stylegan2 import discriminator_from_state_dict
from tests import golden_files, gradients, random_variables

SMALL = {"resolution": 16, "channel_base": 128, "channel_max": 6}


def state_dict(arrays):
    return {key[3:]: value for key, value in arrays.items() if key.startswith("sd/")}


def test_foreign_names_are_refused():
    arrays, _ = golden_files.load("sg2_disc_256_cb512_cm24")
    state = state_dict(arrays)
    with pytest.raises(UserError, match="1 unexpected"):
        discriminator_from_state_dict({**state, "b4.torgb.weight": np.zeros(1)})


def small(**values):
    disc = Discriminator(**{**SMALL, **values})
    c = jnp.zeros((1, disc.c_dim)) if disc.c_dim else None
    images = jnp.zeros((1, 16, 16, 3))
    return disc, jax.jit(disc.init)(jax.random.key(0), images, c)


def test_minibatch_std_over_groups_of_the_global_batch():
    """Eight examples in groups of four: 0, 2, 4, 6 and 1, 3, 5, 7."""
    x = np.random.default_rng(0).standard_normal((8, 3, 3, 6))
    y = np.asarray(minibatch_std(jnp.asarray(x, jnp.float32), 4, 2))
    np.testing.assert_allclose(y[..., :6], x, rtol=1e-6)
    for index in range(8):
        group = x[index % 2 :: 2]
        for channel, part in enumerate((group[..., :3], group[..., 3:])):
            expected = np.std(part, 0).mean()
            np.testing.assert_allclose(y[index, :, :, 6 + channel], expected, rtol=1e-5)


def test_minibatch_std_of_a_batch_smaller_than_the_group():
    x = jnp.arange(2 * 4, dtype=jnp.float32).reshape(2, 2, 2, 1)
    np.testing.assert_allclose(minibatch_std(x, 4, 1)[..., 1], 2.0, rtol=1e-6)


def test_minibatch_std_refuses_a_remainder():
    with pytest.raises(ValueError, match="batch size: found 6"):
        minibatch_std(jnp.zeros((6, 2, 2, 1)), 4, 1)


def test_labels_project_the_features():
    """The logit is the scalar product of features and the label's embedding, over sqrt(size)."""
    disc, variables = small(c_dim=3)
    images = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))
    c = jnp.eye(3)[:2]
    apply = jax.jit(lambda v, x, c: disc.apply(v, x, c, capture_intermediates=True))
    logits, state = apply(variables, images, c)
    assert logits.shape == (2,)
    seen = state["intermediates"]
    features, labels = (seen[name]["__call__"][0] for name in ("out", "label_mapping"))
    assert features.shape == labels.shape == (2, 6)
    np.testing.assert_allclose(logits, np.sum(features * labels, -1) / 6**0.5, rtol=1e-5)
    with pytest.raises(ValueError, match="c: found None"):
        disc.apply(variables, images)


def test_images_of_another_size_are_refused():
    disc, variables = small()
    with pytest.raises(ValueError, match=r"images: found \(1, 32, 32, 3\), expected 16 x 16"):
        disc.apply(variables, jnp.zeros((1, 32, 32, 3)))


def test_bfloat16_is_near_float32():
    disc, variables = small()
    images = jax.random.normal(jax.random.key(1), (4, 16, 16, 3))
    full = np.asarray(jax.jit(disc.apply)(variables, images))
    half = jax.jit(disc.clone(dtype=jnp.bfloat16).apply)(variables, images)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, full, rtol=0, atol=0.03 * np.abs(full).max())


def test_gradient_of_images_and_labels():
    disc = Discriminator(**SMALL, c_dim=3, conv_clamp=2.0)
    rng = np.random.default_rng(0)
    images, c = rng.standard_normal((3, 16, 16, 3)), rng.standard_normal((3, 3))
    variables = random_variables.enlarged(
        random_variables.draw(disc, images, c, equalized=True), "label_mapping"
    )
    wide = disc.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda images, c: wide.apply(variables, images, c), images, c, mixed=True
    )


def test_gradient_of_r1_is_its_slope():
    """Second order: R1's gradient against central differences of R1 along it."""
    disc, variables = small()
    images = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))

    def r1(params):
        gradient = jax.grad(lambda x: jnp.sum(disc.apply({"params": params}, x)))(images)
        return jnp.sum(jnp.square(gradient))

    slope = jax.jit(jax.value_and_grad(r1))
    value, gradient = slope(variables["params"])
    assert value > 0
    squared = sum(float(np.sum(np.square(leaf))) for leaf in jax.tree.leaves(gradient))
    step = 1e-3 * float(value) / squared
    ends = [
        jax.tree.map(lambda p, g: p + sign * step * g, variables["params"], gradient)  # noqa: B023
        for sign in (1, -1)
    ]
    above, below = (float(slope(end)[0]) for end in ends)
    np.testing.assert_allclose((above - below) / (2 * step), squared, rtol=0.02)
