import dataclasses
import json
import shutil

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from jaxtalk.core.errors import UserError
from jaxtalk.training import checks, loop
from jaxtalk.training.checkpoint import load_weights, save_weights
from tests.training import tiny_stage


def train(workdir, arg="tiny", *, accept_changes=False, **values):
    config = tiny_stage.get_config(arg)
    config.psp.update(values)
    stage = tiny_stage.make(config.psp)
    options = {"data": tiny_stage.DATA, "accept_changes": accept_changes}
    loop.train(stage, config, {}, workdir=workdir, **options)


def lines_of(workdir):
    return [json.loads(t) for t in (workdir / "psp/metrics.jsonl").read_text().splitlines()]


def held_out(workdir):
    """Step -> loss on the held-out split."""
    return {m["step"]: m["eval/loss"] for m in lines_of(workdir) if "eval/loss" in m}


def trained_scores(workdir):
    """The same without that of the untrained stage, which is never saved."""
    return {step: loss for step, loss in held_out(workdir).items() if step}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    train(path, num_steps=9, log_every=3, eval_every=2, checkpoint_every=4, preview_every=5)
    return path


def test_log(workdir):
    lines = lines_of(workdir)
    train_lines = [line for line in lines if "train/loss" in line]
    assert [line["step"] for line in train_lines] == [3, 6, 9]
    assert [line["step"] for line in lines if "eval/loss" in line] == [0, 2, 4, 6, 8, 9]
    assert all("train/reg" in line for line in train_lines)  # each third step reports it
    assert train_lines[-1]["train/loss"] < train_lines[0]["train/loss"]
    assert all(line["steps_per_s"] > 0 for line in train_lines)


def test_newest_and_best_checkpoint_are_kept(workdir):
    scores = trained_scores(workdir)
    best = min(scores, key=scores.get)
    kept = {int(path.name) for path in (workdir / "psp/checkpoints").iterdir()}
    assert kept == {9, best}


def test_weights_are_the_average_of_the_newest_and_of_the_best(workdir):
    scores = trained_scores(workdir)
    config = tiny_stage.get_config()
    eval_step = tiny_stage.make(config.psp).eval_step
    batches = tiny_stage.make_eval_batches(
        None, None, split="validation", batch_size=8, num_batches=config.psp.num_eval_batches
    )
    for name, expected in (("weights", scores[9]), ("weights_best", min(scores.values()))):
        variables, saved_config = load_weights(workdir / "psp" / name)
        assert saved_config.psp.num_steps == 9

        class State:
            ema = variables

        losses = [eval_step(State, {}, batch)["loss"] for batch in batches]
        np.testing.assert_allclose(np.mean(losses), expected, rtol=1e-5)


def test_pictures(workdir):
    previews = workdir / "psp/previews"
    assert sorted(p.name for p in (previews / "noisy").iterdir()) == [
        "00000005.png",
        "00000009.png",
    ]
    with Image.open(previews / "noisy/00000009.png") as grid:
        assert grid.size == (24, 24)  # 8 frames in 3 x 3
    with Image.open(previews / "pair/00000009.png") as sheet:
        assert sheet.size == (16, 32)  # 4 videos of 2 frames
    with av.open(previews / "pair/00000009.mp4") as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 2
    assert (frames[0].width, frames[0].height) == (32, 8)


def test_finished(workdir):
    assert json.loads((workdir / "psp/finished.json").read_text()) == {
        "num_steps": 9,
        "frozen": {},
        "corpus": "digest of noise",
    }


def test_another_configuration_is_refused(workdir, capsys):
    with pytest.raises(UserError) as error:
        train(workdir, num_steps=10, batch_size=4, model={"width": 4})
    assert "checkpoints/9 is of another configuration" in str(error.value)
    assert "psp.batch_size: found 8, expected 4" in str(error.value)
    with pytest.raises(UserError, match=r"of another network: .*found 'float32\[4\]', expected"):
        train(workdir, num_steps=10, model={"width": 5}, accept_changes=True)


def test_more_steps_after_the_end_with_accepted_changes(tmp_path, workdir, capsys):
    shutil.copytree(workdir, tmp_path, dirs_exist_ok=True)
    before = lines_of(tmp_path)
    train(tmp_path, num_steps=10, loss={"noise": 0.2}, accept_changes=True)
    lines = lines_of(tmp_path)
    assert lines[: len(before)] == before
    assert {line["step"] for line in lines[len(before) :]} == {10}
    assert "goes on from checkpoint" in capsys.readouterr().out
    assert json.loads((tmp_path / "psp/finished.json").read_text())["num_steps"] == 10


def begin_from(workdir, weights, **model):
    config = tiny_stage.get_config()
    config.start_from.psp = str(weights)
    config.psp.update({"num_steps": 1, "eval_every": 1, "checkpoint_every": 1})
    config.psp.model.update(model)
    loop.train(tiny_stage.make(config.psp), config, {}, workdir=workdir, data=tiny_stage.DATA)


def test_training_begins_from_weights(workdir, tmp_path, capsys):
    begin_from(tmp_path, workdir / "psp/weights")
    assert "psp: begins from net in" in capsys.readouterr().out
    # The average at step 0 is that of the weights, as is all of the state that evaluation sees.
    assert held_out(tmp_path)[0] == pytest.approx(held_out(workdir)[9], rel=1e-6)


def test_weights_of_another_network_are_no_beginning(workdir, tmp_path):
    with pytest.raises(UserError, match=r"config.start_from.psp: net in .* is of another size: "):
        begin_from(tmp_path / "wide", workdir / "psp/weights", width=5)
    save_weights(tmp_path / "other", {"mouth": {"params": {"a": np.zeros(1)}}}, ConfigDict())
    with pytest.raises(UserError, match=r"found mouth in .*, expected one of net"):
        begin_from(tmp_path / "run", tmp_path / "other")


def test_another_corpus_of_the_same_name_is_refused(workdir, monkeypatch):
    monkeypatch.setattr(tiny_stage.DATA, "fingerprint", lambda dataset: "built again")
    with pytest.raises(UserError, match="corpus: found 'digest of noise', expected 'built again'"):
        train(workdir, num_steps=10)


def test_loss_that_is_not_finite(tmp_path):
    """Found when it is logged or saved, whichever comes first; the step before stays saved."""
    with pytest.raises(UserError) as error:
        train(tmp_path, "poison", log_every=100, checkpoint_every=2, eval_every=100, num_steps=9)
    assert "psp: step 6: loss is nan;" in str(error.value)
    assert "checkpoints/4 is good" in str(error.value)
    assert [path.name for path in (tmp_path / "psp/checkpoints").iterdir()] == ["4"]
    assert not (tmp_path / "psp/finished.json").exists()


def test_weights_that_are_not_finite_are_not_saved():
    state = {"ema": {"a": jnp.ones(2)}, "params": {"b": jnp.array([0.0, jnp.inf])}}
    with pytest.raises(FloatingPointError, match=r"step 3: not finite: params/b$"):
        checks.check_state(state, 3)
    checks.check_state({"count": jnp.zeros((), jnp.int32), "a": jnp.ones(2)}, 3)


def test_batch_of_another_corpus():
    stage = tiny_stage.make(tiny_stage.get_config().psp)
    frames = np.zeros((8, 16, 16, 3), np.uint8)
    with pytest.raises(UserError) as error:
        checks.select(stage, {"frames": frames}, 8, "noise/large")
    assert str(error.value) == (
        "psp: found frames uint8[8, 16, 16, 3] in noise/large, expected uint8[8, 8, 8, 3]; "
        "change dataset.name or psp.model"
    )
    with pytest.raises(UserError, match="psp: found no frames in noise, expected a corpus"):
        checks.select(stage, {"video": frames}, 8, "noise")
    batch = {"frames": frames[:, :8, :8], "more": np.zeros(3)}
    assert list(checks.select(stage, batch, 8, "noise")) == ["frames"]


@pytest.mark.parametrize(
    ("best_by", "score", "best", "expected"),
    [
        (("loss", "min"), 1.0, None, True),
        (("loss", "min"), 1.0, 2.0, True),
        (("loss", "min"), 2.0, 2.0, False),
        (("loss", "max"), 3.0, 2.0, True),
        (("loss", "max"), 1.0, 2.0, False),
        (("loss", "min"), float("nan"), None, False),
        (("loss", "max"), float("nan"), 2.0, False),
    ],
)
def test_best(best_by, score, best, expected):
    best = None if best is None else {"step": 1, "value": best}
    assert loop._is_better(best_by, {"loss": score}, best) is expected


def test_random_numbers_depend_on_seed_and_stage():
    keys = [loop._rngs(seed, name) for seed in (0, 1) for name in ("psp", "syncnet")]
    bits = [np.asarray(jax.random.key_data(key)).tobytes() for three in keys for key in three]
    assert len(set(bits)) == 12
    again = [np.asarray(jax.random.key_data(key)).tobytes() for key in loop._rngs(0, "psp")]
    assert again == bits[:3]


def test_what_was_learned_is_told_at_the_end_after_a_pause_too(workdir, tmp_path, capsys):
    for num_steps in (5, 9):
        train(tmp_path, num_steps=num_steps, log_every=3, eval_every=2, checkpoint_every=4)
    printed = capsys.readouterr().out.splitlines()
    scores = held_out(tmp_path)
    told = [line for line in printed if "before -> after" in line]
    assert told == [
        f"psp: held out, before -> after training: loss {scores[0]:.3g} -> {scores[step]:.3g}"
        for step in (5, 9)
    ]
    assert held_out(workdir)[0] == scores[0] != scores[9]


def test_a_step_that_has_to_be_compiled_is_told(tmp_path, capsys):
    """Steps 1, 4, 7 and on are of one kind, all others of another; told once in each run."""
    for num_steps in (5, 9):
        train(tmp_path, num_steps=num_steps)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "another kind" in line] == [
        f"psp: step {step} is the first of another kind, which is compiled now" for step in (2, 7)
    ]


def test_an_alarm_is_told_once(tmp_path, monkeypatch, capsys):
    asked, make = [], tiny_stage.make

    def alarm(step, values, annotations):
        asked.append((step, values["loss"].shape, annotations("av_offset_frames").size))
        return "something is wrong" if step >= 4 else None

    monkeypatch.setattr(
        tiny_stage, "make", lambda config: dataclasses.replace(make(config), alarm=alarm)
    )
    train(tmp_path, num_steps=8, eval_every=2)
    assert asked == [(2, (16,), 0), (4, (16,), 0)]
    lines = capsys.readouterr().out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if "something is wrong" in line]
    assert lines[at] == "WARNING: psp: something is wrong"
    assert lines[at - 1].startswith("psp 4/8  held out")
