"""The command from a corpus and a checkpoint on disk to the report, and what it refuses."""

import json

import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxtalk import evaluate
from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.evaluation.clips import NUM_SEEDS, read_source, seed_of
from jaxtalk.media.audio import num_video_frames
from jaxtalk.metrics import image
from jaxtalk.scoring import protocols
from jaxtalk.talker import Talker
from tests import tiny_corpus, tiny_stages, tiny_talker


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a work directory and a corpus of three test clips of 54 to 62 frames."""
    folder = tmp_path_factory.mktemp("evaluate")
    tiny_talker.save(folder / "run")
    tiny_stages.save(folder / "run")
    tiny_corpus.build_tiny_corpus(folder / "corpus", num_frames=54)
    return folder


@pytest.fixture
def loaded(monkeypatch):
    """Commands take the one model that is compiled already."""
    monkeypatch.setattr(Talker, "load", lambda checkpoint: tiny_talker.loaded())


def run(files, out, *flags, protocols=(), **options):
    usual = {
        "checkpoint": files / "run",
        "dataset": tiny_corpus.NAME,
        "data_dir": files / "corpus",
        "out": out,
    }
    named = [f"--{name}={value}" for name, value in (usual | options).items()]
    evaluate.main([*named, "--protocols", *protocols, *flags])
    return json.loads((out / "report.json").read_text())


def test_all_claims(files, loaded, tmp_path, capsys):
    run_dir = str(files / "run")
    found = run(files, tmp_path, limit=2, no_flow=run_dir, no_sync=run_dir)
    rows = {row["claim"]: row for row in found["claims"]}
    assert list(rows) == list(CLAIMS) and found["num_clips"] == 2
    said = capsys.readouterr()
    assert "clip 2 of 2" in said.err
    assert all(row["name"] in said.out for row in rows.values())
    assert all(np.isfinite(row["value"]) for row in rows.values() if row["value"] is not None)
    for key in ("sync_offset", "sync_recall", "psnr", "lse_c", "lips", "yaw", "csim", "smoothness"):
        assert rows[key]["num_clips"] == 2 and rows[key]["reached"] in (True, False), key
    # Weights are random: nothing follows anything.
    assert not rows["psnr"]["reached"] and "NO" in said.out
    assert not rows["lips"]["reached"]
    assert rows["seeds"]["value"] == 1
    # The same checkpoint and seed as with the sync loss: the same frames.
    assert rows["sync_loss"]["value"] == 0
    # Spectra take 64 frames, which no clip has.
    assert rows["pose_spectrum"]["not_scored"] == 2
    assert "expected at least 64" in rows["pose_spectrum"]["note"]
    assert "not_scored" not in (tmp_path / "report.md").read_text()


def test_protocols_are_scored_beside_the_claims(files, loaded, tmp_path, capsys):
    metrics = ("psnr", "csim", "lse_c", "m_lmd", "diversity", "fid")
    flags = ("--claims", "psnr", "--metrics", *metrics)
    names = ("reconstruction", "cross_identity", "motion")
    run(files, tmp_path, *flags, protocols=names, limit=2)
    found = {n: json.loads((tmp_path / n / "report.json").read_text()) for n in names}
    measured = {
        name: {key for key, metric in report["metrics"].items() if metric["rows"]}
        for name, report in found.items()
    }
    assert measured == {
        "reconstruction": {"psnr", "csim", "lse_c", "m_lmd"},
        "cross_identity": {"csim", "lse_c", "diversity"},
        "motion": {"csim", "lse_c"},
    }
    rows = found["reconstruction"]["metrics"]["psnr"]["rows"]
    assert rows["real"]["value"] == 99 and rows["pred"]["value"] < 30
    # The same frames, whoever asks for them.
    talker, corpus = tiny_talker.loaded(), open_corpus(dataset(files), "test")
    own = read_source(corpus[0], tiny_talker.IMAGE_SIZE)
    frames = np.concatenate(list(talker.generate(own.frames[0], own.audio, motion=own.frames)))
    expected = np.mean(image.psnr(frames[: len(own.frames)], own.frames))
    value = found["reconstruction"]["clips"]["00000"]["psnr"]
    assert value == pytest.approx(float(expected), rel=1e-4)
    # Speech of another clip is what cross-identity hears.
    clip = protocols.protocol_clips("cross_identity", talker, corpus)[0]
    np.testing.assert_array_equal(clip.audio(), corpus[1]["audio"])
    assert len(list(clip.pred())) == num_video_frames(len(corpus[1]["audio"]))
    assert (tmp_path / "motion" / "clips").is_dir()


def test_baselines_of_protocols(files, loaded, tmp_path, capsys):
    flags = ("--claims", "psnr", "--metrics", "csim")
    names = ("reconstruction", "motion")
    run(files, tmp_path / "one", *flags, protocols=names, limit=2)

    def compared(*names, **options):
        run(files, tmp_path / "two", *flags, protocols=names, limit=2, **options)
        reports = {n: json.loads((tmp_path / "two" / n / "report.json").read_text()) for n in names}
        found = {n: report["baseline"]["metrics"] for n, report in reports.items()}
        assert all(metrics["csim"]["difference"] == 0 for metrics in found.values())
        return reports

    reports = compared(*names, baseline=tmp_path / "one")
    assert reports["motion"]["settings"]["protocol"] == "motion"
    assert "motion on" in reports["motion"]["baseline"]["title"]
    compared("motion", baseline=tmp_path / "one" / "motion")
    compared("motion", baseline=tmp_path / "one" / "motion" / "report.json")
    capsys.readouterr()
    with pytest.raises(KeyError, match="baseline"):  # of the other protocol
        compared(*names, baseline=tmp_path / "one" / "motion")
    assert "found no report of reconstruction, which is not compared" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--baseline: found a report of motion in"):
        compared("reconstruction", baseline=tmp_path / "one" / "motion")


def test_no_two_videos_share_their_noise(files, loaded, tmp_path, monkeypatch):
    seeds, generate = [], Talker.generate

    def recorded(self, *inputs, seed, **options):
        seeds.append(seed)
        return generate(self, *inputs, seed=seed, **options)

    monkeypatch.setattr(Talker, "generate", recorded)
    run(files, tmp_path, "--claims", "seeds", protocols=("cross_identity",), limit=2)
    claims, scores = sorted(seeds[:6]), set(seeds[6:])
    assert claims == list(range(6)) and scores == set(claims)


def test_no_seed_is_beyond_the_largest():
    first = 2**32 - NUM_SEEDS  # the largest that the first clip can have
    seeds = [seed_of(first, i) + shift for i in range(9) for shift in range(NUM_SEEDS)]
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 0 and max(seeds) == 2**32 - 1


def dataset(files):
    return ConfigDict({"name": tiny_corpus.NAME, "data_dir": str(files / "corpus")})


def test_chosen_claims_make_only_what_they_need(files, loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(Talker, "generate", None)  # not called
    found = run(files, tmp_path, "--claims", "psnr", "flow_blinks")
    assert [row["claim"] for row in found["claims"]] == ["psnr", "flow_blinks"]
    assert found["claims"][0]["num_clips"] == 3
    assert found["claims"][1]["note"].startswith("not measured: needs --no_flow")


@pytest.mark.parametrize(
    ("options", "flags", "message"),
    [
        ({"checkpoint": "nowhere"}, (), "checkpoint: found no weights"),
        ({"dataset": "tiny_heads/other"}, (), "found no corpus tiny_heads/other"),
        ({"split": "holdout"}, (), "split: found 'holdout', expected one of"),
        ({"split": "test[:1]"}, (), "--split: found a single speaker"),
        ({"landmarks": "nowhere"}, (), "--landmarks: found no weights"),
        ({"limit": 0}, (), "--limit: found 0"),
        ({}, ("--claims", "beauty"), "invalid choice: 'beauty'"),
        ({"pred": "x"}, (), "found --pred and --checkpoint, expected one of"),
        ({"audio": "x"}, (), "--audio: found it beside --checkpoint, expected it beside --pred"),
        ({"baseline": "x"}, (), "--baseline: found no --protocols to compare"),
    ],
)
def test_faults_are_one_line(files, tmp_path, options, flags, message):
    with pytest.raises(SystemExit) as stopped:
        run(files, tmp_path, *flags, **options)
    assert message in str(stopped.value) and "\n" not in str(stopped.value)
    assert not (tmp_path / "report.json").exists()
