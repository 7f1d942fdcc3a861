"""Talker: every way in, frame by frame."""

import tracemalloc

import jax
import numpy as np
import pytest

from jaxtalk import talker as talker_lib
from jaxtalk.core.errors import UserError
from jaxtalk.media import inputs
from jaxtalk.media.audio import audio_excerpt, stream_audio, to_int16, write_wav
from jaxtalk.media.image import write_png
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.talker import BLOCK_FRAMES, Talker, rechunk
from jaxtalk.training.checkpoint import load_weights, save_weights
from tests import tiny_talker

SAMPLES = 640  # of a frame


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tiny_talker.save(tmp_path_factory.mktemp("run"))


@pytest.fixture
def talker():
    return tiny_talker.loaded()


@pytest.fixture(scope="module")
def portrait():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def speech(num_samples, seed=0):
    return (0.3 * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def whole(chunks):
    return np.concatenate(list(chunks))


# The stream of samples


@pytest.mark.parametrize("num_samples", [3200, 8 * SAMPLES, 8 * SAMPLES + 1, 20_000, 40 * SAMPLES])
@pytest.mark.parametrize("block", [500, 5120, 7919, 10**6])
def test_excerpts_of_a_stream_are_those_of_the_whole_recording(num_samples, block):
    audio = np.random.default_rng(1).integers(-9999, 9999, num_samples).astype(np.int16)
    blocks = (audio[i : i + block] for i in range(0, num_samples, block))
    found = list(inputs.audio_excerpts(blocks, BLOCK_FRAMES))
    num_frames = -(-num_samples // SAMPLES)
    assert sum(n for _, n in found) == num_frames
    for i, (excerpt, n) in enumerate(found):
        np.testing.assert_array_equal(excerpt, audio_excerpt(audio, i * BLOCK_FRAMES, BLOCK_FRAMES))
        assert n == min(BLOCK_FRAMES, num_frames - i * BLOCK_FRAMES)


def test_the_stream_of_samples_is_read_as_it_is_needed():
    taken = []
    blocks = (taken.append(i) or np.zeros(SAMPLES, np.int16) for i in range(1000))
    excerpts = inputs.audio_excerpts(blocks, BLOCK_FRAMES)
    for block in range(1, 4):
        next(excerpts)
        # The windows of a block reach 2.15 frames beyond it.
        assert len(taken) == block * BLOCK_FRAMES + 3


def test_an_hour_of_samples_takes_constant_memory():
    second = np.zeros(16_000, np.int16)
    tracemalloc.start()
    excerpts = inputs.audio_excerpts((second for _ in range(3600)), BLOCK_FRAMES)
    total = sum(n for _, n in excerpts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 3600 * 25
    assert peak < 1e6  # the hour itself has 115 MB


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_rechunk_keeps_every_row_in_order(size):
    rows = np.arange(50)
    pieces = np.split(rows, [0, 1, 9, 9, 30])
    chunks = list(rechunk(pieces, size))
    np.testing.assert_array_equal(np.concatenate(chunks), rows)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert 0 < len(chunks[-1]) <= size


# Frames


@pytest.mark.parametrize(
    "num_samples", [3200, 3201, 5 * SAMPLES + 639, 8 * SAMPLES, 12_800 - 1, 16_000, 17_777]
)
def test_one_frame_for_every_40_ms_begun(talker, portrait, num_samples):
    frames = whole(talker.generate(portrait, speech(num_samples)))
    size = tiny_talker.IMAGE_SIZE
    assert frames.shape == (-(-num_samples // SAMPLES), size, size, 3)
    assert frames.dtype == np.uint8


def test_frames_do_not_depend_on_the_size_of_the_chunks(talker, portrait):
    audio = speech(30 * SAMPLES + 100)
    expected = whole(talker.generate(portrait, audio))
    assert (expected[1:] != expected[:-1]).any(axis=(1, 2, 3)).all()  # it moves
    for chunk_frames in (1, 5, 31, 1000):
        chunks = list(talker.generate(portrait, audio, chunk_frames=chunk_frames))
        assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_frames}
        np.testing.assert_array_equal(whole(chunks), expected)


def test_frames_before_an_end_do_not_depend_on_what_follows_later(talker, portrait):
    audio = speech(40 * SAMPLES)
    long = whole(talker.generate(portrait, audio))
    short = whole(talker.generate(portrait, audio[: 20 * SAMPLES]))
    reach = 3 + 3  # of the mel windows, and of the smoothing
    np.testing.assert_array_equal(short[: 20 - reach], long[: 20 - reach])


def test_seed_and_audio_and_temperature_decide_the_frames(talker, portrait):
    audio = speech(20 * SAMPLES)
    first = whole(talker.generate(portrait, audio, seed=3))
    np.testing.assert_array_equal(whole(talker.generate(portrait, audio, seed=3)), first)
    for other in (
        talker.generate(portrait, audio, seed=4),
        talker.generate(portrait, audio, seed=3, temperature=0.0),
        talker.generate(portrait, speech(20 * SAMPLES, seed=1), seed=3),
    ):
        assert (whole(other) != first).any()


@pytest.mark.parametrize("num_frames", [1, BLOCK_FRAMES, BLOCK_FRAMES + 3])
def test_reconstructs_each_frame_by_itself(talker, num_frames):
    size = tiny_talker.IMAGE_SIZE
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (num_frames, size, size, 3)).astype(np.uint8)
    found = talker.reconstruct(frames)
    assert found.shape == frames.shape and found.dtype == np.uint8
    np.testing.assert_array_equal(talker.reconstruct(frames[-1:]), found[-1:])
    assert num_frames == 1 or (found[0] != found[1]).any()
    with pytest.raises(UserError, match="frames: found uint8"):
        talker.reconstruct(frames[0])


def test_files_and_arrays_are_the_same_input(talker, portrait, tmp_path):
    audio = speech(21 * SAMPLES + 5)
    write_wav(tmp_path / "talk.wav", audio)
    write_png(tmp_path / "me.png", portrait)
    expected = whole(talker.generate(portrait, audio))
    for image, sound in (
        (str(tmp_path / "me.png"), tmp_path / "talk.wav"),
        (portrait, to_int16(audio)),
    ):
        np.testing.assert_array_equal(whole(talker.generate(image, sound)), expected)


def test_box_is_the_part_of_the_portrait_to_take(talker, portrait):
    audio = speech(8 * SAMPLES)
    whole_square = whole(talker.generate(portrait, audio))
    centred = whole(talker.generate(portrait, audio, box=(5, 0, 45, 40)))
    np.testing.assert_array_equal(centred, whole_square)
    part = portrait[4:36, 10:42]
    expected = whole(talker.generate(part, audio))
    found = whole(talker.generate(portrait, audio, box=(10.0, 4.0, 42.0, 36.0)))
    np.testing.assert_array_equal(found, expected)
    assert (found != whole_square).any()


def test_audio_file_is_read_as_frames_are_asked_for(talker, portrait, tmp_path, monkeypatch):
    write_wav(tmp_path / "talk.wav", speech(200 * SAMPLES))
    blocks = []

    def spy(path, block_samples):
        for block in stream_audio(path, block_samples):
            blocks.append(len(block))
            yield block

    monkeypatch.setattr(inputs, "stream_audio", spy)
    chunks = talker.generate(portrait, tmp_path / "talk.wav", chunk_frames=8)
    next(chunks)
    assert sum(blocks) <= 6 * BLOCK_FRAMES * SAMPLES


def test_what_is_open_is_closed_while_an_error_is_kept(talker, portrait, motion, monkeypatch):
    """Else a file closes when the error's traceback is collected, at any time, with a warning."""
    closed = []

    def endless(item):
        try:
            while True:
                yield item
        finally:
            closed.append(item)

    def faulty(item):
        yield item
        yield item
        raise UserError("damaged")

    second, frame = np.zeros(BLOCK_FRAMES * SAMPLES, np.float32), motion[0]
    monkeypatch.setattr(inputs, "stream_audio", lambda *_: endless(second))
    monkeypatch.setattr(inputs, "read_video", lambda _: iter([]))
    with pytest.raises((UserError, StopIteration)) as kept:
        talker.generate(portrait, "talk.wav", motion="motion.mp4")
    assert len(closed) == 1

    monkeypatch.setattr(inputs, "stream_audio", lambda *_: faulty(second))
    monkeypatch.setattr(inputs, "read_video", lambda _: endless(frame))
    with pytest.raises(UserError, match="damaged") as kept_too:
        whole(talker.generate(portrait, "talk.wav", motion="motion.mp4"))
    assert len(closed) == 2
    del kept, kept_too


def test_silence_is_speech_too(talker, portrait):
    frames = whole(talker.generate(portrait, np.zeros(10 * SAMPLES, np.int16)))
    assert len(frames) == 10


# Motion


@pytest.fixture(scope="module")
def motion():
    colours = np.random.default_rng(5).integers(0, 256, (60, 2, 2, 3)).astype(np.uint8)
    return colours.repeat(18, axis=1).repeat(18, axis=2)


def test_motion_source_decides_the_frames(talker, portrait, motion):
    audio = speech(20 * SAMPLES)
    free = whole(talker.generate(portrait, audio))
    driven = whole(talker.generate(portrait, audio, motion=motion))
    other = whole(talker.generate(portrait, audio, motion=motion[::-1]))
    assert len(driven) == 20
    assert (driven != free).any()
    assert (driven != other).any()


def test_motion_source_that_is_too_long_is_cut(talker, portrait, motion):
    audio = speech(20 * SAMPLES)
    np.testing.assert_array_equal(
        whole(talker.generate(portrait, audio, motion=motion)),
        whole(talker.generate(portrait, audio, motion=motion[:20])),
    )


@pytest.mark.parametrize("length", [1, 2, 5, 13])
def test_motion_source_that_is_too_short_goes_back_and_forth(talker, portrait, motion, length):
    index = np.array([0]) if length == 1 else np.r_[0:length, length - 2 : 0 : -1]
    audio = speech(30 * SAMPLES)
    unrolled = motion[np.resize(index, 30)]
    np.testing.assert_array_equal(
        whole(talker.generate(portrait, audio, motion=motion[:length])),
        whole(talker.generate(portrait, audio, motion=unrolled)),
    )


def test_long_motion_source_goes_back_and_forth_over_its_end(talker, portrait, motion, monkeypatch):
    monkeypatch.setattr(talker_lib, "MAX_BOUNCE_FRAMES", 4)
    audio = speech(30 * SAMPLES)
    index = [*range(20), 18, 17, 16, 17, 18, 19, 18, 17, 16, 17]
    np.testing.assert_array_equal(
        whole(talker.generate(portrait, audio, motion=motion[:20])),
        whole(talker.generate(portrait, audio, motion=motion[index])),
    )


def test_motion_file(talker, portrait, motion, tmp_path):
    with VideoWriter(tmp_path / "motion.mp4", crf=0) as writer:
        for frame in motion[:12]:
            writer.write(frame)
    audio = speech(20 * SAMPLES)
    driven = whole(talker.generate(portrait, audio, motion=tmp_path / "motion.mp4"))
    assert len(driven) == 20
    assert (driven != whole(talker.generate(portrait, audio))).any()


# Checkpoints


def test_checkpoint_is_found_from_each_of_its_folders(workdir):
    weights = workdir / "styletalker" / "weights"
    for checkpoint in (workdir, str(workdir), workdir / "styletalker", weights):
        assert talker_lib.find_weights(checkpoint) == weights


def test_name_tells_models_apart(talker, workdir):
    config = tiny_talker.recipe()
    other = Talker(tiny_talker.variables(config, seed=1), config)
    assert talker.name.startswith("styletalker-demo-")
    assert Talker.load(workdir).name == talker.name != other.name


def test_missing_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"no weights of StyleTalker in .*jaxtalk\.train"):
        Talker.load(tmp_path / "nothing")


def test_checkpoint_of_another_stage_names_both(workdir, tmp_path):
    variables, config = load_weights(workdir / "styletalker" / "weights")
    save_weights(tmp_path, {"generator": variables["generator"]}, config)
    with pytest.raises(UserError, match=r"networks generator in .*, expected encoder, g"):
        Talker.load(tmp_path)


def test_checkpoint_of_another_configuration_names_both(workdir, tmp_path):
    variables, config = load_weights(workdir / "styletalker" / "weights")
    config.styletalker.model.block.lstm_width = 9
    save_weights(tmp_path, variables, config)
    with pytest.raises(UserError, match=r"lstm/bias_0: found \[4, 32\], expected \[4, 36\]"):
        Talker.load(tmp_path)


def without_a_field(model):
    del model.num_ws


def with_an_unknown_field(model):
    model.generator.filter_sharpness = 2


def of_a_size_that_no_network_takes(model):
    model.image_size = 33


@pytest.mark.parametrize(
    "change, found",
    [
        (without_a_field, "num_ws"),
        (with_an_unknown_field, "filter_sharpness"),
        (of_a_size_that_no_network_takes, "33"),
    ],
)
def test_checkpoint_of_another_version_is_one_line(workdir, tmp_path, change, found):
    variables, config = load_weights(workdir / "styletalker" / "weights")
    change(config.styletalker.model)
    save_weights(tmp_path, variables, config)
    with pytest.raises(UserError) as raised:
        Talker.load(tmp_path)
    line = str(raised.value)
    assert line.startswith(f"checkpoint: {tmp_path} is of another configuration: found ")
    assert found in line and "expected" in line and "train it again" in line
    assert "\n" not in line


# Bundle


def test_bundle_joins_the_goal_with_the_networks_of_psp(workdir, talker, tmp_path, monkeypatch):
    variables, config = load_weights(workdir / "styletalker" / "weights")
    goal = {"styletalker": variables.pop("styletalker")}
    monkeypatch.setattr(talker_lib, "BUNDLE", tmp_path)
    save_weights(tmp_path / "psp", variables, config)
    with pytest.raises(UserError, match=r"in the bundle .*jaxtalk\.train .*--checkpoint runs/demo"):
        Talker.load("bundle")
    save_weights(tmp_path / "styletalker", goal, config)
    assert Talker.load("bundle").name == talker.name
    with pytest.raises(UserError, match=r"in the bundle \(.*no_flow\)"):
        Talker.load("bundle:no_flow")
    ablation = jax.tree.map(lambda leaf: leaf + 1, goal)
    save_weights(tmp_path / "no_flow", ablation, config)
    assert Talker.load("bundle:no_flow").name != talker.name


# Arguments


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image": np.zeros((31, 64, 3), np.uint8)}, "image: found .*31.*at least 32 px"),
        ({"image": np.zeros((64, 64, 3))}, "image: found float64.*expected uint8"),
        ({"image": np.zeros((64, 64), np.uint8)}, r"image: found uint8\[64, 64\]"),
        ({"audio": np.zeros(3199, np.int16)}, r"audio: found 3199 samples, expected .* 0\.2 s"),
        ({"audio": np.zeros((2, 16000))}, r"audio: found float64\[2, 16000\]"),
        ({"audio": np.full(16000, np.nan)}, "audio: .*not finite"),
        ({"motion": np.zeros((0, 64, 64, 3), np.uint8)}, "motion: found"),
        ({"box": (0, 0, 9)}, r"box: found \(0, 0, 9\), expected \(x0, y0, x1, y1\)"),
        ({"box": (0, 0, 20, 30)}, "box: found 20 x 30 px, expected a square"),
        ({"box": (0, 0, 1e9, 1e9)}, "box: found .* far beyond the picture of 50 x 40 px"),
        ({"box": (0, 0, float("nan"), 1)}, "box: found .*nan"),
        (
            {"motion": np.zeros((4, 40, 50, 3), np.uint8), "motion_box": (0, 0, 20, 30)},
            "motion_box: found 20 x 30 px, expected a square",
        ),
        ({"seed": -1}, "seed: found -1"),
        ({"seed": 2**32}, "seed: found 4294967296"),
        ({"temperature": float("nan")}, "temperature: found nan"),
        ({"chunk_frames": 0}, "chunk_frames: found 0"),
        ({"chunk_frames": 2.0}, "chunk_frames: found 2.0"),
        ({"seed": None}, "seed: found None"),
    ],
)
def test_bad_arguments_are_named_at_once(talker, portrait, arguments, message):
    with pytest.raises(UserError, match=message):
        talker.generate(**{"image": portrait, "audio": speech(16_000), **arguments})
