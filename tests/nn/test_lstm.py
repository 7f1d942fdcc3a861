import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.nn.lstm import LSTM, zero_carry
from tests import golden_files
from tests.parity_checks import lstm_params


def test_pieces_with_carry_equal_the_whole():
    refs, _ = golden_files.load("flow_refs")
    variables = {"params": lstm_params(refs, "lstm", 2)}
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
