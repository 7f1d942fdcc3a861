import numpy as np

from jaxtalk.losses.contrastive import info_nce, sync_loss


def test_info_nce_of_equal_embeddings_is_chance():
    same = np.ones((8, 16), np.float32)
    loss = info_nce(video=same, audio=same, temperature=0.07)
    np.testing.assert_allclose(loss, np.full(8, np.log(8)), rtol=1e-6)


def test_sync_loss_at_known_angles():
    video = np.array([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [1.0, 1.0]])
    audio = np.array([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])
    loss = sync_loss(video=video, audio=audio)
    np.testing.assert_allclose(loss, [0.0, 1.0, 2.0, 1 - np.sqrt(0.5)], atol=1e-6)
