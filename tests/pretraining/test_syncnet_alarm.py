"""A SyncNet says so when it does not leave chance, and takes no offset for measured that is not."""

import functools
import importlib.util
import json
import pathlib
import re

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import syncnet
from jaxtalk.core.batch import SAMPLES_PER_FRAME, excerpt_samples
from jaxtalk.data import source, survey
from jaxtalk.pretraining.syncnet import alarm, make
from tests.tiny_corpus import build_tiny_corpus
from tfds_builders.preparation import command_line

STEPS, CLIPS, FRAMES, SIDE, ANCHORS = 60, 16, 20, 16, 4


def config():
    """The demo's stage, shrunk."""
    values = syncnet.stage_config("demo")
    values.model.update({"image_size": SIDE, "width": 4, "audio_width": 4, "embedding_dim": 16})
    values.loss.num_anchors, values.data.clip_frames = ANCHORS, FRAMES
    values.optimizer.learning_rate, values.alarm_step = 1e-2, STEPS
    return values


def batch(rng):
    """Clips that are as bright as they are loud, frame by frame."""
    levels = rng.integers(0, 4, (CLIPS, FRAMES + 5))  # sound begins two frames before the picture
    video = np.broadcast_to(
        (60 * levels[:, 2 : FRAMES + 2, None, None, None]).astype(np.uint8),
        (CLIPS, FRAMES, SIDE, SIDE, 3),
    )
    loudness = np.repeat(10.0**levels, SAMPLES_PER_FRAME, axis=1)[:, : excerpt_samples(FRAMES)]
    return {
        "video": video,
        "audio": (10 * rng.normal(size=loudness.shape) * loudness)
        .clip(-32768, 32767)
        .astype(np.int16),
    }


def shuffled(clips):
    """Each clip with the sound of another."""
    return {**clips, "audio": np.roll(clips["audio"], 1, axis=0)}


@pytest.fixture(scope="module")
def functions():
    """The stage, and its steps compiled once for all trainings."""
    stage = make(config())
    train_step = functools.partial(stage.train_step, frozen={}, flags=())
    return stage, jax.jit(lambda s, b, r: train_step(s, batch=b, rng=r)), jax.jit(stage.eval_step)


def trained(functions, change=lambda clips: clips):
    """Values on held-out clips after all steps."""
    stage, train_step, eval_step = functions
    rng, key = np.random.default_rng(0), jax.random.key(0)
    state = jax.jit(stage.init)(jax.random.key(1, impl="rbg"), {})
    for step in range(STEPS):
        state, _ = train_step(state, change(batch(rng)), jax.random.fold_in(key, step))
    return jax.device_get(eval_step(state, {}, change(batch(rng))))


def test_silent_where_it_learns_and_loud_where_the_sound_is_of_other_clips(functions):
    stage = functions[0]
    values = trained(functions)
    assert stage.alarm(STEPS, values, pytest.fail) is None

    values = trained(functions, shuffled)
    assert stage.alarm(STEPS - 1, values, pytest.fail) is None, "it may need as many steps"
    told = stage.alarm(STEPS, values, noting(np.repeat([0, 3], [7, 2])))
    first, found, known, *causes = told.splitlines()
    recall = values["recall_at_1"].mean()
    assert f"recall_at_1 is {recall:.3f}, where guessing gives 0.250" in first
    counts = found.split("frames: ")[1].split(",")[0].split()
    assert f"best offset of {CLIPS} held-out clips, -11 .. 11 frames" in found
    assert len(counts) == 23 and sum(map(int, counts)) == CLIPS
    assert known == (
        "av_offset_frames of 9 training clips, -11 .. 11 frames: "
        f"{'0 ' * 11}7 0 0 2{' 0' * 8}, most at 0"
    )
    for cause in ("offsets", "negatives", "mel windows"):
        assert any(line.strip().startswith(f"{cause}:") for line in causes)


def noting(clips, build=()):
    """The `annotations` of a corpus with these offsets."""
    return lambda key, built=False: np.array(build if built else clips)


def values(recall, offsets):
    ones = np.ones(len(offsets))
    return {"recall_at_1": recall * ones, "chance": ones / 8, "offset": np.float32(offsets)}


def test_chance_is_left_at_twice_of_it():
    def told(recall):
        return alarm.at_chance(5, values(recall, [0, 3]), noting([]), max_offset=4)

    assert told(0.25) is None
    assert "at step 5 held-out recall_at_1 is 0.240" in told(0.24)
    assert "av_offset_frames is not in the corpus" in told(0.24)


def test_zeros_of_a_corpus_clear_nothing(tmp_path):
    """A builder notes 0 without having measured, too."""
    corpus = ConfigDict(build_tiny_corpus(tmp_path, num_train=3, num_test=1))

    def told(annotations):
        return alarm.at_chance(5, values(0.1, [0, 3]), annotations, max_offset=4).splitlines()[2]

    built = told(functools.partial(source.annotations, corpus, "train"))
    assert built.startswith("av_offset_frames of 3 training clips: all 0, ")
    assert "not measured" in built and "most at 0" not in built
    assert told(noting([0, 0, 1])).endswith("0 0 0 0 2 1 0 0 0, most at 0")


def test_offsets_that_the_build_has_measured_are_counted(tmp_path):
    """Of the clips that it kept; what it left out, and lines that are cut off, count nothing."""
    corpus = ConfigDict(build_tiny_corpus(tmp_path, num_train=3, num_test=1))
    lines = [{"kept": True, "av_offset_frames": n} for n in (-2, -2, 7)]
    lines += [{"kept": False, "av_offset_frames": 1}, {"kept": True}, [3]]
    report = pathlib.Path(source.corpus_dir(corpus)).parent / source.REPORT
    report.write_text("\n".join([*map(json.dumps, lines), '{"kept": tr']))
    annotations = functools.partial(source.annotations, corpus, "train")
    known = alarm.at_chance(5, values(0.1, [0]), annotations, max_offset=4).splitlines()[2]
    assert known == (
        "av_offset_frames of 3 clips, as the build has measured them before it brought sound and "
        "picture in step, -4 .. 4 frames: 0 0 2 0 0 0 0 0 1, most at -2; 0 of 3 training clips are "
        "noted with another than 0 left"
    )


def test_what_it_advises_exists():
    """The report, its key and the option are those of the builders."""
    advice = alarm.CAUSES + alarm.noted(np.zeros(3), [], 4)
    assert source.REPORT in advice and "av_offset_frames" in survey.REPORT_MEASURES
    builder = command_line.parser("").format_help()
    options = set(re.findall(r"--\w+", advice))
    assert options and all(option in builder for option in options)
    for module in re.findall(r"python -m ([\w.]+)", advice):
        assert importlib.util.find_spec(module)
    for path in re.findall(r"\w+/[\w/]+\.md", advice):
        assert (pathlib.Path(__file__).parents[2] / path).is_file()


def test_offsets_are_counted():
    assert alarm.counts(np.float32([0, 1, 1, -9, 9]), 2) == "-2 .. 2 frames: 1 0 1 2 1, most at 1"
