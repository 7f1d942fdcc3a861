import time
import types

import numpy as np
import pytest

from configs import styletalker
from jaxtalk.benchmarks import clips, decoding
from jaxtalk.media.image import decode_jpeg
from jaxtalk.media.video import decode_frames, num_frames


def row(part, per_core_s, **values):
    return {"part": part, "preset": "demo", "px": 64, "per_core_s": per_core_s, **values}


ROWS = [
    *(row("jpeg window", 5000.0), row("jpeg clip", 6000.0), row("jpeg loader", 200.0)),
    *(row("mp4 window", 700.0), row("mp4 clip", 2000.0), row("mp4 loader", 80.0)),
]
RATES = (
    "64 px, a second of a core: 5,000 frames of JPEG and 700 of mp4 in windows of 5, 6,000 and "
    "2,000 in whole clips; 200.0 and 80.0 examples of the loader"
)


def notes(rows, steps_per_s=None):
    configs = {"demo": styletalker.get_config("demo").styletalker}
    return decoding.decoding_notes(rows, configs, steps_per_s)


def test_what_training_needs():
    assert notes(ROWS) == [RATES]
    # 10 steps of 4 windows of 5 frames.
    needs = "training (demo) at 10 steps/s of 4 takes 200 frames/s: 0.2 cores with JPEG, 0.5 with"
    assert notes(ROWS, 10.0) == [RATES, f"{needs} mp4"]
    step = {"part": "train_step", "preset": "demo", "batch": 2, "ms": 500.0, "per_s": 4.0}
    needs = "training (demo) at the step measured here, 2 steps/s of 2 takes 20 frames/s: 0.02"
    assert notes([step, *ROWS]) == [RATES, f"{needs} cores with JPEG, 0.05 with mp4"]
    assert notes([{**step, "preset": "paper"}, *ROWS]) == [RATES]
    assert notes([step]) == []


def test_time_of_a_core_and_time_that_passes(monkeypatch):
    """Two threads at work, and a call that takes a sixteenth of a second."""
    calls = []
    clock = types.SimpleNamespace(
        perf_counter=lambda: len(calls) / 16, process_time=lambda: len(calls) / 8
    )
    monkeypatch.setattr(decoding, "time", clock)
    runs = decoding.time_calls(lambda: calls.append(None), repeats=3)
    assert runs == [(1 / 16, 1 / 8)] * 3
    assert len(calls) == 3 + 3 * 4  # warm-up, then as many as take 0.2 s
    assert decoding.figures([(0.05, 0.1), (0.04, 0.1), (0.08, 0.2)], 8) == {
        "dtype": "uint8",
        "batch": 8,
        "ms": pytest.approx(50),
        "fastest_ms": pytest.approx(40),
        "per_s": pytest.approx(160),
        "per_core_s": pytest.approx(80),
    }


def test_sleep_takes_no_core(monkeypatch):
    monkeypatch.setattr(decoding, "_MIN_S", 0.05)
    ((wall_s, cpu_s),) = decoding.time_calls(lambda: time.sleep(0.02), repeats=1)
    assert wall_s >= 0.02 and cpu_s < 0.01


@pytest.mark.parametrize("kind", decoding.KINDS)
def test_the_clip_is_that_of_a_corpus(kind, tmp_path):
    """Every frame is there, differs from the others, and is as large as one of a real corpus."""
    frames = clips.pictures(30, 64)
    assert frames.shape == (30, 64, 64, 3) and frames.dtype == np.uint8
    assert abs(np.diff(frames.astype(int), axis=0)).mean((1, 2, 3)).min() > 1
    video = clips.video_field(kind, frames, tmp_path)
    assert num_frames(video) == 30
    decoded = decode_frames(video, range(30)).astype(int)
    assert abs(decoded - frames).mean() < 6
    if kind == "jpeg":
        assert 2_000 < len(video[0]) < 8_000  # a drawn head of 64 px takes about 3,500
        np.testing.assert_array_equal(decode_jpeg(video[3]), decoded[3])
