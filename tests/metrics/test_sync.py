import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics.sync import lip_sync_error, offset_distances
from tests import golden_files


@pytest.mark.parametrize(
    ("lip", "audio", "prefix", "values"),
    [
        ("lip_emb", "aud_emb", "net", "metrics_on_net"),
        ("syn_f1", "syn_f2", "syn", "metrics_on_synthetic"),
    ],
)
def test_matches_the_public_tool(lip, audio, prefix, values):
    arrays, meta = golden_files.load("syncnet_python_lse")
    # A batch of two: the second clip has other speech.
    pair = np.stack([arrays[audio], arrays[audio][::-1]])
    distances = offset_distances(jnp.asarray(arrays[lip]), pair)
    np.testing.assert_allclose(distances[0], arrays[f"{prefix}_dists"], rtol=2e-6)
    found = lip_sync_error(distances)
    expected = meta[values]
    np.testing.assert_allclose(distances[0].mean(0), arrays[f"{prefix}_mdist"], rtol=2e-6)
    np.testing.assert_allclose(found["lse_d"][0], expected["LSE_D"], rtol=2e-6)
    np.testing.assert_allclose(
        found["lse_c"][0], expected["LSE_C"], rtol=0, atol=2e-6 * np.max(distances)
    )
    assert found["offset"].tolist()[0] == expected["offset"]


@pytest.mark.parametrize("lag", [-4, 0, 7])
def test_finds_a_shift(lag):
    speech = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    lip, audio = speech[20 - lag : 50 - lag], speech[20:50]
    assert int(lip_sync_error(offset_distances(lip, audio))["offset"]) == lag
