"""The command on folders of videos, from the files to the report, through a kill."""

import functools
import json
import shutil

import av
import numpy as np
import pytest

from jaxtalk import evaluate
from jaxtalk.media.video_writer import VideoWriter
from jaxtalk.scoring import command as commands
from jaxtalk.scoring import run as runner
from jaxtalk.scoring.observers import load_observers
from tests import tiny_stages
from tests.scoring import small_clips as small

METRICS = ("psnr", "ssim", "csim", "m_lmd", "jerk", "lse_c", "fid", "ms_ssim")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Predictions and targets of four clips of 30 frames, and small networks."""
    folder = tmp_path_factory.mktemp("videos")
    tiny_stages.save(folder / "stages")
    rng = np.random.default_rng(0)
    for side in ("pred", "target"):
        (folder / side).mkdir()
    for i in range(4):
        real = np.repeat(np.repeat(small.frames(30, i, 8), 4, axis=1), 4, axis=2)
        noise = rng.normal(0, 4 + 12 * i, real.shape)
        fake = np.clip(real + noise, 0, 255).astype(np.uint8)
        for side, images in (("target", real), ("pred", fake)):
            path = folder / side / f"clip{i}.mp4"
            with VideoWriter(path, audio=small.sound(30)) as writer:
                for image in images:
                    writer.write(image)
    return folder


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    """Commands share the networks of the first one."""
    monkeypatch.setattr(commands, "load_observers", loaded)


@functools.cache
def loaded_once(weights):
    return load_observers(dict(weights), stand_ins=None)


def loaded(weights, *, families, **others):
    found = loaded_once(tuple(weights.items()))
    return {family: found[family] for family in families if family in found}


def command(folder, out, *flags, **options):
    stages = ("landmarks", "syncnet", "arcface")
    weights = [f"{stage}={folder / 'stages' / stage / 'weights'}" for stage in stages]
    usual = {"pred": folder / "pred", "target": folder / "target", "out": out, "stand_ins": "none"}
    named = [f"--{name}={value}" for name, value in (usual | options).items()]
    evaluate.main([*named, "--weights", *weights, "--metrics", *METRICS, *flags])
    return json.loads((out / "report.json").read_text())


def test_report_and_pictures(folder, tmp_path, capsys):
    found = command(folder, tmp_path, limit=3)
    metrics = found["metrics"]
    for key in ("psnr", "ssim", "csim", "m_lmd", "jerk", "lse_c"):
        row = metrics[key]["rows"]["pred"]
        assert row["num_clips"] == 3 and row["interval"][0] <= row["value"] <= row["interval"][1]
    assert metrics["fid"]["not_measured"].startswith("needs inception, see jaxtalk.convert")
    assert "expected at least 161 x 161" in metrics["ms_ssim"]["not_measured"]
    assert metrics["csim"]["protocol"] == "csim/procedural"
    assert metrics["m_lmd"]["protocol"] == "m-lmd/px68/procedural"
    clips = found["clips"]
    # More noise, lower values.
    assert clips["clip0"]["psnr"] > clips["clip1"]["psnr"] > clips["clip2"]["psnr"]
    assert metrics["psnr"]["rows"]["static"]["value"] < clips["clip2"]["psnr"]
    said = capsys.readouterr()
    assert "clip 3 of 3" in said.err and "frames/s" in said.err and "s left" in said.err
    assert "FID (fid/inception-tf2048): not measured: needs inception" in said.out
    for label in ("best", "median", "worst"):
        with av.open(str(tmp_path / "clips" / f"{label}.mp4")) as video:
            assert len(video.streams.audio) == 1 and video.streams.video[0].frames == 30
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"psnr.png", "lse_c.png"} <= names
    assert (tmp_path / "per_clip.csv").read_text().count("clip1,") == 4
    compared = command(folder, tmp_path / "again", baseline=tmp_path, limit=3)["baseline"]
    assert compared["metrics"]["psnr"]["difference"] == 0
    assert compared["metrics"]["psnr"]["p_value"] == 1


def test_what_is_finished_is_kept(folder, tmp_path, monkeypatch, capsys):
    scored, score_clip = [], runner.score_clip

    def killed(clip, *arguments, **options):
        if clip.name == "clip2":
            raise KeyboardInterrupt
        return counted(clip, *arguments, **options)

    def counted(clip, *arguments, **options):
        scored.append(clip.name)
        return score_clip(clip, *arguments, **options)

    monkeypatch.setattr(runner, "score_clip", killed)
    with pytest.raises(KeyboardInterrupt):
        command(folder, tmp_path)
    assert not (tmp_path / "report.json").exists()
    monkeypatch.setattr(runner, "score_clip", counted)
    found = command(folder, tmp_path)
    assert scored == ["clip0", "clip1", "clip2", "clip3"] and found["num_clips"] == 4
    assert "2 of 4 clips are scored already" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="the clips of a run with another pred; choose another"):
        command(folder, tmp_path, pred=folder / "target")


def test_what_has_changed_is_scored_again(folder, tmp_path, capsys):
    shutil.copytree(folder / "pred", tmp_path / "pred")
    options = {"pred": tmp_path / "pred", "out": tmp_path / "out"}
    before = command(folder, **options)["clips"]
    for name in ("clip0", "clip3"):
        shutil.copy(folder / "target" / f"{name}.mp4", tmp_path / "pred" / f"{name}.mp4")
    capsys.readouterr()
    after = command(folder, **options)["clips"]
    assert "2 of 4 clips are scored already" in capsys.readouterr().err
    assert after["clip0"]["psnr"] == after["clip3"]["psnr"] == 99 > before["clip0"]["psnr"]
    assert list(after) == list(before)
    assert {name: after[name] for name in ("clip1", "clip2")} == {
        name: before[name] for name in ("clip1", "clip2")
    }


def test_other_networks_do_not_go_on(folder, tmp_path, monkeypatch):
    command(folder, tmp_path)
    load = commands.load_observers

    def trained_on(*arguments, **options):
        found = load(*arguments, **options)
        return found | {"landmarks": found["landmarks"]._replace(weights="others")}

    monkeypatch.setattr(commands, "load_observers", trained_on)
    with pytest.raises(SystemExit, match="the clips of a run with another weights; choose"):
        command(folder, tmp_path)


def test_a_baseline_on_other_clips_is_refused_before_anything_is_scored(
    folder, tmp_path, monkeypatch
):
    command(folder, tmp_path / "ours", limit=2)
    found = json.loads((tmp_path / "ours" / "report.json").read_text())
    assert found["settings"]["target"] == str(folder / "target")
    monkeypatch.setattr(runner, "score_clip", None)
    swapped = {"target": folder / "pred", "baseline": tmp_path / "ours", "limit": 2}
    with pytest.raises(SystemExit, match="--baseline: found another real video in 2 of 2 clips"):
        command(folder, tmp_path / "others", **swapped)
    assert not (tmp_path / "others" / "report.json").exists()


def test_one_bad_clip_does_not_end_it(folder, tmp_path, monkeypatch):
    score_clip = runner.score_clip

    def broken(clip, *arguments, **options):
        if clip.name == "clip1":
            raise ZeroDivisionError("by zero")
        return score_clip(clip, *arguments, **options)

    monkeypatch.setattr(runner, "score_clip", broken)
    found = command(folder, tmp_path, limit=3)
    assert found["not_scored"] == {"clip1": "ZeroDivisionError: by zero"}
    assert found["num_clips"] == 2
    assert "clip1: not scored: ZeroDivisionError" in (tmp_path / "report.md").read_text()
    with pytest.raises(SystemExit, match="none of 4 clips could be scored: clip0: Key"):
        monkeypatch.setattr(runner, "score_clip", lambda *a, **k: {}["nothing"])
        command(folder, tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pred": ""}, "found neither, expected one of"),
        ({"target": ""}, "--target: found nothing, expected it beside --pred"),
        ({"pred": "nowhere"}, "--pred: found no folder nowhere"),
        ({"limit": 0}, "--limit: found 0"),
        ({"baseline": "nowhere.json"}, "--baseline: nowhere.json cannot be read"),
        ({"rank_by": "beauty"}, "invalid choice: 'beauty'"),
        ({"claims": "psnr"}, "--claims: found it beside --pred, expected it beside --checkpoint"),
        ({"protocols": "motion"}, "--protocols: found it beside --pred"),
        ({"no_flow": "x"}, "--no_flow: found it beside --pred, expected it beside --checkpoint"),
        ({"split": "train"}, "--split: found it beside --pred"),
    ],
)
def test_faults_are_one_line(folder, tmp_path, options, message):
    if options == {"pred": ""}:
        options["target"] = ""
    with pytest.raises(SystemExit) as stopped:
        command(folder, tmp_path, **options)
    assert message in str(stopped.value) and "\n" not in str(stopped.value)
    assert not (tmp_path / "report.json").exists()


def test_weights_are_named_by_kind(folder, tmp_path):
    with pytest.raises(SystemExit, match="--weights: found 'syncnet', expected KIND=DIR"):
        command(folder, tmp_path, "--weights", "syncnet")
