import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import styletalker
from jaxtalk.core.batch import example_batch, excerpt_samples
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.stylegan3 import Generator
from jaxtalk.nn.syncnet import SyncNet
from jaxtalk.systems.styletalker import make, step

PIXELS = 32
# Compiling takes most of the time: each function runs a few times only.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
quick_jit = functools.partial(jax.jit, compiler_options=QUICK)
WEIGHTS = {  # all different, so that none can stand in for another
    "id_weight": 0.2,
    "kl_weight": 0.3,
    "adv_weight": 0.4,
    "sync_weight": 0.5,
    "code_weight": 0.6,
}


def small_config():
    config = styletalker.stage_config("demo")
    config.model.update(
        {"image_size": PIXELS, "num_ws": 8, "w_dim": 8, "num_blocks": 6, "num_flow_steps": 1}
    )
    config.model.lip_styles = (4,)
    config.model.motion_gain = (1.0,) * 5 + (2.0,)
    config.model.lpips_width = 2
    config.model.audio.update({"width": 2, "output_dim": 4})
    config.model.block.update(
        {"z_dim": 4, "motion_width": 8, "motion_dim": 6, "lstm_width": 8, "smoothing_width": 8}
    )
    config.model.generator.update(
        {
            "resolution": PIXELS,
            "num_layers": 6,
            "z_dim": 8,
            "w_dim": 8,
            "channel_base": 128,
            "channel_max": 4,
        }
    )
    config.model.discriminator.update({"width": 2, "num_layers": 2})
    config.model.arcface.update({"width": 2, "embedding_dim": 8, "image_size": 16})
    config.model.syncnet.update({"width": 4, "audio_width": 4, "embedding_dim": 8})
    config.loss.update({"num_extra_scales": 0, "kl_warmup_steps": 2, "code_steps": 0, **WEIGHTS})
    config.data.update({"clip_frames": 8, "window_frames": 5})
    return config


def randomised(init, *args, scale=0.3):
    """Variables of the right shapes, none of them zero as some are at the start of training."""
    rng = np.random.default_rng(0)

    def leaf(path, x):
        values = scale * rng.standard_normal(x.shape)
        positive = getattr(path[-1], "key", None) in ("var", "magnitude")
        return jnp.asarray(np.exp(values) if positive else values, jnp.float32)

    return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(init, *args))


def discriminating(init, *args, gain=1.4):
    """Variables of a frozen network whose signal neither dies out nor saturates.

    gain: of the kernels; None for a network that scales its kernels by itself.
    """
    rng = np.random.default_rng(0)

    def leaf(path, x):
        name, noise = path[-1].key, rng.standard_normal(x.shape)
        if name in ("var", "scale", "magnitude"):
            values = np.ones(x.shape)
        elif name == "mean":
            values = np.zeros(x.shape)
        elif name == "transform":
            values = np.eye(3)
        elif name == "frequencies" or (name == "kernel" and gain is None):
            values = noise
        elif name == "kernel":
            values = noise * gain / np.sqrt(np.prod(x.shape[:-1]))
        else:
            values = 0.3 * noise
        return jnp.asarray(values, jnp.float32)

    return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(init, *args))


def frozen_variables(config):
    model, rng = config.model, jax.random.key(0)
    size = model.arcface.image_size
    image, face = jnp.zeros((1, PIXELS, PIXELS, 3)), jnp.zeros((1, size, size, 3))
    video, mel = jnp.zeros((1, 5, PIXELS, PIXELS, 3)), jnp.zeros((1, 20, 80))
    z = jnp.zeros((1, model.generator.z_dim))
    return {
        "perceptual": {"lpips": discriminating(LPIPS(model.lpips_width).init, rng, image, image)},
        "arcface": {"arcface": discriminating(IRSE50(**model.arcface).init, rng, face)},
        "syncnet": {"syncnet": discriminating(SyncNet(**model.syncnet).init, rng, video, mel)},
        "psp": {
            "generator": discriminating(Generator(**model.generator).init, rng, z, gain=None),
            "encoder": {"params": {}},
        },
    }


@pytest.fixture(scope="module")
def setting():
    """Config, stage, state, frozen variables, batch of 2."""
    config = small_config()
    stage, frozen = make(config), frozen_variables(config)
    state = randomised(stage.init, jax.random.key(0), frozen, scale=0.2)
    # Adam's second moments are positive, and the count is an integer.
    fresh = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), state.opt_state)
    state = state.replace(step=jnp.zeros((), jnp.int32), opt_state=fresh)
    rng = np.random.default_rng(1)
    batch = example_batch(stage.batch_spec, 2)
    batch["w"] = rng.standard_normal(batch["w"].shape).astype(np.float32)
    batch["audio"] = rng.integers(-9999, 9999, batch["audio"].shape, np.int16)
    batch["window"] = rng.integers(0, 255, batch["window"].shape, np.uint8)
    batch["window_start"] = np.array([0, 3], np.int32)
    return config, stage, state, frozen, batch


def test_train_step_moves_everything_but_the_frozen_networks(setting):
    _, stage, state, frozen, batch = setting
    before = jax.tree.map(np.array, (state, frozen))
    train_step = quick_jit(stage.train_step, static_argnames="flags")
    history = []
    for i in range(4):
        rng = jax.random.fold_in(jax.random.key(2), i)
        state, metrics = train_step(state, frozen, batch, rng, flags=stage.flags_at(i))
        history.append({k: float(v) for k, v in metrics.items()})
    assert all(np.isfinite(v) for values in history for v in values.values())
    assert history[-1]["code"] < history[0]["code"]
    for i, values in enumerate(history):
        warm = (0.5, 1, 1, 1)[i]
        expected = values["lpips"] + 0.2 * values["id"] + 0.3 * warm * values["kl"]
        expected += 0.4 * values["adv"] + 0.5 * values["sync"] + 0.6 * values["code"]
        assert values["loss"] == pytest.approx(expected, rel=1e-5)
    # Every term sees the frames, or the model.
    for name in ("lpips", "id", "sync", "adv", "kl"):
        found = [values[name] for values in history]
        assert min(found) > 1e-3, name
        assert np.ptp(found) > 1e-4, (name, found)
    assert int(state.step) == 4
    still = set()
    for name in ("params", "stats", "ema"):
        old, new = getattr(before[0], name), getattr(state, name)
        for (path, a), b in zip(jax.tree.leaves_with_path(old), jax.tree.leaves(new)):
            if np.array_equal(a, b):
                still.add("/".join(k.key for k in path if k.key != "params"))
    # The start of the prior is one LSTM step from a zero state; and at this width the gates of the
    # audio encoder have a single hidden unit, which may be off for all inputs.
    still = {path for path in still if "/se/" not in path}
    assert still == {"styletalker/blocks/start_lstm/recurrent_kernel_0"}
    jax.tree.map(np.testing.assert_array_equal, before[1], frozen)
    assert set(stage.export(state, frozen)) == {"styletalker", "encoder", "generator"}


def test_first_steps_learn_from_the_codes_alone(setting):
    config, _, state, frozen, batch = setting
    config = config.copy_and_resolve_references()
    config.loss.update({"code_steps": 2, "audio_steps": 1, "kl_warmup_steps": 0})
    stage = make(config)
    assert [stage.flags_at(i) for i in range(4)] == [("codes", "audio"), ("codes",), (), ()]
    train_step = quick_jit(stage.train_step, static_argnames="flags")
    rng = jax.random.key(2)
    new, metrics = train_step(state, frozen, batch, rng, flags=("codes", "audio"))
    assert set(metrics) == {"kl", "code", "loss", "styletalker_grad_norm"}
    expected = 0.3 * metrics["kl"] + 0.6 * metrics["code"]
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    for tree in ("params", "opt_state"):
        same = jax.tree.map(np.array_equal, getattr(state, tree), getattr(new, tree))
        assert all(jax.tree.leaves(same["discriminator"])), tree
        assert not all(jax.tree.leaves(same["styletalker"])), tree
    # Neither pictures nor the networks that see them play a part.
    blind = {**batch, "window": np.zeros_like(batch["window"])}
    again, _ = train_step(state, {}, blind, rng, flags=("codes", "audio"))
    jax.tree.map(np.testing.assert_array_equal, again, new)
    # Without "audio" the audio encoder stays, its statistics, too, and the blocks learn.
    deaf, _ = train_step(new, {}, blind, rng, flags=("codes",))
    before, was, now = (s.params["styletalker"] for s in (state, new, deaf))
    for same, learned in ((before, was), (state.stats["styletalker"], new.stats["styletalker"])):
        assert not jax.tree.all(jax.tree.map(np.array_equal, same, learned))
    jax.tree.map(np.testing.assert_array_equal, was["audio_encoder"], now["audio_encoder"])
    jax.tree.map(np.testing.assert_array_equal, new.stats, deaf.stats)
    assert not np.array_equal(
        was["blocks"]["audio_dense"]["kernel"], now["blocks"]["audio_dense"]["kernel"]
    )


def test_each_style_vector_counts_in_the_code_error_however_far_it_moves():
    config = small_config()
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(2, 8, 8, 8)) * 10.0 ** np.arange(8)[:, None]  # 2 are not edited
    motion[:, 0] = 0.0  # the first frame is the origin
    w = jnp.asarray(rng.normal(size=(2, 1, 8, 8)) + motion, jnp.float32)
    still = jnp.broadcast_to(w[:, :1], w.shape)
    error = functools.partial(step.code_error, config)
    np.testing.assert_allclose(error(still, w).mean(), 1.0, rtol=1e-4)
    np.testing.assert_array_equal(error(w, w), 0.0)
    for style, expected in ((0, 1 / 6), (5, 1 / 6), (6, 0.0)):
        frozen = w.at[:, :, style].set(still[:, :, style])
        np.testing.assert_allclose(error(frozen, w).mean(), expected, rtol=1e-4)


def test_evaluation_and_preview_have_one_entry_per_example(setting):
    _, stage, state, frozen, batch = setting
    values = jax.eval_shape(stage.eval_step, state, frozen, batch)
    assert {"lpips", "id", "sync", "psnr", "kl", "code", "audio_driven_sync"} <= set(values)
    assert all(v.shape == (2,) for v in values.values())
    videos = jax.eval_shape(stage.preview, state, frozen, batch, jax.random.key(0))
    assert set(videos) == {"real", "reconstruction", "audio_driven"}
    assert all(v.shape == (2, 5, PIXELS, PIXELS, 3) for v in videos.values())


@pytest.mark.parametrize("window_frames", [4, 9])
def test_windows_that_do_not_fit_are_refused(window_frames):
    config = small_config()
    config.data.window_frames = window_frames
    with pytest.raises(ValueError, match=rf"window_frames: found {window_frames}, expected 5 .*8"):
        make(config)


@pytest.mark.parametrize("styles", [(6,), (0, -1)])
def test_lips_in_a_style_that_is_not_edited_are_refused(styles):
    config = small_config()
    config.model.lip_styles = styles
    with pytest.raises(ValueError, match=r"lip_styles: found .*, expected numbers from 0 to 5"):
        make(config)


def test_gains_that_do_not_fit_the_styles_are_refused():
    config = small_config()
    config.model.motion_gain = (1.0, 3.0)
    with pytest.raises(ValueError, match=r"motion_gain: found 2 numbers, expected 6 .* or none"):
        make(config)


def test_window_of_takes_each_example_at_its_own_start():
    x = np.arange(2 * 6 * 3).reshape(2, 6, 3)
    found = step.window_of(jnp.asarray(x), jnp.array([0, 3]), 2)
    np.testing.assert_array_equal(found, np.stack([x[0, 0:2], x[1, 3:5]]))


def test_groups_of_frames_drops_what_is_left_over():
    x = np.arange(2 * 12).reshape(2, 12)
    found = step.groups_of_frames(jnp.asarray(x))
    expected = np.stack([x[0, :5], x[0, 5:10], x[1, :5], x[1, 5:10]])
    np.testing.assert_array_equal(found, expected)


def test_sync_term_hears_the_centre_of_each_group(setting):
    config, _, _, frozen, batch = setting
    video = jnp.asarray(batch["window"], jnp.float32) / 127.5 - 1
    mel = np.random.default_rng(0).standard_normal((2, 5, 20, 80)).astype(np.float32)

    @quick_jit
    def heard(mel):
        return jax.jacrev(functools.partial(step.sync_term, config, frozen, video))(mel)

    depends = np.abs(heard(mel)).max(axis=(3, 4)) > 0  # [2, 2, 5]
    expected = np.zeros((2, 2, 5), bool)
    expected[[0, 1], [0, 1], 2] = True
    np.testing.assert_array_equal(depends, expected)


@pytest.fixture(scope="module")
def windows(setting):
    """Real and fake frames [2, 5, H, W, 3] and mel [2, 5, 20, 80], and the terms' function."""
    config, _, _, frozen, _ = setting
    rng = np.random.default_rng(3)
    real, fake = rng.uniform(-1, 1, (2, 2, 5, PIXELS, PIXELS, 3)).astype(np.float32)
    mel = rng.uniform(-11, 3, (2, 5, 20, 80)).astype(np.float32)
    return real, fake, mel, quick_jit(functools.partial(step.window_terms, config, frozen))


def test_window_terms_compare_the_frames_of_each_example(windows):
    real, fake, mel, terms_of = windows
    fake = np.stack([real[0], fake[1]])
    terms = {k: np.asarray(v) for k, v in terms_of(real, fake, mel).items()}
    assert set(terms) == {"lpips", "id", "sync"}
    for name in ("lpips", "id"):
        np.testing.assert_allclose(terms[name][0], 0, atol=1e-5)
        assert terms[name][1] > 1e-3, name
    # The order of the frames matters to each of them.
    swapped = terms_of(real, real[:, ::-1], mel)
    for name in ("lpips", "id"):
        assert (swapped[name] > 1e-3).all(), name


def test_sync_term_compares_video_and_audio(windows):
    real, fake, mel, terms_of = windows
    first = terms_of(real, fake, mel)["sync"]
    assert ((first > 0) & (first < 2)).all()
    np.testing.assert_array_equal(terms_of(fake, fake, mel)["sync"], first)  # no real frames in it
    for other in (terms_of(real, real, mel), terms_of(real, fake, np.roll(mel, 2, axis=1))):
        assert (np.abs(other["sync"] - first) > 1e-4).all()


def test_extra_scales_add_the_distance_of_halved_frames(setting, windows):
    config, _, _, frozen, _ = setting
    config = config.copy_and_resolve_references()
    config.loss.num_extra_scales = 1
    real, fake, mel, terms_of = windows
    lpips = LPIPS(config.model.lpips_width)
    halved = (x.reshape(10, 16, 2, 16, 2, 3).mean(axis=(2, 4)) for x in (real, fake))
    small = (
        quick_jit(lpips.apply)(frozen["perceptual"]["lpips"], *halved).reshape(2, 5).mean(axis=1)
    )
    config.loss.sync_weight = 0.0
    found = quick_jit(functools.partial(step.window_terms, config, frozen))(real, fake, mel)
    assert set(found) == {"lpips", "id"}
    np.testing.assert_allclose(
        found["lpips"], terms_of(real, fake, mel)["lpips"] + small, rtol=1e-4
    )


def test_every_term_has_a_gradient_with_respect_to_the_fake_frames(setting, windows):
    config, _, _, frozen, _ = setting
    real, fake, mel, _ = windows

    @quick_jit
    def gradients(fake):
        _, vjp = jax.vjp(lambda x: step.window_terms(config, frozen, real, x, mel), fake)
        zeros = dict.fromkeys(("lpips", "id", "sync"), jnp.zeros(2))
        return {k: vjp({**zeros, k: jnp.ones(2)})[0] for k in zeros}

    for name, gradient in gradients(fake).items():
        assert np.isfinite(gradient).all(), name
        assert (np.abs(gradient).max(axis=(2, 3, 4)) > 1e-8).all(), name  # of each frame


def test_discriminator_objective_leaves_the_fake_frames_alone(setting):
    config, _, state, _, _ = setting
    real, fake = jax.random.normal(jax.random.key(0), (2, 1, 5, PIXELS, PIXELS, 3))
    params = state.params["discriminator"]

    def objective(fake, params):
        return step.discriminator_objective(config, state, real, fake, False, params)[0]

    to_fake, to_params = quick_jit(jax.grad(objective, argnums=(0, 1)))(fake, params)
    np.testing.assert_array_equal(to_fake, 0)
    assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(to_params))


def test_r1_flag(setting):
    config, _, state, _, _ = setting
    config = config.copy_and_resolve_references()
    config.loss.update({"r1_gamma": 2.0, "r1_interval": 4})
    assert [make(config).flags_at(i) for i in (0, 1, 4)] == [("r1",), (), ("r1",)]
    real, fake = jax.random.normal(jax.random.key(0), (2, 1, 5, PIXELS, PIXELS, 3))
    params = state.params["discriminator"]
    loss, terms = step.discriminator_objective(config, state, real, fake, True, params)
    assert terms["r1"] > 0
    np.testing.assert_allclose(loss, terms["disc"] + 0.5 * 2.0 * 4 * terms["r1"], rtol=1e-6)
    config.model.dtype = "bfloat16"  # R1 is in float32 all the same
    _, low = step.discriminator_objective(config, state, real, fake, True, params)
    assert low["disc"] != terms["disc"]
    np.testing.assert_allclose(low["r1"], terms["r1"], rtol=1e-5)


def test_paper_preset_has_the_sizes_of_the_paper():
    config = styletalker.get_config("paper").styletalker
    stage = make(config)
    assert stage.batch_spec["w"][0] == (128, 16, 512)
    assert stage.batch_spec["audio"][0] == (excerpt_samples(128),)
    assert stage.batch_spec["window"][0] == (15, 256, 256, 3)
    state = jax.eval_shape(stage.init, jax.random.key(0), {})

    def count(tree):
        return sum(x.size for x in jax.tree.leaves(tree))

    blocks = state.params["styletalker"]["blocks"]
    assert all(x.shape[0] == 8 for x in jax.tree.leaves(blocks))
    assert blocks["prior_lstm"]["recurrent_kernel_0"].shape == (8, 256, 1024)
    assert blocks["flow"]["couplings_0"]["lstm"]["recurrent_kernel_1"].shape == (8, 256, 1024)
    found = {
        "audio_encoder": count(state.params["styletalker"]["audio_encoder"]),
        "block": count(blocks) // 8,
        "discriminator": count(state.params["discriminator"]),
    }
    assert found == {"audio_encoder": 11_521_280, "block": 4_826_752, "discriminator": 2_777_921}
    loss = config.loss
    assert (loss.code_weight, loss.num_extra_scales) == (0, 3)
    assert [loss[f"{k}_weight"] for k in ("id", "kl", "adv", "sync")] == [0.1] * 4


def test_ablations():
    full, no_flow, no_sync = (styletalker.get_config(k) for k in ("demo", "no_flow", "no_sync"))
    assert make(full.styletalker).frozen == ("perceptual", "arcface", "psp", "syncnet")
    assert full.styletalker.model.num_flow_steps > 0
    state = jax.eval_shape(make(no_flow.styletalker).init, jax.random.key(0), {})
    assert "flow" not in state.params["styletalker"]["blocks"]
    assert make(no_sync.styletalker).frozen == ("perceptual", "arcface", "psp")
    assert "syncnet" not in no_sync.stages
    with pytest.raises(ValueError, match="expected one of"):
        styletalker.get_config("nonsense")
