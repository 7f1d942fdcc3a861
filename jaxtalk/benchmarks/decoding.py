"""Frames out of a corpus: how many a core decodes, and how many a training step takes.

Pictures of the preset's size, as JPEG of each frame and as an mp4 with a key frame each second. The
main stage reads windows that begin anywhere, encoding to style codes reads whole clips. The loader
makes the batches of the main stage, style codes and sound included.
"""

import contextlib
import statistics
import tempfile
import time

import numpy as np

from jaxtalk.benchmarks.clips import pictures, video_field, write_corpus
from jaxtalk.data.loader import make_loader
from jaxtalk.media.video import decode_frames

PART = "decoding"
KINDS = ("jpeg", "mp4")
_MIN_S = 0.2  # a run is as many calls as take this long
_WARM_UPS = 3


def decoding_rows(config, preset, *, repeats):
    """Rows of the table, one by one.

    Args:
      config: values of the main stage.
      preset: its name.
      repeats: runs of which to take the median.

    Yields:
      dicts of `part`, `preset`, `dtype`, `batch` (frames of a call, or examples of a batch of the
      loader), `ms` of a call, `fastest_ms`, `per_s` (frames or examples), `per_core_s` (the same
      for a second of processor time, whatever the number of threads), `px`, and `frames` (of a
      call).
    """
    data, size = config.data, config.model.image_size
    num_frames = data.clip_frames + 25
    frames, rng = pictures(num_frames, size), np.random.default_rng(0)
    lengths = {"window": data.window_frames, "clip": num_frames}

    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            video = video_field(kind, frames, folder)
            for name, length in lengths.items():

                def decode(video=video, length=length):
                    start = int(rng.integers(num_frames - length + 1))
                    decode_frames(video, range(start, start + length))

                runs = time_calls(decode, repeats=repeats)
                names = {"part": f"{kind} {name}", "preset": preset, "px": size, "frames": length}
                yield names | figures(runs, length)
            codes = config.model.num_ws, config.model.w_dim
            arguments = write_corpus(folder, video, num_frames, codes)
            batch = config.batch_size
            loader = make_loader(data=data, batch_size=batch, seed=0, **arguments)
            with contextlib.closing(loader):
                runs = time_calls(lambda loader=loader: next(loader), repeats=repeats)
            names = {"part": f"{kind} loader", "preset": preset, "px": size}
            yield names | {"frames": batch * data.window_frames} | figures(runs, batch)


def time_calls(call, *, repeats):
    """[(seconds, seconds of processor time)] of a call, one pair a run."""
    for _ in range(_WARM_UPS):
        call()
    runs = []
    for _ in range(repeats):
        count, start_s, start_cpu_s = 0, time.perf_counter(), time.process_time()
        while not count or time.perf_counter() - start_s < _MIN_S:
            call()
            count += 1
        spent = time.perf_counter() - start_s, time.process_time() - start_cpu_s
        runs.append(tuple(s / count for s in spent))
    return runs


def figures(runs, count):
    """What `time_calls` returned, of calls for `count` frames or examples, as part of a row."""
    wall_s, cpu_s = (statistics.median(values) for values in zip(*runs))
    return {
        "dtype": "uint8",
        "batch": count,
        "ms": 1e3 * wall_s,
        "fastest_ms": 1e3 * min(wall for wall, _ in runs),
        "per_s": count / wall_s,
        "per_core_s": count / cpu_s,
    }


def decoding_notes(rows, configs, steps_per_s=None):
    """What the rows mean for training: list of lines.

    Args:
      rows: of this run, those of other parts among them.
      configs: preset -> values of the main stage.
      steps_per_s: of training with the preset's batch; None = as measured for `train_step`, if it
        was.
    """
    found = {(row["part"], row["preset"]): row for row in rows}
    lines = []
    for preset in dict.fromkeys(row["preset"] for row in rows if row["part"] == "jpeg loader"):
        of = {
            name: [found[f"{kind} {name}", preset]["per_core_s"] for kind in KINDS]
            for name in ("window", "clip", "loader")
        }
        px, data = found["jpeg loader", preset]["px"], configs[preset].data
        lines.append(
            f"{px} px, a second of a core: {of['window'][0]:,.0f} frames of JPEG and "
            f"{of['window'][1]:,.0f} of mp4 in windows of {data.window_frames}, "
            f"{of['clip'][0]:,.0f} and {of['clip'][1]:,.0f} in whole clips; "
            f"{of['loader'][0]:,.1f} and {of['loader'][1]:,.1f} examples of the loader"
        )
        batch_size, step = configs[preset].batch_size, found.get(("train_step", preset))
        if steps_per_s:
            examples, source = steps_per_s * batch_size, f"{steps_per_s:g} steps/s of {batch_size}"
        elif step:
            examples = step["per_s"]
            source = f"the step measured here, {1e3 / step['ms']:.3g} steps/s of {step['batch']}"
        else:
            continue
        lines.append(
            f"training ({preset}) at {source} takes {examples * data.window_frames:,.3g} frames/s: "
            f"{examples / of['loader'][0]:.2g} cores with JPEG, {examples / of['loader'][1]:.2g} "
            "with mp4"
        )
    return lines
