"""The transformer's layers; AVCT's golden vectors hold them to PyTorch's numbers."""

import jax
import numpy as np
import pytest

from jaxtalk.nn.transformer import (
    MultiHeadAttention,
    TransformerDecoderLayer,
    sinusoidal_positions,
)
from tests import golden_files, random_variables


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)


def test_positions_match_reference():
    """The sum of the reference's buffer, of 20 positions and 512 channels."""
    meta = golden_files.load("avct_audio2kp")[1]
    expected = meta["state"]["tensors_[shape,dtype,sum]"]["pos_enc.pos_table"][2]
    positions = sinusoidal_positions(20, 512)
    np.testing.assert_allclose(positions.sum(dtype=np.float64), expected, rtol=1e-6)
    np.testing.assert_allclose(positions[3, :2], [np.sin(3), np.cos(3)], rtol=1e-6)


def test_masked_keys_count_for_nothing(x):
    layer = MultiHeadAttention(num_heads=2)
    variables = random_variables.draw(layer, x, x)
    mask = np.array([[True] * 3 + [False] * 2] * 2)
    masked = layer.apply(variables, x, x, mask)
    np.testing.assert_allclose(masked, layer.apply(variables, x, x[:, :3]), atol=1e-6)
    assert np.abs(masked - layer.apply(variables, x, x)).max() > 1e-3


def test_dropout_only_in_training(x):
    layer = TransformerDecoderLayer(num_heads=2, hidden=16, dropout=0.5)
    variables = random_variables.draw(layer, x, x)

    @jax.jit
    def training(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return layer.apply(variables, x, x, train=True, rngs=rngs)

    assert np.abs(training(0) - training(1)).max() > 0.1
    without = layer.clone(dropout=0.0)
    np.testing.assert_array_equal(
        layer.apply(variables, x, x), without.apply(variables, x, x, train=True)
    )
