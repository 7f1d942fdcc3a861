"""The bundle holds half-precision copies of a run's finished stages, and loads as float32."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from configs import styletalker
from jaxtalk.bundle import claimed, make
from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.training.checkpoint import digest, load_weights, save_weights


@pytest.fixture
def run(tmp_path):
    """A work directory with two finished stages, one unfinished, and the goal."""
    config = styletalker.get_config("scratch")
    config.dataset.data_dir = "/home/me/corpora"
    config.start_from.psp = "/home/me/weights"
    config.psp.data.corpus = "procedural_heads/faces_64"
    rng = np.random.default_rng(0)
    for name in ("arcface", "stylegan3", "psp", "styletalker"):
        directory = tmp_path / "run" / name
        networks = {
            "stylegan3": ("generator", "discriminator"),
            "styletalker": ("encoder", "generator", "styletalker"),
        }.get(name, (name,))
        variables = {
            n: {
                "params": {"kernel": rng.standard_normal((3, 4), np.float32), "count": np.arange(3)}
            }
            for n in networks
        }
        save_weights(directory / "weights", variables, config)
        rows = [
            {"step": 1, "eval/loss": 2.0},
            {"step": 4, "steps_per_s": 4 / 4800},
            {"step": 5, "eval/loss": 1.0},
            {"step": 6, "steps_per_s": 2 / 2400},
        ]
        (directory / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        if name != "psp":
            (directory / "finished.json").write_text('{"num_steps": 6}')
    return tmp_path / "run"


def trained_on(stage_directory, **digests):
    """Writes that a stage is finished, and the digests of the weights that it took."""
    stage_directory.joinpath("finished.json").write_text(
        json.dumps({"num_steps": 6, "frozen": digests})
    )


def digest_of(directory):
    return digest(load_weights(directory)[0])


def test_takes_finished_stages(run, tmp_path):
    card = make.make(run, tmp_path / "bundle")
    assert list(card["stages"]) == ["arcface", "stylegan3", "styletalker"]
    row = card["stages"]["arcface"]
    assert (row["eval/loss"], row["step"], row["seed"]) == (1.0, 5, 0)
    assert row["corpus"] == "procedural_heads/demo_64"
    assert row["hours"] == pytest.approx(2.0)  # two thirds of the steps at half the rate
    written = json.loads((tmp_path / "bundle/demo/card.json").read_text())
    assert written == card


def test_places_of_the_machine_are_left_behind(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    for name in ("arcface", "styletalker"):
        config = load_weights(tmp_path / "bundle/demo" / name)[1]
        expected = styletalker.get_config("scratch")
        expected.psp.data.corpus = "procedural_heads/faces_64"
        assert config.to_dict() == expected.to_dict()


def test_networks_of_psp_are_not_written_twice(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    assert list(load_weights(tmp_path / "bundle/demo/styletalker")[0]) == ["styletalker"]


def test_the_encoder_keeps_all_bits_of_half_precision_and_its_own_corpus(run, tmp_path):
    (run / "psp/finished.json").write_text("{}")
    card = make.make(run, tmp_path / "bundle")
    assert card["stages"]["psp"]["corpus"] == "procedural_heads/faces_64"
    for name, exact in (("psp", True), ("arcface", False)):
        original, bundled = (
            load_weights(path)[0][name]["params"]["kernel"]
            for path in (run / name / "weights", tmp_path / "bundle/demo" / name)
        )
        assert np.array_equal(bundled, original.astype(np.float16)) == exact


def test_replaces_an_older_bundle_as_a_whole(run, tmp_path):
    (tmp_path / "bundle/demo/psp").mkdir(parents=True)
    make.make(run, tmp_path / "bundle")
    assert os.listdir(tmp_path / "bundle") == ["demo"]
    expected = ["arcface", "card.json", "stylegan3", "styletalker"]
    assert sorted(os.listdir(tmp_path / "bundle/demo")) == expected


def test_loads_as_float32_within_half_precision(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    original, _ = load_weights(run / "stylegan3/weights")
    bundled, config = load_weights(tmp_path / "bundle/demo/stylegan3")
    assert list(bundled) == ["generator"]
    kernel = bundled["generator"]["params"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, original["generator"]["params"]["kernel"], rtol=2**-8)
    np.testing.assert_array_equal(bundled["generator"]["params"]["count"], np.arange(3))
    assert config.preset == "demo"


def test_keeps_the_bits_of_bfloat16():
    values = np.float32([0.0, -1.0, 1 + 2**-7, 1 + 2**-8 + 2**-12, 3e-6])
    found = make.halved({"a": {"b": values}})["a"]["b"]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found[:4], [0.0, -1.0, 1 + 2**-7, 1 + 2**-7])
    assert found[4] == np.float16(3e-6)  # subnormal: as near as half precision comes


def test_refuses_what_half_precision_cannot_hold():
    with pytest.raises(UserError, match="psp/kernel"):
        make.halved({"psp": {"kernel": np.float32([1e6])}})


def test_too_large_a_bundle_replaces_nothing(run, tmp_path, monkeypatch):
    make.make(run, tmp_path / "bundle")
    before = {p: p.read_bytes() for p in (tmp_path / "bundle").rglob("*") if p.is_file()}
    (run / "psp/finished.json").write_text("{}")
    monkeypatch.setattr(make, "MAX_MEGABYTES", 1e-3)
    with pytest.raises(UserError, match="expected at most"):
        make.make(run, tmp_path / "bundle")
    assert {p: p.read_bytes() for p in (tmp_path / "bundle").rglob("*") if p.is_file()} == before
    assert os.listdir(tmp_path / "bundle") == ["demo"]


def test_stages_that_the_run_took_from_the_bundle_are_kept(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    old = tmp_path / "bundle/demo"
    before = (old / "arcface/weights.npz").read_bytes()
    frozen = {"arcface": digest(load_weights(old / "arcface")[0])}
    shutil.rmtree(run / "arcface")
    for other in ("stylegan3", "styletalker"):
        (run / other / "finished.json").unlink()
    (run / "psp/finished.json").write_text(json.dumps({"num_steps": 6, "frozen": frozen}))
    card = make.make(run, tmp_path / "bundle", note="by hand")
    assert list(card["stages"]) == ["arcface", "psp"]
    assert card["stages"]["arcface"]["eval/loss"] == 1.0
    assert card["note"] == "by hand"
    assert (old / "arcface/weights.npz").read_bytes() == before
    # Trained on others: nothing is replaced.
    (run / "psp/finished.json").write_text('{"num_steps": 6, "frozen": {"arcface": "0"}}')
    with pytest.raises(UserError, match="psp was trained on other weights of arcface"):
        make.make(run, tmp_path / "bundle")
    assert sorted(os.listdir(old)) == ["arcface", "card.json", "psp"]


def test_stages_that_are_nowhere_are_missed(run, tmp_path):
    trained_on(run / "styletalker", syncnet="0")
    with pytest.raises(UserError, match="found no weights of syncnet, which the run was trained"):
        make.make(run, tmp_path / "bundle")


def test_stages_are_packed_with_those_that_they_were_trained_on(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    packed = tmp_path / "bundle/demo"
    # Its own weights, the discriminator among them; then their copy, as a later run finds it.
    for frozen in (run / "stylegan3/weights", packed / "stylegan3"):
        trained_on(run / "psp", arcface=digest_of(run / "arcface/weights"))
        trained_on(run / "styletalker", stylegan3=digest_of(frozen))
        make.make(run, tmp_path / "bundle")
    before = {path: path.read_bytes() for path in packed.rglob("*.*")}
    trained_on(run / "styletalker", psp=digest_of(run / "arcface/weights"))
    expected = "--workdir: .*styletalker was trained on other weights of psp .*found the digest .*"
    with pytest.raises(UserError, match=expected):
        make.make(run, tmp_path / "bundle")
    assert {path: path.read_bytes() for path in packed.rglob("*.*")} == before


def test_all_stages_must_agree_on_a_kept_one(run, tmp_path):
    make.make(run, tmp_path / "bundle")
    kept = digest_of(tmp_path / "bundle/demo/arcface")
    shutil.rmtree(run / "arcface")
    trained_on(run / "psp", arcface=kept)
    trained_on(run / "styletalker", arcface="0")
    with pytest.raises(UserError, match="styletalker was trained on other weights of arcface"):
        make.make(run, tmp_path / "bundle")


@pytest.fixture
def ablation(run, tmp_path):
    """A run without the flow, on the frozen weights of the run."""
    shutil.copytree(run / "styletalker", tmp_path / "no_flow/styletalker")
    trained_on(run / "psp")
    for stage in (run, tmp_path / "no_flow"):
        trained_on(stage / "styletalker", psp=digest_of(run / "psp/weights"))
    return tmp_path / "no_flow"


def test_ablations_come_with_the_run(run, ablation, tmp_path):
    card = make.make(run, tmp_path / "bundle", ablations={"no_flow": ablation, "no_sync": None})
    assert "no_sync" not in card["stages"]
    assert card["stages"]["no_flow"]["eval/loss"] == 1.0
    kernels = [
        load_weights(tmp_path / "bundle/demo" / name)[0]["styletalker"]["params"]["kernel"]
        for name in ("styletalker", "no_flow")
    ]
    np.testing.assert_array_equal(*kernels)
    assert list(load_weights(tmp_path / "bundle/demo/no_flow")[0]) == ["styletalker"]


def test_ablations_of_other_weights_are_refused(run, ablation, tmp_path):
    trained_on(ablation / "styletalker", psp="0")
    with pytest.raises(UserError, match=r"--no_flow: .* was trained on other weights of psp"):
        make.make(run, tmp_path / "bundle", ablations={"no_flow": ablation})
    assert not os.listdir(tmp_path / "bundle")


def test_ablations_must_be_finished(run, ablation, tmp_path):
    (ablation / "styletalker/finished.json").unlink()
    with pytest.raises(UserError, match="--no_flow: found no finished styletalker"):
        make.make(run, tmp_path / "bundle", ablations={"no_flow": ablation})
    assert not (tmp_path / "bundle").exists()


@pytest.fixture
def report(run, tmp_path):
    """A function that writes the report of a model of some name."""
    trained_on(run / "psp")

    def write(model, claims=tuple(CLAIMS), split="test"):
        measured = {"value": 0.7, "interval": [0.6, 0.8], "reached": True, "num_clips": 24}
        unknown = {"value": None, "interval": None, "reached": None, "num_clips": 0}
        rows = [
            {
                **{"claim": key, "name": f"of {key}", "low": 0.6, "high": None, "note": ""},
                **(unknown if key == "blinks" else measured),
                **{"protocol": "x", "interval_agrees": None if key == "blinks" else False},
            }
            for key in claims
        ]
        where = {"dataset": "heads", "split": split, "seed": 0, "num_clips": 24}
        (tmp_path / "report.json").write_text(json.dumps({"model": model, **where, "claims": rows}))
        return tmp_path / "report.json"

    return write


def test_claims_come_into_the_card(run, report, tmp_path):
    assert "claims" not in make.make(run, tmp_path / "bundle")
    model = claimed.model_name(tmp_path / "bundle/demo")
    card = make.make(run, tmp_path / "bundle", claims=report(model))
    assert card["claims"]["lips"] == {
        **{"name": "of lips", "value": 0.7, "interval": [0.6, 0.8], "bar": [0.6, None]},
        **{"reached": True, "interval_agrees": False, "num_clips": 24},
    }
    assert list(card["claims"]) == list(CLAIMS) and card["claims"]["blinks"]["reached"] is None
    assert card["claims_measured_on"]["dataset"] == "heads"
    assert json.loads((tmp_path / "bundle/demo/card.json").read_text()) == card
    assert claimed.model_name(tmp_path / "bundle/demo") == model


def test_claims_of_others_are_refused(run, report, tmp_path):
    make.make(run, tmp_path / "bundle")
    before = (tmp_path / "bundle/demo/card.json").read_bytes()
    model = claimed.model_name(tmp_path / "bundle/demo")
    for wrong, found in (
        ({"claims": ["lips"]}, "1 claims on 'test'"),
        ({"split": "train"}, "train"),
    ):
        with pytest.raises(UserError, match=f"--claims: found a report of .*{found}.* all 22 on"):
            make.make(run, tmp_path / "bundle", claims=report(model, **wrong))
    other = report("styletalker-demo-01234567")
    with pytest.raises(UserError, match="--claims: found a report of styletalker-demo-01234567"):
        make.make(run, tmp_path / "bundle", claims=other)
    (run / "psp/finished.json").unlink()
    with pytest.raises(UserError, match="--claims: found no psp in this bundle"):
        make.make(run, tmp_path / "bundle", claims=other)
    for text in ("[]", '{"metrics": []}', "no JSON", '{"model": "a", "claims": [{}]}'):
        other.write_text(text)
        with pytest.raises(UserError, match="--claims: found no report of claims"):
            make.make(run, tmp_path / "bundle", claims=other)
    with pytest.raises(UserError, match="--claims: found no report of claims"):
        make.make(run, tmp_path / "bundle", claims=tmp_path / "nowhere.json")
    assert (tmp_path / "bundle/demo/card.json").read_bytes() == before


def test_the_commit_tells_of_changes(tmp_path, monkeypatch):
    folder = tmp_path / "jaxtalk/bundle"
    files = [folder / "demo/card.json", folder / "demo/psp/weights.npz", tmp_path / "code.py"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("before")
    monkeypatch.setattr(make, "BUNDLE", folder)
    # In a hook of git these name the repository that it runs for.
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert make.commit() == "", "no repository"
    identity = ("-c", "user.name=me", "-c", "user.email=me@here")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    clean = make.commit()
    assert clean and "changes" not in clean
    (tmp_path / "new.py").write_text("not tracked")
    for file in files[:2]:
        file.write_text("made again")
    assert make.commit() == clean
    files[2].write_text("after")
    assert make.commit() == f"{clean} + changes"


def test_no_finished_stage(tmp_path):
    with pytest.raises(UserError, match="no finished stage"):
        make.make(tmp_path, tmp_path / "bundle")
