import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses.kl import normal_log_density
from jaxtalk.nn.flow import ActNorm, AffineCoupling, Flow

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def refs():
    with np.load(GOLDEN / "flow_refs.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def limit():
    noise = json.loads((GOLDEN / "flow_refs.json").read_text())["f32_vs_f64"]["flow_mean"]
    return 10 * noise["max_abs"]


def coupling_params(refs, step):
    def lstm(name):
        return refs[f"flow/{step}/lstm/{name}_l0"]

    params = {
        "lstm": {
            "input_kernel_0": lstm("weight_ih").T,
            "recurrent_kernel_0": lstm("weight_hh").T,
            "bias_0": lstm("bias_ih") + lstm("bias_hh"),
        },
        "out": {
            "kernel": refs[f"flow/{step}/proj_weight"].T,
            "bias": refs[f"flow/{step}/proj_bias"],
        },
    }
    return {"params": jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)}


def test_coupling_matches_reference(refs, limit):
    coupling, condition = AffineCoupling(8, num_layers=1), refs["flow/cond"]
    x = jnp.asarray(refs["flow/x"], jnp.float32)
    for step in range(3):
        x, _ = coupling.apply(
            coupling_params(refs, step), x[..., refs[f"flow/{step}/perm"]], condition
        )
    np.testing.assert_allclose(x, refs["flow/mean/z"], rtol=0, atol=limit)
    # The flow preserves volume, so the likelihood is the base density's alone.
    likelihood = normal_log_density(x, 0.0, 0.0).sum(axis=-1)
    np.testing.assert_allclose(likelihood, refs["flow/mean/loglik_bt"], rtol=1e-6)


def test_inverse_coupling_matches_reference(refs, limit):
    coupling, condition = AffineCoupling(8, num_layers=1), refs["flow/cond"]
    z = jnp.asarray(refs["flow/z_for_inverse"], jnp.float32)
    for step in reversed(range(3)):
        z, _ = coupling.apply(coupling_params(refs, step), z, condition, inverse=True)
        z = z[..., np.argsort(refs[f"flow/{step}/perm"])]
    np.testing.assert_allclose(z, refs["flow/mean/inverse_of_z_for_inverse"], rtol=0, atol=limit)


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
