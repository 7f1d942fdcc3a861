"""The weights in the repository are those of the demo preset as it is."""

import functools
import json
import pathlib

import jax
import numpy as np
import pytest

from configs import styletalker
from jaxtalk.bundle import claimed, make
from jaxtalk.evaluation.networks import find_stages, load_networks, track
from jaxtalk.media.video import decode_frames
from jaxtalk.metrics.landmarks import mouth_opening
from jaxtalk.metrics.signals import correlation
from jaxtalk.talker import Talker
from jaxtalk.training import config_diff, recipe
from jaxtalk.training.checkpoint import load_config, load_weights
from tfds_builders.procedural_heads.clips import ClipSpec, make_clip

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"
STAGES = ("perceptual", "arcface", "stylegan3", "psp", "syncnet", "landmarks", "styletalker")
ABLATIONS = ("no_flow", "no_sync")
FROZEN = ("perceptual", "arcface", "psp", "syncnet")


@functools.cache
def talker(checkpoint):
    """One for all tests, because it takes long to compile."""
    return Talker.load(checkpoint)


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, np.dtype(leaf.dtype).name), tree)


def test_it_is_small():
    files = [file for file in (make.BUNDLE / "demo").rglob("*") if file.is_file()]
    assert len(files) == 1 + len(STAGES) + len(ABLATIONS), "the stages and a card"
    assert sum(file.stat().st_size for file in files) < make.MAX_MEGABYTES * 1e6


def test_quickstart_trains_the_main_stage_only(tmp_path):
    jobs = recipe.plan(styletalker.get_config("demo"), tmp_path)
    assert {job.name: job.origin for job in jobs} == {
        **dict.fromkeys(FROZEN, "bundle"),
        "styletalker": "trained by this run",
    }


@pytest.mark.parametrize("name", STAGES)
def test_weights_are_those_of_the_config(name):
    """What the stage would export today, in names and shapes; the values are finite."""
    config, exports = styletalker.get_config("bundle"), {}
    for stage_name in config.stages[: config.stages.index(name) + 1]:
        _, stage = recipe.make_stage(config, stage_name)
        frozen = {needed: exports[needed] for needed in stage.frozen}
        state = jax.eval_shape(stage.init, jax.random.key(0), frozen)
        exports[stage_name] = jax.eval_shape(stage.export, state, frozen)
    variables, saved = load_weights(make.BUNDLE / "demo" / name)
    assert '"/' not in saved.to_json(), "a path of the machine that made it"
    expected = {k: v for k, v in exports[name].items() if k not in make.LEFT_BEHIND.get(name, ())}
    assert shapes(variables) == shapes(expected)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables))


@pytest.mark.parametrize(
    ("folder", "arg"),
    [*((name, "bundle") for name in STAGES), *((name, f"bundle_{name}") for name in ABLATIONS)],
)
def test_models_are_those_of_the_config(folder, arg):
    """What shapes do not tell, such as the factors of motion, has to agree, too."""
    saved, config = load_config(make.BUNDLE / "demo" / folder), styletalker.get_config(arg)
    stage = "styletalker" if folder in ABLATIONS else folder
    models = (config_diff.to_json(values[stage].model) for values in (saved, config))
    assert not config_diff.differences(*models)


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_are_those_of_the_config(name):
    saved = load_weights(make.BUNDLE / "demo" / name)[1].styletalker
    full, expected = (
        styletalker.get_config(arg).styletalker for arg in ("bundle", f"bundle_{name}")
    )
    assert saved.loss.sync_weight == expected.loss.sync_weight
    assert (saved.model, saved.loss.sync_weight) != (full.model, full.loss.sync_weight)


@pytest.mark.parametrize("checkpoint", ["bundle", *(f"bundle:{name}" for name in ABLATIONS)])
def test_it_talks(checkpoint):
    """Frames follow the sound, and the portrait."""
    rng = np.random.default_rng(0)
    speech = (0.2 * rng.standard_normal(8 * 640)).astype(np.float32)
    portraits = [np.full((64, 64, 3), level, np.uint8) for level in (60, 200)]

    def frames(portrait, audio):
        return np.concatenate(
            list(talker(checkpoint).generate(portrait, audio, temperature=0))
        ).astype(float)

    first = frames(portraits[0], speech)
    assert first.shape == (8, 64, 64, 3)
    assert np.abs(first - frames(portraits[0], 0 * speech)).max() > 2
    assert np.abs(first - frames(portraits[1], speech)).mean() > 10


def test_it_talks_in_sync():
    """The mouth opens as the speaker's own does, who is none of the training people."""
    spec = ClipSpec(seed=0, split="test", speaker=0, clip=0, num_frames=80, size=64)
    clip = make_clip(spec)
    # Of the other one the speech is all that is needed: a single frame is drawn.
    other = make_clip(spec._replace(speaker=1, stride=spec.num_frames))
    portrait = decode_frames(clip["video"], [0])[0]
    networks = load_networks(find_stages("bundle", stages=("landmarks",)), spec.size)

    def follows(speech):
        frames = np.concatenate(list(talker("bundle").generate(portrait, speech)))
        found = track(networks, frames).landmarks
        return correlation(mouth_opening(found), mouth_opening(clip["landmarks"]))

    own = follows(clip["audio"])
    assert own > 0.6
    assert follows(other["audio"]) < own - 0.3


def test_card_and_page_tell_of_these_weights():
    """All that names the model was measured on it, and says the same."""
    name = talker("bundle").name
    assert claimed.model_name(make.BUNDLE / "demo") == name
    card = json.loads((make.BUNDLE / "demo/card.json").read_text())
    report = json.loads((RESULTS / "claims/report.json").read_text())
    assert report["model"] == name
    assert list(card["claims"]) == [row["claim"] for row in report["claims"]]
    for row, packed in zip(report["claims"], card["claims"].values()):
        assert [packed[key] for key in ("value", "reached")] == [row["value"], row["reached"]]
    pages = [*RESULTS.glob("*/report.md"), RESULTS / "README.md"]
    assert len(pages) == 5 and all(name in page.read_text() for page in pages)
    reached = sum(row["reached"] is True for row in report["claims"])
    told = " ".join((ROOT / "README.md").read_text().split())
    assert f"{reached} of {len(report['claims'])} reach their bars" in told
