import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.lstm import LSTM, zero_carry

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def refs():
    with np.load(GOLDEN / "flow_refs.npz") as file:
        return dict(file)


def params_of(refs, prefix, num_layers):
    """torch.nn.LSTM's tensors -> the parameters of ours."""
    params = {}
    for layer in range(num_layers):
        input_bias, hidden_bias = (
            refs[f"{prefix}bias_ih_l{layer}"],
            refs[f"{prefix}bias_hh_l{layer}"],
        )
        params |= {
            f"input_kernel_{layer}": refs[f"{prefix}weight_ih_l{layer}"].T,
            f"recurrent_kernel_{layer}": refs[f"{prefix}weight_hh_l{layer}"].T,
            f"bias_{layer}": input_bias + hidden_bias,
        }
    return {"params": jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)}


def test_matches_reference(refs):
    noise = json.loads((GOLDEN / "flow_refs.json").read_text())["f32_vs_f64"]["lstm"]
    variables = params_of(refs, "lstm/", 2)
    carry = tuple(jnp.asarray(refs[f"lstm/{k}"], jnp.float32) for k in ("h0", "c0"))
    y, (h, c) = LSTM(6, 2).apply(variables, refs["lstm/x"], carry)
    limit = 10 * noise["max_abs"]
    np.testing.assert_allclose(y, refs["lstm/y"], rtol=0, atol=limit)
    np.testing.assert_allclose(h, refs["lstm/hn"], rtol=0, atol=limit)
    np.testing.assert_allclose(c, refs["lstm/cn"], rtol=0, atol=limit)
    y, _ = LSTM(6, 2).apply(variables, refs["lstm/x"])
    np.testing.assert_allclose(y, refs["lstm/y_zero_state"], rtol=0, atol=limit)


def test_pieces_with_carry_equal_the_whole(refs):
    variables = params_of(refs, "lstm/", 2)
    whole, last = LSTM(6, 2).apply(variables, refs["lstm/x"])
    carry, pieces = zero_carry(2, 6, 2), []
    for piece in np.split(refs["lstm/x"], [1, 4], axis=1):
        y, carry = LSTM(6, 2).apply(variables, piece, carry)
        pieces.append(y)
    np.testing.assert_allclose(jnp.concatenate(pieces, axis=1), whole, rtol=0, atol=1e-6)
    for a, b in zip(carry, last):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_is_causal():
    x = jax.random.normal(jax.random.key(0), (1, 6, 3))
    lstm = LSTM(4)
    variables = lstm.init(jax.random.key(1), x)
    jacobian = jax.jacfwd(lambda x: lstm.apply(variables, x)[0])(x)  # [1, 6, 4, 1, 6, 3]
    reach = np.abs(jacobian[0, :, :, 0]).max(axis=(1, 3))  # [output frame, input frame]
    assert np.all(np.triu(reach, 1) == 0)
    assert np.all(np.tril(reach)[np.tril_indices(6)] > 0)
