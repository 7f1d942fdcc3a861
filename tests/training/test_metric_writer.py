import builtins
import json

import numpy as np
import pytest

from jaxtalk.training import metric_writer
from jaxtalk.training.metric_writer import MetricWriter, contact_sheet, grid, progress


def test_interrupted_log_goes_on_without_repeats(tmp_path):
    with MetricWriter(tmp_path) as writer:
        for step in (1, 2, 3):
            writer.scalars(step, {"train/loss": np.float32(step) / 4})
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 3, "eval/lo')  # cut off
    with MetricWriter(tmp_path, 2) as writer:
        writer.scalars(3, {"train/loss": 9.0})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"step": 1, "train/loss": 0.25},
        {"step": 2, "train/loss": 0.5},
        {"step": 3, "train/loss": 9.0},
    ]


def test_without_tensorboard(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboardX")
    with MetricWriter(tmp_path / "with") as writer:
        writer.scalars(1, {"a": 1.0})
    assert list((tmp_path / "with/tensorboard").glob("events*"))

    real_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "tensorboardX":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with MetricWriter(tmp_path / "without") as writer:
        writer.scalars(1, {"a": 1.0})
    assert capsys.readouterr().out.count("pip install tensorboardX") == 1
    assert not (tmp_path / "without/tensorboard").exists()


def test_grid():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    picture = grid(images + 1)
    np.testing.assert_array_equal(picture[::2, ::3, 0], [[1, 2, 3], [4, 5, 0]])
    assert picture.shape == (4, 9, 3)


def test_contact_sheet_shows_first_and_last_frame():
    number = np.arange(2 * 30, dtype=np.uint8).reshape(2, 30, 1, 1, 1)
    picture = contact_sheet(number * np.ones((1, 1, 2, 2, 3), np.uint8))
    assert picture.shape == (2 * 2, metric_writer.MAX_FRAMES * 2, 3)
    rows = picture[::2, ::2, 0]
    assert rows[0, 0] == 0 and rows[0, -1] == 29 and rows[1, 0] == 30 and rows[1, -1] == 59
    assert set(np.diff(rows[0]).tolist()) <= {2, 3}


def test_progress():
    line = progress(120, 1000, 3.1, {"loss": 0.12345})
    assert line == "120/1000  12 %  3.10 steps/s  0:04:44 left  loss 0.1235"
    assert progress(1, 3, 0.0, {"loss": 1.0}) == "1/3  33 %  loss 1"
