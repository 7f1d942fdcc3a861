"""The rows of the report: what is reached, what is not, what was not measured."""

import json

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation import report
from jaxtalk.evaluation.claims import CLAIMS

COMPARED = {name: UserError("not scored") for name in ("real", "reconstructed", "static")}


def values(*numbers, **others):
    """One clip for each number; all claims here judge the video "speech"."""
    return [{"speech": np.float64(n), **COMPARED, **others} for n in numbers]


def line(key, found, **more):
    return report.cells(report.summarise(key, found, **more))


def test_a_bar_that_is_reached_and_one_that_is_not():
    good = report.summarise("lips", values(0.7, 0.8, 0.9))
    assert (good["value"], good["reached"]) == (pytest.approx(0.8), True)
    assert 0.5 < good["interval"][0] < 0.8 < good["interval"][1] < 1.1
    bad = report.summarise("lips", values(0.2, 0.3, 0.4))
    assert (bad["value"], bad["reached"]) == (pytest.approx(0.3), False)
    assert report.cells(good)[1:3] == [">= 0.6", "0.8"]
    assert [report.cells(row)[5] for row in (good, bad)] == ["yes", "NO"]


@pytest.mark.parametrize(
    ("key", "numbers", "reached", "agrees", "text"),
    [
        ("lips", (0.7, 0.8, 0.9), True, True, "yes"),
        ("lips", (0.3, 0.7, 0.9), True, False, "yes, unsure"),
        ("lips", (0.3, 0.5, 0.9), False, False, "NO, unsure"),
        ("lips", (0.3, 0.4, 0.5), False, True, "NO"),
        ("silence", (0.1, 0.2, 0.25), True, True, "yes"),
        ("silence", (0.1, 0.2, 0.5), True, False, "yes, unsure"),
        ("silence", (0.1, 0.4, 0.5), False, False, "NO, unsure"),
        ("silence", (0.4, 0.5, 0.6), False, True, "NO"),
        ("lips", (0.7,), True, None, "yes, unsure"),
    ],
)
def test_an_interval_that_crosses_the_bar(key, numbers, reached, agrees, text):
    row = report.summarise(key, values(*numbers))
    assert (row["reached"], row["interval_agrees"]) == (reached, agrees)
    assert report.cells(row)[5] == text


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ((0.9, 1.1), "yes"),
        ((0.5, 1.1), "yes, unsure"),
        ((0.9, 1.9), "yes, unsure"),
        ((0.2, 1.8), "yes, unsure"),
        ((0.3, 0.8), "NO, unsure"),
        ((1.2, 2.4), "NO, unsure"),
        ((0.1, 0.3), "NO"),
        ((2.0, 3.0), "NO"),
    ],
)
def test_an_interval_and_a_bar_of_two_sides(shares, text):
    assert line("pose_variance", values(*([share, 1.0] for share in shares)))[5] == text


def test_an_interval_that_is_wholly_beyond_the_bar_that_its_value_reaches():
    """A distance grows by chance: sets of equal means are 0 dB apart, resamples of them are not."""
    rng = np.random.default_rng(0)
    fake = np.exp(3 * rng.standard_normal((24, 15)))
    pairs = np.concatenate([fake, rng.permuted(fake, axis=0)], axis=1)
    row = report.summarise("pose_spectrum", values(*pairs))
    assert row["value"] == pytest.approx(0) and row["interval"][0] > CLAIMS["pose_spectrum"].high
    assert (row["reached"], row["interval_agrees"]) == (True, False)


def test_clips_of_a_speaker_are_drawn_together():
    """Twice the same clip tells no more than once; one that is not scored leaves its speaker."""
    numbers = [0.5, 0.7, 0.6, 0.9]
    once = report.summarise("lips", values(*numbers))
    twice = values(*[number for number in numbers for _ in range(2)])
    assert report.summarise("lips", twice, speakers=list("aabbccdd"))["interval"] == (
        pytest.approx(once["interval"])
    )
    fault = {"speech": UserError("audio: no pauses"), **COMPARED}
    less = report.summarise("lips", [fault, *twice[1:]], speakers=list("aabbccdd"))
    assert less["num_clips"] == 7
    assert less["interval"] == pytest.approx(once["interval"], abs=0.02)
    alone = report.summarise("lips", values(0.7, 0.8), speakers=["a", "a"])
    assert (alone["interval"], alone["interval_agrees"]) == (None, None)


@pytest.mark.parametrize(
    ("share", "reached"), [(0.5, False), (0.7, True), (1.4, True), (1.6, False)]
)
def test_a_factor_bounds_both_sides(share, reached):
    row = report.summarise("pose_variance", values([share, 1.0], [2 * share, 2.0]))
    assert row["value"] == pytest.approx(share) and row["reached"] is reached
    assert report.bar(row) == "0.67 .. 1.50"


def test_at_most():
    assert report.summarise("silence", values(0.2, 0.25))["reached"]
    assert not report.summarise("silence", values(0.2, 0.45))["reached"]
    assert line("silence", values(0.2))[1] == "<= 0.3"


def test_not_measured_says_what_it_needs():
    row = report.summarise("lips", [], "the stage landmarks, see configs/landmarks.py")
    assert row["note"] == "not measured: needs the stage landmarks, see configs/landmarks.py"
    assert row["reached"] is None and report.cells(row)[2:6] == ["-", "-", "0", "-"]


def test_clips_without_a_value_are_counted():
    found = [*values(0.1, 0.2), {"speech": UserError("audio: no pauses"), **COMPARED}]
    row = report.summarise("silence", found)
    assert (row["num_clips"], row["not_scored"], row["value"]) == (2, 1, pytest.approx(0.15))
    assert row["note"] == "1 of 3 clips not scored: audio: no pauses"
    none = report.summarise("silence", found[2:])
    assert none["value"] is None and none["reached"] is None


def test_a_few_clips_do_not_speak_for_the_rest():
    fault = {"speech": UserError("audio: no pauses"), **COMPARED}
    few = report.summarise("silence", [*values(0.1), fault, fault])
    assert (few["num_clips"], few["not_scored"]) == (1, 2)
    assert [few[k] for k in ("value", "interval", "reached", "interval_agrees")] == [None] * 4
    assert few["note"] == (
        "not measured: at least half of the clips are needed; "
        "2 of 3 clips not scored: audio: no pauses"
    )
    assert report.cells(few)[2:6] == ["-", "-", "1", "-"]
    half = report.summarise("silence", [*values(0.1, 0.2), fault, fault])
    assert half["reached"] and half["note"] == "2 of 4 clips not scored: audio: no pauses"
    assert report.summarise("silence", [])["note"].endswith("are needed; there are none")


def test_no_ground_truth_to_compare_with():
    row = report.summarise("blinks", values([15.0, 0.0], [0.0, 0.0]))
    assert row["value"] is None and "nothing to compare with" in row["note"]
    seldom = report.summarise("blinks", values([15.0, 0.0], [0.0, 15.0]))
    assert seldom["value"] == 1 and seldom["interval"] is None


def test_comparisons():
    row = report.summarise("lips", values(0.7, 0.8, real=np.float64(0.9), static=np.float64(0)))
    assert row["comparisons"] == {"real": pytest.approx(0.9), "static": 0.0} and row["note"] == ""
    assert report.cells(row)[6:9] == ["0.9", "-", "0"]
    poor = report.summarise("lips", values(0.7, real=np.float64(0.1)))
    assert poor["note"] == "real videos do not reach this bar either"
    yaw = {"motion": np.float64(0.8), "source": np.float64(0.95), "static": np.float64(0)}
    assert line("yaw", [yaw])[6:9] == ["0.95", "-", "0"]


def test_written_report(tmp_path):
    found = {
        **{"model": "styletalker-x", "dataset": "tiny", "split": "test", "seed": 0},
        **{
            "num_clips": 2,
            "num_speakers": 1,
            "seconds": 1.5,
            "command": "python -m jaxtalk.evaluate",
        },
        "claims": [
            report.summarise("lips", values(0.2, 0.3)),
            report.summarise("csim", [], "the stage arcface"),
        ],
    }
    report.write(tmp_path, found)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == found
    lines = (tmp_path / "report.md").read_text().splitlines()
    rows = [row for row in lines if row.startswith("|")]
    assert len(rows) == 4 and all(row.count("|") == 11 for row in rows)
    assert f"| {CLAIMS['lips'].name} | >= 0.6 | 0.25 |" in rows[2] and "| NO |" in rows[2]
    assert lines[-1] == f"- {CLAIMS['csim'].name}: not measured: needs the stage arcface"
    assert any(report.UNSURE in row for row in lines if not row.startswith("|"))
    terminal = report.table(found)
    assert len(terminal) == 5 and terminal[3] == report.UNSURE
    assert terminal[1].startswith(CLAIMS["lips"].name)
