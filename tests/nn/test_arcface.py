import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.arcface import IRSE50, adaptive_pool_matrix, face_crop
from tests import golden_files, gradients, random_variables

NAME = "psp_arcface_irse50_112"


@pytest.fixture(scope="module")
def small():
    module = IRSE50(width=2, embedding_dim=8, image_size=28)
    images = jax.random.uniform(jax.random.key(0), (4, 28, 28, 3), minval=-1)
    rng = jax.random.key(1, impl="rbg")
    return module, jax.jit(module.init)(rng, images), images


def test_size_of_the_paper():
    """The reference's total also counts running statistics, and one counter of batches a norm."""
    meta = golden_files.load(NAME)[1]
    images = jax.ShapeDtypeStruct((1, 112, 112, 3), jnp.float32)
    variables = jax.eval_shape(IRSE50().init, jax.random.key(0), images)
    num_params, num_stats = (
        sum(leaf.size for leaf in jax.tree.leaves(variables[key]))
        for key in ("params", "batch_stats")
    )
    num_norms = len(jax.tree.leaves(variables["batch_stats"])) // 2
    assert num_params == golden_files.trainable_size(meta)
    assert num_params + num_stats + num_norms == meta["state"]["params_total"]


@pytest.mark.parametrize("size_in, size_out", [(188, 112), (47, 56), (56, 56), (7, 3)])
def test_adaptive_pooling(size_in, size_out):
    x = np.random.default_rng(0).standard_normal(size_in)
    expected = [
        x[int(np.floor(i * size_in / size_out)) : int(np.ceil((i + 1) * size_in / size_out))].mean()
        for i in range(size_out)
    ]
    pooled = adaptive_pool_matrix(size_in, size_out) @ x
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_crop_scales_with_the_image():
    """At 64 pixels the crop is rows 9..55 and columns 8..54."""
    images = np.zeros((1, 64, 64, 3), np.float32)
    images[:, 9:56, 8:55] = 1.0
    np.testing.assert_allclose(face_crop(images, 56), 1.0, atol=1e-6)
    images = 1.0 - images
    images[:, 10:55, 9:54] = 1.0  # only a frame one pixel inside the crop is dark
    crop = np.asarray(face_crop(images, 47))
    assert np.all(crop[:, [0, -1]] == 0) and np.all(crop[:, :, [0, -1]] == 0)
    assert np.all(crop[:, 1:-1, 1:-1] > 0.99)


def test_embeddings_have_length_one_and_examples_do_not_mix(small):
    module, variables, images = small
    forward = jax.jit(module.apply)
    embedding = forward(variables, images)
    assert embedding.dtype == jnp.float32
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(forward(variables, images[2:3]), embedding[2:3], atol=1e-5)


def test_gradient_of_the_images():
    """From the whole image, through its crop."""
    module = IRSE50(width=2, embedding_dim=8, image_size=16)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 24, 24, 3))
    variables = random_variables.draw(module, images[:, :16, :16])
    wide = module.clone(dtype=jnp.float64)
    gradients.assert_of_input_matches_differences(
        lambda x: wide.apply(variables, face_crop(x, 16)), images
    )


def test_training_reaches_every_parameter(small):
    module, variables, images = small
    target = jax.random.normal(jax.random.key(2), (4, 8))

    @jax.jit
    def grad(params):
        def loss(params):
            embedding, new = module.apply(
                {**variables, "params": params},
                images,
                train=True,
                mutable=["batch_stats", "intermediates"],
                capture_intermediates=lambda layer, _: layer.name == "dense",
            )
            return jnp.sum(embedding * target), new

        return jax.grad(loss, has_aux=True)(params)

    grads, new = grad(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all(), path
        if jax.tree_util.keystr(path) != "['dense']['bias']":  # the norm behind it cancels it
            assert np.abs(leaf).max() > 0, path

    # PyTorch's momentum 0.1: a tenth of the batch's statistics comes in.
    (x,) = new["intermediates"]["dense"]["__call__"]
    stats = new["batch_stats"]["embedding_norm"]
    np.testing.assert_allclose(stats["mean"], 0.1 * np.mean(x, axis=0), atol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * np.var(x, axis=0), rtol=1e-5)


def test_other_images_are_refused(small):
    module, variables, _ = small
    with pytest.raises(ValueError, match=r"images: found \(1, 56, 56, 3\)"):
        module.apply(variables, jnp.zeros((1, 56, 56, 3)))
