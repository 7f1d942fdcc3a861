"""The bundle holds half-precision copies of a run's finished stages, and loads as float32."""

import json
import os
import shutil

import numpy as np
import pytest

from configs import styletalker
from jaxtalk.bundle import make
from jaxtalk.core.errors import UserError
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


@pytest.fixture
def ablation(run, tmp_path):
    """A run without the flow, on the frozen weights of the run."""
    shutil.copytree(run / "styletalker", tmp_path / "no_flow/styletalker")
    for stage in (run, tmp_path / "no_flow"):
        note = {"num_steps": 6, "frozen": {"psp": "a", "syncnet": "b"}}
        (stage / "styletalker/finished.json").write_text(json.dumps(note))
    for name in ("psp", "syncnet"):
        shutil.rmtree(run / name, ignore_errors=True)
    return tmp_path / "no_flow"


def test_ablations_come_with_the_run(run, ablation, tmp_path, monkeypatch):
    monkeypatch.setattr(make, "kept_stages", lambda finished, bundle: [])
    card = make.make(run, tmp_path / "bundle", ablations={"no_flow": ablation, "no_sync": None})
    assert "no_sync" not in card["stages"]
    assert card["stages"]["no_flow"]["eval/loss"] == 1.0
    kernels = [
        load_weights(tmp_path / "bundle/demo" / name)[0]["styletalker"]["params"]["kernel"]
        for name in ("styletalker", "no_flow")
    ]
    np.testing.assert_array_equal(*kernels)
    assert list(load_weights(tmp_path / "bundle/demo/no_flow")[0]) == ["styletalker"]


@pytest.mark.parametrize("frozen", [None, {"psp": "c", "syncnet": "b"}])
def test_ablations_of_other_weights_are_refused(run, ablation, tmp_path, frozen):
    note = ablation / "styletalker/finished.json"
    if frozen is None:
        note.unlink()
        expected = "--no_flow: found no finished styletalker"
    else:
        note.write_text(json.dumps({"num_steps": 6, "frozen": frozen}))
        expected = "trained on other weights of psp than the run"
    with pytest.raises(UserError, match=expected):
        make.make(run, tmp_path / "bundle", ablations={"no_flow": ablation})
    assert not (tmp_path / "bundle").exists()


def test_no_finished_stage(tmp_path):
    with pytest.raises(UserError, match="no finished stage"):
        make.make(tmp_path, tmp_path / "bundle")
