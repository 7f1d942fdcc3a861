"""Verification rate of the arcface stage."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.pretraining.arcface import verification


def by_hand(cosine, speaker):
    rates = []
    for i in range(len(speaker)):
        same = [j for j in range(len(speaker)) if j != i and speaker[j] == speaker[i]]
        other = [j for j in range(len(speaker)) if speaker[j] != speaker[i]]
        pairs = [cosine[i, j] > cosine[i, k] for j in same for k in other]
        rates.append(np.mean(pairs) if pairs else 0.5)
    return rates


def test_verification_counts_pairs():
    rng = np.random.default_rng(0)
    embedding = rng.standard_normal((10, 4))
    cosine = embedding @ embedding.T
    speaker = np.array([0, 0, 1, 1, 1, 2, 3, 3, 0, 4])  # 2 and 4 have one frame only
    found = verification(cosine=jnp.asarray(cosine), speaker=jnp.asarray(speaker))
    np.testing.assert_allclose(found, by_hand(cosine, speaker), atol=1e-6)


def test_verification_of_perfect_embeddings_is_one():
    speaker = jnp.array([0, 1, 0, 1])
    cosine = (speaker[:, None] == speaker[None, :]).astype(jnp.float32)
    np.testing.assert_array_equal(verification(cosine=cosine, speaker=speaker), jnp.ones(4))
