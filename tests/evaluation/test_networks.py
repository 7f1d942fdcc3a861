"""The measuring networks: where they are found, batches, tracks."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation import networks
from jaxtalk.talker import BUNDLE
from jaxtalk.training.checkpoint import load_weights, save_weights
from tests import tiny_stages, tiny_talker


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tiny_talker.save(tmp_path_factory.mktemp("run"))
    tiny_stages.save(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(workdir):
    return networks.load_networks(networks.find_stages(workdir), tiny_talker.IMAGE_SIZE)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 70])
def test_batches_are_of_one_size_and_rows_keep_their_order(count):
    rows, sizes = np.arange(count), []
    found = networks.in_batches(lambda x: sizes.append(len(x)) or {"twice": 2 * x}, rows)
    np.testing.assert_array_equal(found["twice"], 2 * rows)
    assert set(sizes) == {networks.BATCH}


def test_stages_of_the_bundle():
    found = networks.find_stages("bundle")
    assert found["arcface"] == BUNDLE / "arcface" and found["syncnet"] == BUNDLE / "syncnet"


def test_own_stages_come_before_those_of_the_bundle(workdir, tmp_path):
    for name, directory in networks.find_stages(workdir).items():
        assert directory == workdir / name / "weights"
    bare = tiny_talker.save(tmp_path / "bare")
    assert networks.find_stages(bare)["arcface"] == BUNDLE / "arcface"
    config = tiny_talker.recipe()
    config.use_bundle = False
    variables, _ = load_weights(bare / "styletalker" / "weights")
    save_weights(bare / "styletalker" / "weights", variables, config)
    assert networks.find_stages(bare) == {}
    config.pretrained.arcface = str(workdir / "arcface" / "weights")
    save_weights(bare / "styletalker" / "weights", variables, config)
    assert networks.find_stages(bare) == {"arcface": workdir / "arcface" / "weights"}


def test_the_landmark_stage_may_be_named(workdir, tmp_path):
    weights = workdir / "landmarks" / "weights"
    for named in (workdir, workdir / "landmarks", weights):
        assert networks.find_stages("bundle", str(named))["landmarks"] == weights
    with pytest.raises(UserError, match=r"--landmarks: found no weights in .*configs/landmarks"):
        networks.find_stages("bundle", str(tmp_path))


def test_weights_of_another_size_or_stage_are_refused(workdir):
    weights = workdir / "syncnet" / "weights"
    with pytest.raises(UserError, match="syncnet for 32 px, expected 64 px"):
        networks.load_networks({"syncnet": weights}, 64)
    with pytest.raises(UserError, match="something else, expected those of landmarks"):
        networks.load_networks({"landmarks": weights}, tiny_talker.IMAGE_SIZE)


def test_a_track_has_one_row_for_each_frame(loaded):
    size = tiny_talker.IMAGE_SIZE
    frames = np.random.default_rng(0).integers(0, 256, (37, size, size, 3)).astype(np.uint8)
    found = networks.track(loaded, frames)
    assert found.landmarks.shape == (37, 68, 2) and found.pose.shape == (37, 3)
    assert found.identity.shape == (37, 8) and found.lips.shape == (33, 8)
    np.testing.assert_allclose(np.linalg.norm(found.identity, axis=-1), 1, rtol=1e-3)
    unit = loaded["landmarks"](frames[:32])["landmarks"]
    np.testing.assert_allclose(found.landmarks[:32], size * np.asarray(unit), rtol=1e-5)
    # Window k has the frames k .. k + 4, in order.
    windows = np.stack([frames[k : k + 5] for k in range(32)])
    np.testing.assert_allclose(found.lips[:32], loaded["lips"](windows), atol=1e-5)


def test_a_still_picture_is_looked_at_once(loaded):
    size = tiny_talker.IMAGE_SIZE
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    slow = networks.track(loaded, np.repeat(frame[None], 40, axis=0))
    fast = networks.still(loaded, frame, 40)
    for name in slow._fields:
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), atol=1e-4)


def test_without_networks_there_are_frames_only():
    frames = np.zeros((6, 8, 8, 3), np.uint8)
    found = networks.track({}, frames)
    assert found.frames is frames and found[1:] == (None,) * 4
    assert networks.still({}, frames[0], 6)[1:] == (None,) * 4
    assert networks.embed_speech({}, np.zeros(6 * 640, np.int16), 6) is None


def test_speech_belongs_to_the_windows_of_the_lips(loaded):
    audio = np.random.default_rng(0).integers(-9000, 9000, 50 * 640).astype(np.int16)
    found = networks.embed_speech(loaded, audio, 50)
    assert found.shape == (46, 8)
    # What sounds at frame 20 is in the windows around the frames 18 .. 22, no others.
    changed = audio.copy()
    changed[20 * 640 : 20 * 640 + 320] = 0
    differs = np.abs(networks.embed_speech(loaded, changed, 50) - found).max(axis=-1) > 1e-6
    assert differs[20 - 2] and set(np.flatnonzero(differs) + 2) <= set(range(17, 24))
