"""What looks at frames: public networks at small widths, faces brought to their places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from ml_collections import ConfigDict

from configs import perceptual
from jaxtalk.core.batch import to_unit
from jaxtalk.core.errors import UserError
from jaxtalk.media.face_detector import Face, FaceDetector
from jaxtalk.media.face_mesh import LANDMARK_INDICES
from jaxtalk.media.speech_features import cepstra_and_bands
from jaxtalk.metrics.sync import lip_sync_error, offset_distances
from jaxtalk.nn.iresnet import IResNet
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.scoring import faces, metrics, observers
from jaxtalk.training.checkpoint import digest, load_weights, save_weights
from tests import random_variables
from tests.scoring import small_clips as small


def save(folder, kind, net, inputs, fields):
    """Writes weights as `jaxtalk.convert` does; the variables."""
    variables = random_variables.draw(net, *inputs)
    config = ConfigDict({"network": kind, "model": {kind: fields}})
    save_weights(folder, {kind: variables}, config)
    return variables


def load(family, **weights):
    return observers.load_observers(weights, stand_ins=None, families=(family,))[family]


def test_public_lip_sync(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxtalk.evaluation.networks.BATCH", 3)
    fields = {"width": 16, "embedding_dim": 8}
    net = SyncNetCZ(**fields)
    inputs = jnp.zeros((1, 5, 224, 224, 3)), jnp.zeros((1, 20, 13))
    variables = save(tmp_path, "syncnet", net, inputs, fields)
    found = load("sync", syncnet=tmp_path)
    assert found.protocol == "syncnet_v2"
    # Without landmarks it sees the centred square, which is another protocol.
    for key in ("lse_d", "av_offset"):
        assert metrics.protocol(key, {"sync": found}) == "lse/syncnet_v2/centred"
        both = {"sync": found, "landmarks": small.OBSERVERS["landmarks"]}
        assert metrics.protocol(key, both) == "lse/syncnet_v2"
    assert found.weights == digest(load_weights(tmp_path)[0])
    images, audio = small.frames(7), small.sound(7)
    state, parts = None, []
    for piece in (images[:6], images[6:]):
        rows, state = found.see(piece, None, state)
        parts.append(rows)
    crops = faces.lip_sync_crops(images, None)[0][None, ..., ::-1].astype(np.float32)
    expected = jax.jit(lambda x: net.apply(variables, x, method="lip"))(crops)[0]
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-3, atol=1e-4)
    speech = found.hear(audio, 7)
    mfcc = cepstra_and_bands(audio.astype(np.float64))[0].astype(np.float32)
    whole = jax.jit(lambda x: net.apply(variables, x, method="audio"))(mfcc[None])[0]
    np.testing.assert_allclose(speech[:2], whole[:2], rtol=1e-3, atol=1e-4)
    assert speech.shape == (3, 8)
    scores = found.score(np.concatenate(parts), speech)
    expected = lip_sync_error(offset_distances(expected, speech))
    np.testing.assert_allclose(scores["lse_d"], expected["lse_d"], rtol=1e-4)


def test_public_identity(tmp_path):
    fields = {"num_layers": 18, "width": 2, "embedding_dim": 8, "image_size": 112}
    net = IResNet(**fields)
    save(tmp_path, "iresnet", net, [jnp.zeros((1, 112, 112, 3))], fields)
    found = load("identity", iresnet=tmp_path)
    images = small.frames(3)
    points = small.landmarks_of(images)
    points[1] = np.nan
    rows, _ = found.see(images, points, None)
    assert found.protocol == "arcface" and rows.shape == (3, 8)
    assert np.isnan(rows[1]).all() and np.isfinite(rows[[0, 2]]).all()
    with pytest.raises(UserError, match="iresnet needs landmarks"):
        found.see(images, None, None)


def test_perceptual_distance(tmp_path):
    config = perceptual.get_config("paper")
    config.perceptual.model.width = 2
    net = LPIPS(width=2)
    variables = random_variables.draw(net, *[jnp.zeros((1, 32, 32, 3))] * 2)
    save_weights(tmp_path, {"lpips": variables}, config)
    found = load("lpips", lpips=tmp_path)
    assert found.protocol == "vgg16"
    one, other = small.frames(2, 1), small.frames(2, 2)
    expected = jax.jit(net.apply)(variables, to_unit(one), to_unit(other))
    np.testing.assert_allclose(found.see(one, other), expected, rtol=1e-4)
    config.preset = "demo"
    save_weights(tmp_path, {"lpips": variables}, config)
    assert load("lpips", lpips=tmp_path).protocol == "procedural"


class Means(nn.Module):
    """In place of Inception, which takes a minute to compile and has tests of its own."""

    width_divisor: int = 1

    @nn.compact
    def __call__(self, images):
        return images.mean((1, 2)) * self.param("one", nn.initializers.ones, ())


def test_features_of_inception(tmp_path, monkeypatch):
    monkeypatch.setattr(observers, "Inception", Means)
    save(tmp_path, "inception", Means(), [jnp.zeros((1, 8, 8, 3))], {"width_divisor": 1})
    images = small.frames(3)
    found = load("inception", inception=tmp_path)
    one = load_weights(tmp_path)[0]["inception"]["params"]["one"]
    rows, _ = found.see(images, None, None)
    np.testing.assert_allclose(rows, images.mean((1, 2)) / 255 * one, rtol=1e-4)  # of [0, 1]


def test_weights_of_something_else(tmp_path):
    save_weights(tmp_path, {"net": {"params": {"a": np.zeros(1)}}}, ConfigDict({"network": "net"}))
    for kind in observers.KINDS:
        with pytest.raises(UserError, match="found weights of something else, expected those of"):
            observers.load_observers({kind: tmp_path}, stand_ins=None)
    with pytest.raises(UserError, match="--weights: found 'vgg', expected one of arcface"):
        observers.load_observers({"vgg": tmp_path})


def test_stand_ins_are_of_the_bundle():
    found = observers.load_observers({}, families=("identity", "lpips", "inception"))
    assert {name: o.protocol for name, o in found.items()} == {
        "identity": "procedural",
        "lpips": "procedural",
    }
    assert observers.load_observers({}, stand_ins=None) == {}


def test_a_mesh_gives_landmarks_or_none():
    mesh = np.zeros((468, 3), np.float32)
    mesh[LANDMARK_INDICES, 0] = np.arange(68)
    detected = iter([[Face(np.zeros(4), 0.9, mesh)], []])
    detector = FaceDetector("mesh", lambda image: next(detected))
    found = observers.load_observers({}, stand_ins=None, detector=detector)["landmarks"]
    points, _ = found.see(small.frames(2), None, None)
    np.testing.assert_array_equal(points[0, :, 0], np.arange(68))
    assert np.isnan(points[1]).all() and found.protocol == "mesh"


@pytest.mark.parametrize("degrees", [0, 20, -35])
def test_similarity_finds_turn_size_and_shift(degrees):
    rng = np.random.default_rng(0)
    source = rng.standard_normal((5, 2))
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = 1.7 * np.array([[c, -s], [s, c]])
    found = faces.similarity(source, source @ turn.T + (3.0, -5.0))
    np.testing.assert_allclose(found, np.c_[turn, (3, -5)], atol=1e-9)
    # A mirrored face is no turn: the determinant stays positive.
    assert np.linalg.det(faces.similarity(source, source * (-1, 1))[:, :2]) > 0


def test_aligned_faces_have_their_eyes_in_place():
    frame = np.zeros((200, 200, 3), np.uint8)
    points = np.full((68, 2), 100.0)
    places = {36: (70, 80), 42: (130, 90), 30: (97, 120), 48: (72, 150), 54: (122, 158)}
    for first, place in places.items():
        count = 6 if first in (36, 42) else 1
        points[first : first + count] = place
        x, y = place
        frame[y - 3 : y + 4, x - 3 : x + 4, list(places).index(first) % 3] = 255
    image = faces.aligned(frame, points, 112)
    for i, (x, y) in enumerate(np.round(faces.ARCFACE_PX).astype(int)):
        assert image[y - 3 : y + 4, x - 3 : x + 4, i % 3].max() > 200
    assert not faces.aligned(frame, np.full((68, 2), np.nan), 112).any()


def test_lip_sync_crops_follow_the_face_and_are_calm():
    frame = np.zeros((120, 120, 3), np.uint8)
    frame[60:64, 60:64] = 255
    images = np.repeat(frame[None], 20, axis=0)
    points = np.repeat(np.random.default_rng(0).uniform(50, 74, (1, 68, 2)), 20, axis=0)
    points[5] += 40  # a single wrong detection
    points[7] = np.nan
    crops, recent = faces.lip_sync_crops(images, points)
    assert crops.shape == (20, 224, 224, 3) and recent.shape == (13, 3)
    np.testing.assert_array_equal(crops[4], crops[9])
    low, high = points[0].min(axis=0), points[0].max(axis=0)
    low[1] -= (high[1] - low[1]) / 3
    half = (high - low).max() / 2
    # The middle of the picture, measured from the top of the crop, in its px.
    rows = np.flatnonzero(crops[0].max((1, 2)) == 255)
    expected = (62 - ((low + high)[1] / 2 - half)) * 224 / (2.8 * half)
    assert rows.mean() == pytest.approx(expected, abs=2)
    first, recent = faces.lip_sync_crops(images[:8], points[:8])
    second, _ = faces.lip_sync_crops(images[8:], points[8:], recent)
    np.testing.assert_array_equal(np.concatenate([first, second]), crops)
