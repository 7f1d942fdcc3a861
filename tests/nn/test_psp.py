import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.psp import Encoder, Map2Style, upsample_bilinear
from tests import golden_files, gradients, numpy_layers, random_variables

SMALL = {"num_styles": 9, "w_dim": 8, "width": 2, "image_size": 64}


@pytest.fixture(scope="module")
def small():
    module = Encoder(**SMALL)
    images = jax.random.uniform(jax.random.key(0), (3, 64, 64, 3), minval=-1)
    rng = jax.random.key(1, impl="rbg")
    return module, jax.jit(module.init)(rng, images), images


@pytest.mark.parametrize(
    "name, num_styles, use_se",
    [("psp_gradual_irse50_n16", 16, True), ("psp_gradual_ir50_n18", 18, False)],
)
def test_size_of_the_paper(name, num_styles, use_se):
    """The reference's total also counts running statistics, and one counter of batches a norm."""
    meta = golden_files.load(name)[1]
    module = Encoder(num_styles=num_styles, use_se=use_se)
    images = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    num_params, num_stats = (
        sum(leaf.size for leaf in jax.tree.leaves(variables[key]))
        for key in ("params", "batch_stats")
    )
    num_norms = len(jax.tree.leaves(variables["batch_stats"])) // 2
    assert num_params == golden_files.trainable_size(meta)
    assert num_params + num_stats + num_norms == meta["state"]["params_total"]


def test_towers_match_convolutions_one_by_one():
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 5))
    module = Map2Style(num_heads=3, w_dim=4)
    params = jax.jit(module.init)(jax.random.key(1), x)["params"]
    params = jax.tree.map(lambda p: np.asarray(p + 0.1, np.float64), params)  # biases are not 0
    styles = jax.jit(module.apply)({"params": params}, x)
    for head in range(3):
        y = np.asarray(x, np.float64)
        for layer in range(3):
            y = numpy_layers.conv(y, params[f"kernel_{layer}"][head], stride=2, padding=1)
            y = numpy_layers.leaky_relu(y + params[f"bias_{layer}"][head], 0.01)
        expected = y[:, 0, 0] @ params["linear_kernel"][head] / 2 + params["linear_bias"][head]
        np.testing.assert_allclose(styles[:, head], expected, rtol=1e-5, atol=1e-6)


def test_each_group_of_styles_reads_its_own_map(small):
    module, variables, images = small

    def without(group):
        params = dict(variables["params"])
        params[group] = jax.tree.map(jnp.zeros_like, params[group])
        return forward({**variables, "params": params}, images)

    forward = jax.jit(module.apply)
    groups = [("coarse_styles", 0, 3), ("middle_styles", 3, 7), ("fine_styles", 7, 9)]
    for name, first, end in groups:
        zero = np.all(np.asarray(without(name)) == 0, axis=(0, 2))
        assert zero.tolist() == [first <= i < end for i in range(9)]


def test_upsampling_aligns_corners():
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 1))
    rows = np.stack(
        [np.interp(np.linspace(0, 3, 9), np.arange(4), x[0, :, j, 0]) for j in range(5)], axis=1
    )
    expected = [np.interp(np.linspace(0, 4, 7), np.arange(5), row) for row in rows]
    upsampled = upsample_bilinear(jnp.asarray(x, jnp.float32), 9, 7)
    np.testing.assert_allclose(upsampled[0, ..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("use_se, num_styles", [(True, 9), (False, 12)])
def test_gradient_of_the_images(use_se, num_styles):
    sizes = {**SMALL, "num_styles": num_styles, "use_se": use_se, "image_size": 32}
    module = Encoder(**sizes)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3))
    variables = random_variables.draw(module, images)
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(lambda x: wide.apply(variables, x), images)


def test_training_reaches_every_parameter(small):
    module, variables, images = small

    @jax.jit
    def loss_and_grad(params):
        def loss(params):
            codes, new = module.apply(
                {**variables, "params": params}, images, train=True, mutable="batch_stats"
            )
            return jnp.sum(codes**2), new["batch_stats"]

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, stats), grads = loss_and_grad(variables["params"])
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(grad).all(), path
        assert np.abs(grad).max() > 0, path
    for old, new in zip(jax.tree.leaves(variables["batch_stats"]), jax.tree.leaves(stats)):
        assert np.abs(old - new).max() > 0


def test_bfloat16_keeps_float32_where_it_matters(small):
    module, variables, images = small
    half = Encoder(**SMALL, dtype=jnp.bfloat16)

    def forward(module):
        apply = jax.jit(functools.partial(module.apply, train=True, mutable="batch_stats"))
        return apply(variables, images)

    (codes, new), (exact, _) = forward(half), forward(module)
    assert codes.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(new)} == {jnp.dtype("float32")}
    assert 0 < np.abs(codes - exact).max() < 0.1 * np.abs(exact).max()


@pytest.mark.parametrize("size", [16, 48])
def test_image_size_is_a_power_of_two(size):
    module = Encoder(**{**SMALL, "image_size": size})
    with pytest.raises(ValueError, match=f"image_size: found {size}"):
        module.init(jax.random.key(0), jnp.zeros((1, size, size, 3)))


def test_other_images_are_refused(small):
    module, variables, _ = small
    with pytest.raises(ValueError, match=r"images: found \(1, 32, 32, 3\)"):
        module.apply(variables, jnp.zeros((1, 32, 32, 3)))
