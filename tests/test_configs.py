"""Every config loads, every stage traces or takes a step, the paper presets have its sizes."""

import functools
import importlib
import pathlib

import jax
import numpy as np
import pytest

import configs
from jaxtalk.core.batch import example_batch
from tfds_builders.procedural_heads.procedural_heads_dataset_builder import CONFIGS

NAMES = sorted(p.stem for p in pathlib.Path(configs.__path__[0]).glob("*.py"))
NAMES = [name for name in NAMES if name not in ("__init__", "common")]
PRESETS = ("demo", "paper")
ABLATIONS = ("no_flow", "no_sync", "bundle_no_flow", "bundle_no_sync")
OTHER_ARGS = {"psp": ("scratch",), "styletalker": ("scratch", "bundle", *ABLATIONS)}
RECIPES = [(name, arg) for name in NAMES for arg in PRESETS + OTHER_ARGS.get(name, ())]

# Parameters and statistics, as counted in the public PyTorch networks (without their counters of
# batches); the three that have no public counterpart are this project's own.
PAPER_SIZES = {
    "perceptual": {"lpips": 14_714_688 + 1_472},
    "arcface": {"arcface": 43_823_094 - 54},
    "stylegan3": {"generator": 28_474_205, "discriminator": 28_864_129},
    "psp": {"encoder": 238_318_068 - 52, "generator": 28_474_205},
    "syncnet": {"syncnet": 30_184_960},
    "landmarks": {"landmarks": 4_775_823},
    "styletalker": {
        "styletalker": 50_135_296 + 9_600,
        "encoder": 238_318_068 - 52,
        "generator": 28_474_205,
    },
}
PAPER_TRAINABLE = {"styletalker": 50_135_296, "discriminator": 2_777_921}  # of the main stage

# Values that make a stage small enough to compile and run in a test; the code is the same.
GENERATOR = {"num_layers": 3, "z_dim": 8, "w_dim": 8, "channel_base": 128, "channel_max": 4}
DISCRIMINATOR = {"channel_base": 128, "channel_max": 4}
SHRUNK = {
    "perceptual": {"model": {"image_size": 32, "width": 2}, "loss": {"num_speakers": 4}},
    "arcface": {
        "model": {"image_size": 32, "face_size": 16, "width": 2, "embedding_dim": 8},
    },
    "stylegan3": {
        "model": {
            "generator": {"resolution": 32, **GENERATOR},
            "discriminator": {"resolution": 32, **DISCRIMINATOR},
        }
    },
    "psp": {
        "model": {
            "image_size": 32,
            "generator": {"resolution": 32, **GENERATOR},
            "encoder": {"num_styles": 5, "w_dim": 8, "width": 2, "coarse": 1, "middle": 2},
            "num_motion_styles": 3,
            "anchors": {"brows": 0, "eye_opening": 1, "mouth_opening": 2, "mouth_width": 2},
            "lpips_width": 2,
            "arcface": {"width": 2, "embedding_dim": 8, "image_size": 16},
        }
    },
    "syncnet": {
        "model": {"image_size": 32, "width": 2, "audio_width": 2, "embedding_dim": 8},
        "loss": {"num_anchors": 3},
        "data": {"clip_frames": 12},
    },
    "landmarks": {"model": {"image_size": 32, "width": 2, "max_width": 4, "num_features": 8}},
}
BATCH_SIZE = 4
LATE_STEP = 10**9  # all networks take part, and the lazy regularisers, too


def stage_values(name, preset):
    return importlib.import_module(f"configs.{name}").stage_config(preset).lock()


def shrunk_values(name, preset):
    values = stage_values(name, preset).copy_and_resolve_references()
    with values.unlocked():
        changes = {k: dict(v) for k, v in SHRUNK[name].items()}
        if "clip_frames" not in values.data:
            changes.pop("data", None)
        values.update(changes)
        values.batch_size = BATCH_SIZE
    return values


def make_stage(values):
    return importlib.import_module(values.module).make(values)


def compiled(function, *args):
    """The result of a function compiled without optimisation, which takes most of the time."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function).lower(*args).compile(compiler_options=options)(*args)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def exported_shapes(name, values_of, exports):
    """Shapes of what a stage exports, and of the stages it takes, collected in `exports`."""
    stage = make_stage(values_of(name))
    for needed in stage.frozen:
        if needed not in exports:
            exported_shapes(needed, values_of, exports)
    frozen = {needed: exports[needed] for needed in stage.frozen}
    state = jax.eval_shape(stage.init, jax.random.key(0), frozen)
    exports[name] = jax.eval_shape(stage.export, state, frozen)
    return stage, state, frozen


@pytest.mark.parametrize(("name", "arg"), RECIPES)
def test_recipe_is_complete(name, arg):
    recipe = importlib.import_module(f"configs.{name}").get_config(arg)
    recipe.lock()
    assert recipe.stages[-1] == name
    assert recipe.preset == ("paper" if arg == "paper" else "demo")
    on_its_own = arg in ("paper", "scratch") or arg.startswith("bundle")
    assert recipe.use_bundle == (name in OTHER_ARGS and not on_its_own)
    made = set()
    for stage_name in recipe.stages:
        values = recipe[stage_name]
        stage = make_stage(values)
        assert stage.name == stage_name
        assert set(stage.frozen) <= made, "a stage comes after those that it takes"
        assert values.num_steps > 0
        assert values.batch_size > 0
        made.add(stage_name)
    with pytest.raises(AttributeError, match="num_step"):
        recipe[name].num_step = 1  # misspelt


@pytest.mark.parametrize("name", NAMES)
def test_unknown_presets_are_refused(name):
    with pytest.raises(ValueError, match=r"found 'demmo', expected one of"):
        importlib.import_module(f"configs.{name}").get_config("demmo")


@pytest.mark.parametrize("name", sorted(PAPER_SIZES))
def test_paper_preset_has_the_published_size(name):
    def values_of(name):
        return stage_values(name, "paper")

    exports = {}
    stage, state, frozen = exported_shapes(name, values_of, exports)
    assert {k: count(v) for k, v in exports[name].items()} == PAPER_SIZES[name]
    if name == "styletalker":
        assert {k: count(v) for k, v in state.params.items()} == PAPER_TRAINABLE
    assert_steps_fit(stage, state, frozen)


@pytest.mark.parametrize("arg", ["no_flow", "no_sync"])
def test_ablation_takes_a_step(arg):
    recipe = importlib.import_module("configs.styletalker").get_config(arg)
    assert_steps_fit(*exported_shapes("styletalker", recipe.__getitem__, {}))


def assert_steps_fit(stage, state, frozen):
    """Traces a training step (and an evaluation), and compares the shapes with the contract."""
    batch = {
        key: jax.ShapeDtypeStruct((BATCH_SIZE, *shape), dtype)
        for key, (shape, dtype) in stage.batch_spec.items()
    }
    new_state, metrics = jax.eval_shape(
        lambda *args: stage.train_step(*args, flags=stage.flags_at(LATE_STEP)),
        *(state, frozen, batch, jax.random.key(0)),
    )
    assert shapes(new_state) == shapes(state)
    assert all(value.shape == () for value in metrics.values())
    scores = jax.eval_shape(stage.eval_step, state, frozen, batch)
    assert stage.best[0] in scores
    assert all(value.shape == (BATCH_SIZE,) for value in scores.values())


@pytest.mark.parametrize(
    ("name", "preset"),
    # The demo's others have 50 layers, and are trained in tests.test_end_to_end.
    [("perceptual", "demo"), ("syncnet", "demo"), ("psp", "paper")],
)
def test_shrunk_stage_takes_a_step(name, preset):
    def values_of(name):
        return shrunk_values(name, preset)

    exports = {}
    stage, _, frozen = exported_shapes(name, values_of, exports)
    rng = np.random.default_rng(0)
    frozen = random_like(rng, frozen)
    state = compiled(stage.init, jax.random.key(0, impl="rbg"), frozen)
    batch = random_batch(rng, stage, values_of(name))
    key = jax.random.key(0)
    new_state, metrics = compiled(
        functools.partial(stage.train_step, flags=stage.flags_at(0)), state, frozen, batch, key
    )

    assert int(new_state.step) == 1
    assert np.isfinite(list(metrics.values())).all(), metrics
    assert shapes(new_state) == shapes(state)
    for network in state.params:
        moved = jax.tree.map(
            lambda a, b: not np.array_equal(a, b), state.params[network], new_state.params[network]
        )
        assert np.mean(jax.tree.leaves(moved)) > 0.5, network

    scores, pictures = compiled(
        lambda *args: (stage.eval_step(*args), stage.preview(*args, key)), new_state, frozen, batch
    )
    assert stage.best[0] in scores
    for score_name, score in scores.items():
        assert score.shape == (BATCH_SIZE,), score_name
        assert np.isfinite(score).all(), score_name
    for picture in pictures.values():
        assert picture.shape[-1] == 3
        assert picture.ndim in (4, 5)
    assert shapes(stage.export(new_state, frozen)) == shapes(exports[name])


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def random_like(rng, tree):
    """Small positive numbers: good for weights and for variances."""
    return jax.tree.map(lambda x: rng.uniform(0.02, 0.1, x.shape).astype(x.dtype), tree)


def random_batch(rng, stage, values):
    batch = example_batch(stage.batch_spec, values.batch_size)
    for key, array in batch.items():
        if key == "speaker_id":
            batch[key] = rng.integers(0, values.loss.num_speakers, array.shape).astype(array.dtype)
        elif array.dtype == np.uint8:
            batch[key] = rng.integers(0, 256, array.shape).astype(np.uint8)
        elif array.dtype == np.int16:
            batch[key] = rng.integers(-9000, 9000, array.shape).astype(np.int16)
        else:
            batch[key] = rng.uniform(-1, 1, array.shape).astype(array.dtype)
    return batch


def test_embedded_corpora_fit_the_recipes():
    """Those that are named are there, and have no more speakers than a stage has room for."""
    speakers = {f"procedural_heads/{c.name}": c.splits["train"].speakers for c in CONFIGS
                if "train" in c.splits}  # fmt: skip
    for arg in ("demo", "scratch", "bundle", *ABLATIONS):
        recipe = importlib.import_module("configs.styletalker").get_config(arg)
        for name in recipe.stages:
            corpus = recipe[name].data.get("corpus") or recipe.dataset.name
            assert speakers[corpus] <= recipe[name].loss.get("num_speakers", 10**9), (arg, name)


def test_steps_with_pictures_still_learn():
    """They come last, on a learning rate that falls."""
    for arg in ("demo", "bundle"):
        values = importlib.import_module("configs.styletalker").get_config(arg).styletalker
        adam, last = values.optimizer.styletalker, values.num_steps - values.loss.code_steps
        assert last >= 100 and adam.floor * adam.learning_rate >= 3e-4
