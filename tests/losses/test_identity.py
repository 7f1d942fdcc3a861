import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import cosine

from jaxtalk.losses.identity import identity


def test_matches_scipy():
    a, b = np.random.default_rng(0).standard_normal((2, 4, 8)) * 3
    loss = identity(real_embedding=jnp.asarray(a), fake_embedding=jnp.asarray(b))
    np.testing.assert_allclose(loss, [cosine(x, y) for x, y in zip(a, b)], rtol=1e-5)


def test_equal_opposite_and_zero():
    a = jnp.eye(3)
    assert np.allclose(identity(real_embedding=a, fake_embedding=2 * a), 0, atol=1e-6)
    assert np.allclose(identity(real_embedding=a, fake_embedding=-a), 2, atol=1e-6)

    def loss(b):
        return identity(real_embedding=a, fake_embedding=b).sum()

    assert np.isfinite(jax.grad(loss)(jnp.zeros((3, 3)))).all()
