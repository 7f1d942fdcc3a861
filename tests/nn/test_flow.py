import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.flow import ActNorm, Flow


def perturbed(variables, rng, scale=0.3):
    """The flow starts as the identity; tests need it to do something."""
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(rng, len(leaves))
    moved = [x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    return jax.tree.unflatten(tree, moved)


@pytest.fixture(scope="module")
def flow():
    module = Flow(3, features=8)
    x, condition = jax.random.normal(jax.random.key(0), (2, 2, 5, 6))
    condition = condition[..., :4]
    variables = module.init(jax.random.key(1), x, condition)
    return module, variables, perturbed(variables, jax.random.key(2)), x, condition


def test_starts_as_a_reordering_of_channels(flow):
    module, variables, _, x, condition = flow
    np.testing.assert_array_equal(module.apply(variables, x, condition)[0], x[..., ::-1])


def test_inverse(flow):
    module, _, variables, x, condition = flow
    u, _ = module.apply(variables, x, condition)
    assert np.abs(u - x[..., ::-1]).max() > 0.5
    back, _ = module.apply(variables, u, condition, inverse=True)
    np.testing.assert_allclose(back, x, rtol=0, atol=1e-5)


def test_pieces_with_carry_equal_the_whole_both_ways(flow):
    module, _, variables, x, condition = flow
    for inverse in (False, True):
        whole, _ = module.apply(variables, x, condition, inverse=inverse)
        carry, pieces = None, []
        for part in (slice(0, 2), slice(2, 5)):
            y, carry = module.apply(
                variables, x[:, part], condition[:, part], carry, inverse=inverse
            )
            pieces.append(y)
        np.testing.assert_allclose(jnp.concatenate(pieces, axis=1), whole, rtol=0, atol=1e-6)


def test_jacobian_is_causal_and_of_determinant_one(flow):
    module, _, variables, x, condition = flow
    x, condition = x[:1], condition[:1]
    jacobian = jax.jacfwd(lambda x: module.apply(variables, x, condition)[0])(x)[0, :, :, 0]
    reach = np.abs(jacobian).max(axis=(1, 3))  # [output frame, input frame]
    assert np.all(np.triu(reach, 1) == 0)
    assert np.all(np.tril(reach)[np.tril_indices(5)] > 0)
    sign, log_det = np.linalg.slogdet(np.asarray(jacobian, np.float64).reshape(30, 30))
    assert abs(sign) == 1
    assert abs(log_det) < 1e-5


def test_actnorm_preserves_volume_with_any_parameters():
    x = jax.random.normal(jax.random.key(0), (4, 5))
    norm = ActNorm()
    variables = perturbed(norm.init(jax.random.key(1), x), jax.random.key(2))
    y = norm.apply(variables, x)
    scales = (y[0] - y[1]) / (x[0] - x[1])
    assert np.ptp(scales) > 0.1
    np.testing.assert_allclose(np.log(scales).sum(), 0.0, atol=1e-5)
    np.testing.assert_allclose(norm.apply(variables, y, inverse=True), x, rtol=0, atol=1e-6)


def test_without_steps_it_is_the_identity():
    x = jnp.ones((1, 2, 4))
    flow = Flow(0)
    u, carry = flow.apply(flow.init(jax.random.key(0), x, x), x, x)
    np.testing.assert_array_equal(u, x)
    assert carry == ()
