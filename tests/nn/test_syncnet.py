import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.syncnet import SyncNet


@pytest.fixture(scope="module")
def net():
    module = SyncNet(width=4, embedding_dim=16, audio_width=4)
    frames = jax.random.uniform(jax.random.key(0), (2, 5, 32, 32, 3), minval=-1)
    mel = jax.random.normal(jax.random.key(1), (2, 20, 80)) * 4 - 6
    return module, jax.jit(module.init)(jax.random.key(2), frames, mel), frames, mel


def test_embeddings_have_length_one(net):
    module, variables, frames, mel = net
    for embedding in module.apply(variables, frames, mel):
        assert embedding.shape == (2, 16)
        assert embedding.dtype == jnp.float32
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-5)


def test_video_reads_the_lower_half_of_all_frames_only(net):
    module, variables, frames, _ = net

    def loss(frames):
        return module.apply(variables, frames, method="video")[:, 0].sum()

    gradient = np.abs(jax.grad(loss)(frames)).max(axis=(0, 3, 4))  # [5, 32]
    assert np.all(gradient[:, :16] == 0)
    assert np.all(gradient[:, 16:] > 0)


def test_training_updates_the_statistics(net):
    module, variables, frames, mel = net
    _, updates = module.apply(variables, frames, mel, train=True, mutable=["batch_stats"])
    for encoder in ("video_encoder", "audio_encoder"):
        old, new = variables["batch_stats"][encoder], updates["batch_stats"][encoder]
        moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), old, new)
        assert all(jax.tree.leaves(moved))


def test_size_of_the_paper_preset():
    frames, mel = jnp.zeros((1, 5, 256, 256, 3)), jnp.zeros((1, 20, 80))
    variables = jax.eval_shape(SyncNet().init, jax.random.key(0), frames, mel)
    params = variables["params"]
    count = {k: sum(x.size for x in jax.tree.leaves(v)) for k, v in params.items()}
    assert count == {"video_encoder": 18_367_296, "audio_encoder": 11_803_584}
