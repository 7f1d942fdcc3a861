"""The user study: a page that names no system, and the scores of what judges give."""

import html
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

from jaxtalk import evaluate
from jaxtalk.scoring.opinions import QUESTIONS, opinion_scores
from tests.scoring import small_clips as small


@pytest.fixture
def study(tmp_path):
    for i, system in enumerate(("ours", "theirs")):
        (tmp_path / system).mkdir()
        for j, name in enumerate("ab"):
            small.write_video(tmp_path / system / f"{name}.mp4", small.frames(3, 2 * i + j))
    folders = [f"{system}={tmp_path / system}" for system in ("ours", "theirs")]
    evaluate.main(["--mos_page", *folders, "--out", str(tmp_path / "study")])
    return tmp_path / "study"


def page_data(study):
    page = (study / "study.html").read_text()
    start = page.index('type="application/json">') + len('type="application/json">')
    return page, json.loads(page[start : page.index("</script>", start)])


def test_the_page_is_blind_and_whole(study):
    page, data = page_data(study)
    key = json.loads((study / "key.json").read_text())
    assert data["id"] == key["id"] and data["questions"] == list(QUESTIONS)
    assert {video["id"] for video in data["videos"]} == set(key["videos"])
    pairs = {(v["system"], v["clip"]) for v in key["videos"].values()}
    assert pairs == {(s, c) for s in ("ours", "theirs") for c in "ab"}
    assert "ours" not in page.replace("yours", "") and "theirs" not in page
    assert "http" not in page and all(v["src"].startswith("data:video/mp4") for v in data["videos"])
    assert len({video["src"] for video in data["videos"]}) == 4


def write_ratings(folder, name, stars, **changes):
    """A judge who gives each system the same number everywhere."""
    key = json.loads((folder / "key.json").read_text())
    ratings = [
        {"video": video, **dict.fromkeys(QUESTIONS, stars[own["system"]])}
        for video, own in key["videos"].items()
    ]
    path = folder / f"{name}.json"
    found = {"study": key["id"], "judge": name, "ratings": ratings} | changes
    path.write_text(json.dumps(found))
    return str(path)


def test_scores_of_judges(study, capsys):
    files = [
        write_ratings(study, f"judge{i}", {"ours": ours, "theirs": 2})
        for i, ours in enumerate((3, 4, 5, 4))
    ]
    evaluate.main(["--mos", *files, "--out", str(study)])
    found = json.loads((study / "mos.json").read_text())
    ours = found["ours"]["video realness"]
    assert (ours["mean"], ours["num_ratings"], ours["num_judges"]) == (4, 8, 4)
    assert 3 <= ours["interval"][0] < 4 < ours["interval"][1] <= 5
    assert found["theirs"]["lip sync accuracy"]["interval"] == [2, 2]
    text = capsys.readouterr().out
    assert "| theirs | 2.00 (2.00 .. 2.00) |" in text
    assert "| StyleTalker, from audio (*published*) | 4.06 ± 0.22 | 3.47 ± 0.31 |" in text


def test_the_interval_is_over_judges_not_over_ratings():
    videos = {str(i): {"system": "s", "clip": str(i)} for i in range(50)}
    rng = np.random.default_rng(0)
    results = {
        str(judge): [{"video": v, **dict.fromkeys(QUESTIONS, level)} for v in videos]
        for judge, level in enumerate(rng.integers(1, 6, 6).tolist())
    }
    low, high = opinion_scores(results, videos)["s"][QUESTIONS[0]]["interval"]
    assert high - low > 1.5
    one = opinion_scores({"0": results["0"]}, videos)["s"][QUESTIONS[0]]
    assert one["interval"] is None and one["num_judges"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "other"}, "is of the study other, expected"),
        ({"ratings": []}, "has no judge or no ratings"),
        ({"ratings": [{"video": "x"}]}, "found the video 'x'"),
        ({"ratings": None, "judge": 3}, "has no judge"),
    ],
)
def test_wrong_files_of_ratings(study, changes, message):
    path = write_ratings(study, "judge", {"ours": 1, "theirs": 1}, **changes)
    with pytest.raises(SystemExit, match=message):
        evaluate.main(["--mos", path, "--out", str(study)])


def test_wrong_ratings_and_double_judges(study):
    path = write_ratings(study, "judge", {"ours": 6, "theirs": 1})
    with pytest.raises(SystemExit, match="found 6 for lip sync accuracy"):
        evaluate.main(["--mos", path, "--out", str(study)])
    for stars in (True, 4.0, "4"):
        path = write_ratings(study, "judge", {"ours": stars, "theirs": 1})
        with pytest.raises(SystemExit, match=f"found {stars!r} for lip sync accuracy"):
            evaluate.main(["--mos", path, "--out", str(study)])
    path = write_ratings(study, "judge", {"ours": 5, "theirs": 1})
    twice = json.loads(pathlib.Path(path).read_text())["ratings"]
    again = write_ratings(study, "again", {"ours": 5, "theirs": 1}, ratings=[*twice, twice[0]])
    with pytest.raises(SystemExit, match=f"found two ratings of {twice[0]['video']}, expected one"):
        evaluate.main(["--mos", again, "--out", str(study)])
    path = write_ratings(study, "judge", {"ours": 5, "theirs": 1})
    with pytest.raises(SystemExit, match="of a judge whose ratings are there already"):
        evaluate.main(["--mos", path, path, "--out", str(study)])
    with pytest.raises(SystemExit, match=r"key\.json cannot be read"):
        evaluate.main(["--mos", path, "--out", str(study / "nowhere")])


def test_wrong_folders(study, tmp_path):
    with pytest.raises(SystemExit, match="found 'ours', expected NAME=DIR"):
        evaluate.main(["--mos_page", "ours", "--out", str(study)])
    small.write_video(tmp_path / "ours" / "c.mp4", small.frames(3))
    folders = [f"{system}={tmp_path / system}" for system in ("ours", "theirs")]
    with pytest.raises(SystemExit, match=r"--theirs \(2 files\) lacks 1: c"):
        evaluate.main(["--mos_page", *folders, "--out", str(study)])


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
JUDGE = """<script>
element("begin").click();
const widths = [];
element("video").addEventListener("loadedmetadata", () => {
  widths.push(element("video").videoWidth);
  const blocked = [element("next").disabled];
  study.questions.forEach((_, q) => {
    document.querySelector(`input[name=q${q}][value="${q + 3}"]`).click();
  });
  blocked.push(element("next").disabled);
  if (String(blocked) !== "true,false") throw Error("Next: " + blocked);
  element("next").click();
  if (!element("end").hidden) {
    fetch(element("download").href).then(found => found.text()).then(text => {
      document.body.textContent = JSON.stringify({ widths, text });
    });
  }
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_judge_in_a_browser(study, tmp_path):
    page = (study / "study.html").read_text().replace("</body>", f"{JUDGE}</body>")
    judged = tmp_path / "judged.html"
    judged.write_text(page)
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}")
    done = subprocess.run(
        [CHROMIUM, *flags, "--virtual-time-budget=20000", "--dump-dom", judged.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    body = re.search(r"<body>(.*)</body>", done.stdout, re.DOTALL)
    found = json.loads(html.unescape(body[1]))
    assert found["widths"] == [small.SIZE] * 4  # each video was decoded
    ratings = json.loads(found["text"])
    key = json.loads((study / "key.json").read_text())
    assert [set(r) for r in ratings["ratings"]] == [{"video", *QUESTIONS}] * 4
    assert {r["video"] for r in ratings["ratings"]} == set(key["videos"])
    (tmp_path / "ratings.json").write_text(found["text"])
    evaluate.main(["--mos", str(tmp_path / "ratings.json"), "--out", str(study)])
    scores = json.loads((study / "mos.json").read_text())
    assert [scores["ours"][q]["mean"] for q in QUESTIONS] == [3, 4, 5]
