"""Reports: what was measured, what was not and why, and the test against another report."""

import csv
import json

import numpy as np
import pytest

from jaxtalk import evaluate
from jaxtalk.core.errors import UserError
from jaxtalk.metrics.frechet import frechet_distance, statistics
from jaxtalk.scoring import pictures, report, summary
from jaxtalk.scoring.observers import Observer
from jaxtalk.scoring.published import OPINIONS, TABLES
from jaxtalk.scoring.score import ROWS

PROTOCOLS = {
    "psnr": "psnr",
    "csim": "csim/procedural",
    "m_lmd": "m-lmd/px68",
    "fid": "fid/inception-tf2048",
    "diversity": "diversity/pairwise",
}
OBSERVERS = {"identity": Observer("procedural", None), "inception": Observer("", None)}
VALUES = [20.0, 30.0, 28.0, 34.0, 31.0]


def records(shift=0.0):
    return [
        {
            "clip": f"c{i}",
            "frames": 50,
            "size": [64, 64],
            "notes": ["no face in 3 of 50 frames"] if i == 2 else [],
            "values": {
                "pred": {"psnr": value + shift, "csim": 0.5 if i else "no face in 50 of 50 frames"},
                "real": {"psnr": 99.0, "csim": 0.9},
                "static": {"psnr": 15.0, "csim": 1.0},
                "wrong_audio": {},
            },
            "seconds": {"image": 2.0, "all": 4.0},
            "files": {"pred": f"p{i}", "target": f"t{i}"},
        }
        for i, value in enumerate(VALUES)
    ]


def make(shift=0.0, **values):
    rng = np.random.default_rng(0)
    found = {row: statistics(rng.standard_normal((20, 3)) + i) for i, row in enumerate(ROWS[:3])}
    arguments = {"paired": True, "more_seeds": False} | values
    made = summary.summarise(
        *(records(shift), {"bad": "the file is empty"}, found, PROTOCOLS, OBSERVERS), **arguments
    )
    of = {"title": "theirs", "command": "python -m jaxtalk.evaluate", "settings": {"pred": "x"}}
    return {**of, **made}, found


def test_means_intervals_and_rates():
    made, found = make()
    rows = made["metrics"]["psnr"]["rows"]
    assert rows["pred"]["value"] == pytest.approx(np.mean(VALUES))
    low, high = rows["pred"]["interval"]
    assert 20 < low < np.mean(VALUES) < high < 34
    assert rows["static"]["value"] == 15 and rows["wrong_audio"]["value"] is None
    assert made["num_clips"] == 5 and made["frames"] == 250
    assert made["frames_per_second"] == {"image": 25.0, "all": 12.5}
    fid = made["metrics"]["fid"]["rows"]
    assert fid["pred"]["value"] == pytest.approx(frechet_distance(found["pred"], found["real"]))
    assert fid["real"]["value"] == pytest.approx(0, abs=1e-6)
    json.dumps(made, allow_nan=False)


def test_what_was_not_measured_is_told():
    made, _ = make()
    metrics = made["metrics"]
    assert "landmarks" in metrics["m_lmd"]["not_measured"] and not metrics["m_lmd"]["rows"]
    assert "--weights landmarks=DIR" in metrics["m_lmd"]["not_measured"]
    assert metrics["csim"]["rows"]["pred"]["num_faults"] == 1
    assert metrics["csim"]["rows"]["pred"]["faults"] == {"c0": "no face in 50 of 50 frames"}
    made, _ = make(paired=False)
    assert "no ground truth" in made["metrics"]["psnr"]["not_measured"]
    for lines in (report.terminal(made), report.markdown(made).splitlines()):
        assert any("PSNR (psnr): not measured: these videos" in line for line in lines)
        assert any("bad: not scored: the file is empty" in line for line in lines)


def test_paired_test_against_a_baseline(tmp_path):
    made, _ = make(shift=2.0)
    (tmp_path / "report.json").write_text(json.dumps(make()[0]))
    baseline = summary.read_report(tmp_path)
    found = summary.compare(made, baseline)
    assert found["psnr"]["difference"] == pytest.approx(2)
    assert found["psnr"]["p_value"] == pytest.approx(2 / 2**5)  # of 32 patterns of signs, two
    assert found["csim"]["num_clips"] == 4 and found["csim"]["p_value"] == 1
    assert found["m_lmd"] == {"not_compared": "not measured in both"}
    baseline["metrics"]["psnr"]["protocol"] = "psnr/other"
    assert "psnr/other" in summary.compare(made, baseline)["psnr"]["not_compared"]
    made["baseline"] = {"title": "ours", "metrics": found}
    assert "| PSNR | 2.000 | 2.000 .. 2.000 | 0.062 | 5 |" in report.markdown(made)


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("protocol", "reconstruction", "motion"),
        ("dataset", "one", "two"),
        ("split", "test", "train"),
        ("protocol", "reconstruction", None),
    ],
)
def test_reports_of_other_clips_are_not_compared(key, value, other):
    made, baseline = make()[0], make()[0]
    summary.check_comparable(made, baseline)
    made["settings"] = {key: value}
    baseline["settings"] = {key: other} if other else {}
    with pytest.raises(UserError, match=f"--baseline: .* {key} is {other or 'that of folders'}"):
        summary.check_comparable(made, baseline)


def test_reports_of_other_targets_are_not_compared():
    made, baseline = make()[0], make()[0]
    baseline["targets"]["c3"] = "other"
    with pytest.raises(UserError, match=r"another real video in 1 of 5 clips .* such as c3"):
        summary.check_comparable(made, baseline)
    baseline = make()[0]
    baseline["metrics"] = {"psnr": baseline["metrics"]["psnr"] | {"protocol": "psnr/other"}}
    with pytest.raises(UserError, match="no metric of the same protocol in both"):
        summary.check_comparable(made, baseline)


def foreign():
    for part in ("metrics", "clips", "targets", "settings"):
        found = make()[0]
        del found[part]
        yield found
    for key in ("name", "protocol", "better", "rows"):
        found = make()[0]
        del found["metrics"]["psnr"][key]
        yield found
    for change in (
        {"rows": {"real": {}}},
        {"rows": {"pred": {"value": 1.0}}},
        {"rows": {"pred": {"value": "1", "interval": None}}},
        {"rows": {"pred": {"value": 1.0, "interval": [1]}}},
    ):
        found = make()[0]
        found["metrics"]["psnr"] |= change
        yield found
    for clip in ([], {"psnr": "20"}):
        found = make()[0]
        found["clips"]["c0"] = clip
        yield found
    yield make()[0] | {"metrics": {"psnr": 20.0}}


@pytest.mark.parametrize("found", list(foreign()))
def test_reports_of_another_form_are_refused(tmp_path, found):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(make()[0]))
    assert summary.read_report(path)["clips"]
    path.write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"--baseline: .*not in the form .*expected a report\.json"):
        summary.read_report(path)


@pytest.mark.parametrize("text", ["", "[1]", '{"claims": []}'])
def test_a_baseline_that_is_none(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"--baseline: .*expected a report\.json"):
        summary.read_report(tmp_path / "report.json")


def test_published_rows_are_marked_and_have_their_protocol():
    text = report.markdown(make()[0])
    published = [line for line in text.splitlines() if "19.72" in line]
    assert published == ["| StyleTalker (*published*) | 0.63 | 0.73 | 19.72 | 1.9 | 6.45 | 8.51 |"]
    assert "Protocol of the published rows: 256 px, 25 fps, reconstruction" in text
    ours = [line for line in text.splitlines() if "prediction (measured here)" in line]
    assert ours[0] == "| prediction (measured here) | - | - | 28.600 | - | - | - |"
    assert "| *protocol here* | `not measured` | `not measured` | `psnr` |" in text


def test_published_tables_are_whole():
    for table in TABLES:
        assert all(len(values) == len(table.columns) for _, values in table.rows), table.title
    for table in OPINIONS:
        assert all(len(values) == len(table.questions) for _, values in table.rows), table.title


def test_csv_has_every_clip(tmp_path):
    made, _ = make()
    report.write_csv(tmp_path / "per_clip.csv", records(), made["not_scored"])
    with open(tmp_path / "per_clip.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 4 + 1
    assert rows[0]["csim"] == "no face in 50 of 50 frames" and rows[4]["psnr"] == "30.0"
    assert rows[8]["notes"] == "no face in 3 of 50 frames"
    assert rows[-1]["notes"] == "not scored: the file is empty"


def test_a_plot_shows_each_clip_and_row():
    metric = make()[0]["metrics"]["psnr"]
    axis = pictures.plot(metric, VALUES).axes[0]
    dots, *means = axis.get_lines()
    np.testing.assert_array_equal(dots.get_ydata(), sorted(VALUES))
    found = {line.get_color(): line.get_ydata()[0] for line in means}
    rows = {row: values["value"] for row, values in metric["rows"].items()}
    assert {"real", "static"} <= rows.keys()
    assert found == {pictures.ROW_COLOURS[k]: v for k, v in rows.items() if v is not None}
    low, high = axis.patches[0].get_bbox().intervaly
    assert (low, high) == tuple(metric["rows"]["pred"]["interval"])


def test_best_median_and_worst():
    made, _ = make()
    clips = [type("C", (), {"name": f"c{i}"}) for i in range(5)]
    chosen = {k: c.name for k, c in pictures.chosen_clips(made, clips, "psnr").items()}
    assert chosen == {"best": "c3", "median": "c1", "worst": "c0"}
    made["metrics"]["psnr"]["better"] = "low"
    assert pictures.chosen_clips(made, clips, "psnr")["best"].name == "c0"
    # Without a value of the metric, by CSIM, which clip 0 has none of.
    assert "c0" not in {c.name for c in pictures.chosen_clips(made, clips, "m_lmd").values()}
    made["metrics"]["csim"]["rows"] = {}
    assert pictures.chosen_clips(made, clips, "m_lmd") == {}


def test_reports_side_by_side(tmp_path, capsys):
    for name, shift in (("full", 2.0), ("less", 0.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(make(shift)[0]))
    pairs = [f"{name}={tmp_path / name}" for name in ("full", "less")]
    evaluate.main(["--table", *pairs, "--out", str(tmp_path)])
    found = json.loads((tmp_path / "table.json").read_text())
    assert found["psnr"]["systems"]["full"]["p_value"] is None
    assert found["psnr"]["systems"]["less"]["p_value"] == pytest.approx(1 / 16)
    assert "m_lmd" not in found
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("| PSNR"))
    assert "30.600 (" in line and "28.600 (" in line and "p = 0.062" in line
    nothing = make()[0]
    for metric in nothing["metrics"].values():
        metric["rows"] = {}
    (tmp_path / "report.json").write_text(json.dumps(nothing))
    for first, second in ((f"none={tmp_path}", pairs[0]), (pairs[0], f"none={tmp_path}")):
        with pytest.raises(SystemExit, match=r"--table: found no metric that .* have measured by"):
            evaluate.main(["--table", first, second, "--out", str(tmp_path / "none")])
    (tmp_path / "report.json").write_text(
        json.dumps(nothing | {"settings": {"protocol": "motion"}})
    )
    with pytest.raises(SystemExit, match=r"--table other: .* protocol is motion"):
        evaluate.main(["--table", pairs[0], f"other={tmp_path}", "--out", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="--table: found 1 report, expected 2"):
        evaluate.main(["--table", pairs[0], "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"--table: .* cannot be read"):
        evaluate.main(["--table", pairs[0], "b=nowhere", "--out", str(tmp_path)])
