import dataclasses
import functools
import json
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.training import checkpoint, dry_run, recipe
from tests.training import tiny_stage


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The tiny recipe, with a bundle that is empty."""
    monkeypatch.setattr(recipe, "BUNDLE", tmp_path / "bundle")
    config = tiny_stage.get_config()
    config.use_bundle = True
    return config


def save(directory, config, *, finished=None):
    variables = {"net": {"params": {"a": np.ones(3, np.float32)}}}
    checkpoint.save_weights(directory, variables, config)
    if finished is not None:
        (directory.parent / "finished.json").write_text(json.dumps({"num_steps": finished}))


def origins(jobs):
    return {job.name: (job.origin, job.weights) for job in jobs}


def test_all_stages_are_trained_in_order(config, tmp_path):
    jobs = recipe.plan(config, tmp_path / "run")
    assert [(job.name, job.weights) for job in jobs] == [("psp", None), ("styletalker", None)]


def test_bundle_serves_the_stages_before_the_last(config, tmp_path):
    bundle = tmp_path / "bundle/tiny"
    for name in ("psp", "styletalker"):
        save(bundle / name, config)
    jobs = recipe.plan(config, tmp_path / "run")
    assert origins(jobs)["psp"] == ("bundle", bundle / "psp")
    assert origins(jobs)["styletalker"][1] is None
    config.use_bundle = False
    assert origins(recipe.plan(config, tmp_path / "run"))["psp"][1] is None


def test_unfinished_training_goes_before_the_bundle(config, tmp_path):
    save(tmp_path / "bundle/tiny/psp", config)
    (tmp_path / "run/psp/checkpoints").mkdir(parents=True)
    save(tmp_path / "run/psp/weights", config)
    assert origins(recipe.plan(config, tmp_path / "run"))["psp"][1] is None


def test_a_stage_is_finished_when_its_steps_are(config, tmp_path):
    weights = tmp_path / "run/psp/weights"
    save(weights, config)
    assert origins(recipe.plan(config, tmp_path / "run"))["psp"][1] is None
    save(weights, config, finished=config.psp.num_steps)
    jobs = recipe.plan(config, tmp_path / "run")
    assert origins(jobs)["psp"] == ("finished here", weights)
    config.psp.num_steps += 1
    assert origins(recipe.plan(config, tmp_path / "run"))["psp"][1] is None


def test_named_weights_go_first(config, tmp_path):
    save(tmp_path / "run/psp/weights", config, finished=99)
    save(tmp_path / "elsewhere", config)
    config.pretrained.psp = str(tmp_path / "elsewhere")
    jobs = recipe.plan(config, tmp_path / "run")
    assert origins(jobs)["psp"] == ("config.pretrained.psp", tmp_path / "elsewhere")
    config.pretrained.psp = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"found no .*nowhere"):
        recipe.plan(config, tmp_path / "run")


def test_stages_that_nobody_needs_are_left_out(config, tmp_path):
    save(tmp_path / "talker", config)
    config.pretrained.styletalker = str(tmp_path / "talker")
    assert list(origins(recipe.plan(config, tmp_path / "run"))) == ["styletalker"]


def test_one_stage_alone(config, tmp_path):
    assert list(origins(recipe.plan(config, tmp_path / "run", target="psp"))) == ["psp"]
    with pytest.raises(UserError, match="--stage=styletalker needs weights of psp"):
        recipe.plan(config, tmp_path / "run", target="styletalker")
    save(tmp_path / "bundle/tiny/psp", config)
    jobs = recipe.plan(config, tmp_path / "run", target="styletalker")
    assert origins(jobs)["psp"][0] == "bundle"
    assert origins(recipe.plan(config, tmp_path / "run", target="psp"))["psp"][1] is None
    with pytest.raises(UserError, match=r"'pspp', expected one of psp, styletalker; .*'psp'"):
        recipe.plan(config, tmp_path / "run", target="pspp")


def test_weights_of_another_stage(config, tmp_path, monkeypatch):
    """Of the same recipe, whose config describes all stages."""
    make_stage = recipe.make_stage

    def make_with_exports(config, name):
        module, stage = make_stage(config, name)
        return module, dataclasses.replace(stage, exports=("encoder", "generator"))

    save(tmp_path / "net", config)
    config.pretrained.psp = str(tmp_path / "net")
    assert origins(recipe.plan(config, tmp_path / "run"))["psp"][1] == tmp_path / "net"
    monkeypatch.setattr(recipe, "make_stage", make_with_exports)
    message = r"something else in .*net \(net\), expected those of the stage psp \(encoder, generat"
    with pytest.raises(UserError, match=message):
        recipe.plan(config, tmp_path / "run")


def test_weights_of_another_configuration(config, tmp_path):
    other = tiny_stage.get_config()
    other.psp.model.width = 9
    message = r"psp in .* of another configuration: .*model.width: found 9, expected 4"
    save(tmp_path / "run/psp/weights", other, finished=99)
    with pytest.raises(UserError, match=message):
        recipe.plan(config, tmp_path / "run")
    accepted = recipe.plan(config, tmp_path / "run", accept_changes=True)
    assert origins(accepted)["psp"][0] == "finished here"

    save(tmp_path / "bundle/tiny/psp", other)
    with pytest.raises(UserError, match=message):
        recipe.plan(config, tmp_path / "other run", accept_changes=True)
    other.psp.model.width, other.psp.optimizer.learning_rate = 4, 9.0
    save(tmp_path / "bundle/tiny/psp", other)
    assert origins(recipe.plan(config, tmp_path / "other run"))["psp"][0] == "bundle"


def test_unknown_module(config, tmp_path):
    config.psp.module = "jaxtalk.pretraining.pspp"
    with pytest.raises(UserError, match=r"psp.module: .*pspp.*jaxtalk.pretraining.psp,"):
        recipe.plan(config, tmp_path / "run")


def test_fault_inside_a_module_is_no_fault_of_the_user(config, tmp_path, monkeypatch):
    (tmp_path / "broken_stage.py").write_text("import jaxtalk.no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)
    config.psp.module = "broken_stage"
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        recipe.plan(config, tmp_path / "run")
    sys.modules.pop("broken_stage", None)


def test_workdir_that_cannot_be_written(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--workdir: cannot write to .*file/run \(Not a directory"):
        recipe.run(config, tmp_path / "file/run", data=tiny_stage.DATA)


def test_run_trains_what_is_missing_and_then_nothing(config, tmp_path, capsys):
    for name in config.stages:
        config[name].num_steps = 2
    recipe.run(config, tmp_path, data=tiny_stage.DATA)
    variables, saved = checkpoint.load_weights(tmp_path / "styletalker/weights")
    assert sorted(variables) == ["encoder", "net"]
    encoder, _ = checkpoint.load_weights(tmp_path / "psp/weights")
    kernel = encoder["net"]["params"]["Dense_0"]["kernel"]
    np.testing.assert_array_equal(variables["encoder"]["params"]["Dense_0"]["kernel"], kernel)
    assert saved.stages == config.stages
    (codes,) = tmp_path.glob("codes/noise-*/train.npy")
    encode = tiny_stage.make_encode(config.psp)
    expected = encode(encoder, tiny_stage.frames_of("train"))
    np.testing.assert_allclose(np.load(codes), expected, rtol=1e-4, atol=1e-5)

    capsys.readouterr()
    recipe.run(config, tmp_path, data=tiny_stage.DATA)
    assert capsys.readouterr().out == (
        f"styletalker: finished here, {tmp_path}/styletalker/weights\n"
        f"weights: {tmp_path}/styletalker/weights\n"
    )


def test_codes_that_the_user_names(config, tmp_path, monkeypatch):
    """They are checked before the first stage is trained, and completed where they lie."""
    save(tmp_path / "bundle/tiny/psp", config)
    config.dataset.codes_dir = str(tmp_path / "codes")
    checked = []

    def refuse(*arguments):
        checked.append(arguments)
        raise UserError("of another encoder")

    monkeypatch.setattr(tiny_stage.DATA, "check_note", refuse)
    with pytest.raises(UserError, match="of another encoder"):
        recipe.run(config, tmp_path / "run", data=tiny_stage.DATA)
    digest = checkpoint.digest(checkpoint.load_weights(tmp_path / "bundle/tiny/psp")[0])
    assert checked == [(str(tmp_path / "codes"), config.dataset, digest)]
    assert not list((tmp_path / "run").iterdir())
    monkeypatch.undo()

    monkeypatch.setattr(recipe, "BUNDLE", tmp_path / "none")
    for name in config.stages:
        config[name].num_steps = 1
    recipe.run(config, tmp_path / "run", data=tiny_stage.DATA)
    assert {path.name for path in (tmp_path / "codes").iterdir()} == {
        "train.npy",
        "validation.npy",
    }
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"psp", "styletalker"}


def test_finished_stages_were_trained_on_what_is_there(config, tmp_path, monkeypatch, capsys):
    config.stages = ("psp", "styletalker")
    for name in config.stages:
        config[name].num_steps = 2
    recipe.run(config, tmp_path, data=tiny_stage.DATA)
    old = checkpoint.digest(checkpoint.load_weights(tmp_path / "psp/weights")[0])

    monkeypatch.setattr(tiny_stage.DATA, "fingerprint", lambda dataset: "built again")
    with pytest.raises(UserError, match="corpus: found 'digest of noise', expected 'built again'"):
        recipe.run(config, tmp_path, data=tiny_stage.DATA)
    recipe.run(config, tmp_path, data=tiny_stage.DATA, accept_changes=True)
    monkeypatch.undo()

    variables, saved = checkpoint.load_weights(tmp_path / "psp/weights")
    variables["net"]["params"]["Dense_0"]["bias"] += 1
    checkpoint.save_weights(tmp_path / "psp/weights", variables, saved)
    new = checkpoint.digest(variables)
    with pytest.raises(UserError, match=f"frozen.psp: found '{old}', expected '{new}'"):
        recipe.run(config, tmp_path, data=tiny_stage.DATA)


def test_a_stage_may_have_its_own_corpus(config, tmp_path, monkeypatch):
    config.stages = ("psp", "styletalker")
    for name in config.stages:
        config[name].num_steps = 1
    with config.unlocked():
        config.psp.data.corpus = "faces"
    read = []

    def spy_on(function, dataset, data, **options):
        read.append(dataset.name)
        return function(dataset, data, **options)

    for name in ("make_loader", "make_eval_batches"):
        spy = functools.partial(spy_on, getattr(tiny_stage.DATA, name))
        monkeypatch.setattr(tiny_stage.DATA, name, spy)
    monkeypatch.setattr(tiny_stage.DATA, "fingerprint", lambda dataset: dataset.name)
    recipe.run(config, tmp_path, data=tiny_stage.DATA)
    own = config.dataset.name
    assert read == ["faces", "faces", own, own]
    for name, corpus in (("psp", "faces"), ("styletalker", own)):
        assert json.loads((tmp_path / name / "finished.json").read_text())["corpus"] == corpus


def test_table_of_the_plan(config, tmp_path):
    save(tmp_path / "bundle/tiny/psp", config)
    text = dry_run.table(config, recipe.plan(config, tmp_path / "run"))
    rows = [re.split(r"  +", line) for line in text.splitlines()]
    assert [row[0] for row in rows] == ["stage", "psp", "styletalker"]
    assert rows[1][2] == f"bundle: {tmp_path}/bundle/tiny/psp"
    assert dict(zip(rows[0], rows[1]))["parameters"] == "3", "of the weights that `save` wrote"
    column = dict(zip(rows[0], rows[2]))
    # Convolution, scale and offset, dense.
    assert column["parameters"] == str(3 * 3 * 3 * 4 + 4 + 2 * 4 + 4 * 3 + 3)
    assert column["batch"] == "8"
    assert not (tmp_path / "run").exists()


def test_table_counts_the_work_of_a_step():
    config = tiny_stage.get_config()
    config.psp.batch_size, config.psp.model.width, config.psp.num_steps = 512, 64, 1
    stage = tiny_stage.make(config.psp)
    job = recipe.Job("psp", config.psp.module, stage, None, "trained by this run")
    row = dry_run.table(config, [job]).splitlines()[1]
    # One convolution forward and the gradient of its kernel; the rest is small beside it.
    forward = 2 * 512 * 8 * 8 * 3 * 3 * 3 * 64 / 1e9
    assert 0.7 < float(row.split()[-1]) / (2 * forward) < 1.5


def test_table_counts_steps_of_another_kind_that_come_late():
    """A quarter of the steps with four times the batch: so much memory, 7/4 of the work."""
    config = tiny_stage.get_config()
    config.psp.batch_size, config.psp.model.width, config.psp.num_steps = 8192, 64, 200
    stage = tiny_stage.make(config.psp)

    def train_step(state, frozen, batch, rng, flags):
        if flags:
            batch = jax.tree.map(lambda a: jnp.concatenate([a] * 4), batch)
        return stage.train_step(state, frozen, batch, rng, flags=())

    def flags_at(step):
        return ("large",) if step >= 150 else ()

    mixed = dataclasses.replace(stage, train_step=train_step, flags_at=flags_at)
    jobs = [recipe.Job("psp", config.psp.module, s, None, "new") for s in (stage, mixed)]
    rows = [line.split() for line in dry_run.table(config, jobs).splitlines()[1:]]
    peaks, work = np.float64([[row[-2].replace(",", ""), row[-1]] for row in rows]).T
    assert peaks[1] > 3 * peaks[0]
    assert work[1] / work[0] == pytest.approx(7 / 4, rel=0.1)


def test_peak_counts_what_is_alive_at_once():
    """Three arrays of 4 kB: the input, a sum that dies, and one of the next two."""

    def chain(x):
        return jnp.exp(jnp.sin(jnp.cos(x)))

    x = jnp.zeros(1000)
    expected = 3 * 4000
    assert dry_run.peak_bytes(jax.make_jaxpr(chain)(x).jaxpr) == expected
    assert dry_run.peak_bytes(jax.make_jaxpr(jax.jit(chain))(x).jaxpr) == expected
    # Backwards, the three derivatives wait for their turn.
    grad = jax.make_jaxpr(jax.grad(lambda x: chain(x).sum()))(x).jaxpr
    assert expected < dry_run.peak_bytes(grad) <= 2 * expected


def test_batches_are_checked_before_the_first_stage(config, tmp_path, monkeypatch):
    config.styletalker.batch_size = 7
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "devices", lambda: [None] * 2)
    monkeypatch.setattr(recipe.mesh_lib, "_data_mesh", lambda devices: None)
    with pytest.raises(UserError, match=r"styletalker.batch_size: found 7, expected a multiple"):
        recipe.run(config, tmp_path / "run", data=tiny_stage.DATA)
    assert not (tmp_path / "run/psp").exists()


@pytest.mark.parametrize("key", ["batch_size", "num_steps", "log_every", "eval_every"])
def test_counts_are_positive(config, tmp_path, key):
    config.psp[key] = 0
    with pytest.raises(UserError, match=f"psp.{key}: found 0, expected a whole number of 1 or"):
        recipe.plan(config, tmp_path / "run")


def test_values_that_do_not_go_together(config, tmp_path, monkeypatch):
    """A ValueError of a network is the cause of one line that names the stage."""

    def fault(*arguments, **options):
        raise ValueError("6 examples in groups of 4")

    make = tiny_stage.make
    monkeypatch.setattr(
        tiny_stage, "make", lambda c: dataclasses.replace(make(c), train_step=fault)
    )
    plan = recipe.plan(config, tmp_path / "run")
    for act in (
        lambda: dry_run.table(config, plan),
        lambda: recipe.run(config, tmp_path / "run", data=tiny_stage.DATA),
    ):
        with pytest.raises(UserError, match="psp: 6 examples in groups of 4; change") as raised:
            act()
        assert isinstance(raised.value.__cause__, ValueError)
    monkeypatch.setattr(tiny_stage, "make", fault)
    with pytest.raises(UserError, match=r"(psp|styletalker): 6 examples"):
        recipe.plan(config, tmp_path / "run")
