"""The page of pictures and videos, of a model with random weights."""

import json

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation import showcase
from jaxtalk.media.video import read_video
from tests import tiny_corpus, tiny_talker


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    workdir = tiny_talker.save(folder / "run")
    dataset = tiny_corpus.build_tiny_corpus(folder / "data", image_size=32)
    stage = folder / "run/psp"
    stage.mkdir()
    rows = [{"step": 0, "eval/l2": 2.0}, {"step": 1, "train/l2": 1}, {"step": 2, "eval/l2": 1.0}]
    (stage / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--checkpoint", str(workdir), "--dataset", dataset["name"]]
    arguments += ["--data_dir", dataset["data_dir"], "--index", "1"]
    return folder, arguments


def test_page_shows_all_that_it_promises(page):
    folder, arguments = page
    out = folder / "out"
    (out / "claims").mkdir(parents=True)
    for name in ("claims/report.md", "notes.md"):
        (out / name).write_text("written by hand, or by jaxtalk.evaluate")
    ablation = ["--no_flow", arguments[1], "--runs", str(folder / "run")]
    showcase.main([*arguments, *ablation, "--out", str(out)])
    text = (out / "README.md").read_text()
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.*")} - {"README.md"}
    assert {name for name in files if f"({name})" in text} == files
    assert files == {
        *(
            f"{name}.{kind}"
            for name in ("speech", "motion", "ablations")
            for kind in ("png", "mp4")
        ),
        *("portrait.png", "walk.png", "curves_psp.png", "claims/report.md", "notes.md"),
    }
    side = 2 * tiny_talker.IMAGE_SIZE
    with Image.open(out / "speech.png") as sheet:
        assert sheet.size == (10 * side, 5 * side)
        rows = np.asarray(sheet, int).reshape(5, side, -1, 3)
    assert np.abs(rows[2] - rows[3]).mean() > 0.1  # seeds differ
    with Image.open(out / "walk.png") as sheet:
        assert sheet.size == (5 * side, 3 * side)
        cells = np.asarray(sheet, int).reshape(3, side, 5, side, 3)
    # Without noise all seeds agree.
    assert np.array_equal(cells[0, :, 0], cells[1, :, 0])
    assert not np.array_equal(cells[0, :, -1], cells[1, :, -1])
    frames = list(read_video(out / "speech.mp4"))
    dataset = ConfigDict({"name": arguments[3], "data_dir": arguments[5]})
    assert len(frames) == len(open_corpus(dataset, "test")[1]["video"])
    assert frames[0].shape == (side, 5 * side, 3)


def test_curves_are_of_the_first_run_that_has_them(tmp_path, monkeypatch):
    """And not of one whose values are no curve yet."""
    for name, value, count in [
        *(("full/psp", 1.0, 2), ("full/syncnet", 2.0, 1)),
        *(("a_scratch/arcface", 3.0, 2), ("a_scratch/psp", 4.0, 2), ("a_scratch/syncnet", 5.0, 2)),
    ]:
        (tmp_path / name).mkdir(parents=True)
        rows = [json.dumps({"step": step, "eval/l2": value}) for step in range(count)]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(rows))
    drawn = []
    monkeypatch.setattr(
        showcase,
        "write_curves",
        lambda path, stage, rows: drawn.append((stage, rows[0]["eval/l2"])),
    )
    showcase.curves(tmp_path, [str(tmp_path / name) for name in ("full", "a_scratch")])
    assert drawn == [("arcface", 3.0), ("psp", 1.0), ("syncnet", 5.0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--index", "9"], "--index: found 9, expected 0 to 2 in 'test'"),
        (["--runs", "nowhere"], "--runs: found no metrics.jsonl of a stage in nowhere"),
    ],
)
def test_faults_are_named_and_nothing_is_left(page, change, message):
    folder, arguments = page
    out = folder / f"faulty{change[0]}"
    with pytest.raises(SystemExit, match=message):
        showcase.main([*arguments, *change, "--out", str(out)])
    assert not out.exists() or not list(out.iterdir())
