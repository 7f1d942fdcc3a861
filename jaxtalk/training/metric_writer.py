"""What a person watches: metrics.jsonl, TensorBoard, pictures, and one line of progress.

Only process 0 writes. Pictures and videos come as float arrays in [-1, 1].
"""

import datetime
import json
import math
import os
import pathlib

import jax
import numpy as np
from PIL import Image

from jaxtalk.core.batch import to_uint8
from jaxtalk.media.video_writer import VideoWriter

MAX_EXAMPLES = 16  # pictures of a grid
MAX_VIDEOS = 4
MAX_FRAMES = 12  # frames of a video that its contact sheet shows


def say(message):
    """One line for the person who started the run, from process 0 only."""
    if jax.process_index() == 0:
        print(message, flush=True)


class MetricWriter:
    """Writes below one directory, which one run after the other may continue.

    Args:
      directory: gets metrics.jsonl, tensorboard/ and previews/.
      step: step from which this run goes on; lines of later steps, which an interrupted run has
        left, are dropped. 0 begins from nothing: all lines are.
    """

    def __init__(self, directory, step=0):
        self._enabled = jax.process_index() == 0
        if not self._enabled:
            return
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._path = self._directory / "metrics.jsonl"
        _keep_lines(self._path, step)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._tensorboard = _summary_writer(self._directory / "tensorboard", step)

    def scalars(self, step, values):
        """Appends {"step": step, **values} as one line; values are floats."""
        if not self._enabled:
            return
        line = {"step": step, **{name: float(value) for name, value in values.items()}}
        os.write(self._file, (json.dumps(line) + "\n").encode())
        if self._tensorboard:
            for name, value in values.items():
                self._tensorboard.add_scalar(name, float(value), step)

    def previews(self, step, arrays):
        """name -> images [N, H, W, 3] or videos [N, T, H, W, 3] -> previews/<name>/<step>.png.

        Images become a grid. Of a video the picture shows one row for each example; it is also
        written as an mp4, the examples side by side, 25 frames per second.
        """
        if not self._enabled:
            return
        for name, array in arrays.items():
            directory = self._directory / "previews" / name
            directory.mkdir(parents=True, exist_ok=True)
            array = to_uint8(np.asarray(jax.device_get(array), np.float32))
            if array.ndim == 5:
                array = array[:MAX_VIDEOS]
                with VideoWriter(directory / f"{step:08d}.mp4") as video:
                    for frame in np.concatenate(array, axis=2):
                        video.write(frame)
                picture = contact_sheet(array)
            else:
                picture = grid(array[:MAX_EXAMPLES])
            temporary = directory / f".{step:08d}.png"
            Image.fromarray(picture).save(temporary, format="png")
            os.replace(temporary, directory / f"{step:08d}.png")
            if self._tensorboard:
                self._tensorboard.add_image(name, picture, step, dataformats="HWC")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._enabled:
            os.close(self._file)
            if self._tensorboard:
                self._tensorboard.close()


def grid(images):
    """uint8 [N, H, W, 3] -> [rows * H, columns * W, 3], about as wide as high; blanks are black."""
    n, h, w, c = images.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, h, w, c), images.dtype)
    cells[:n] = images
    cells = cells.reshape(rows, columns, h, w, c)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)


def contact_sheet(videos):
    """uint8 [N, T, H, W, 3] -> [N * H, frames * W, 3]: evenly spaced frames, first and last too."""
    n, t, h, w, c = videos.shape
    frames = np.linspace(0, t - 1, min(t, MAX_FRAMES)).round().astype(int)
    return videos[:, frames].transpose(0, 2, 1, 3, 4).reshape(n * h, len(frames) * w, c)


def progress(step, num_steps, steps_per_s, values):
    """The line of progress, e.g. "120/1000  12 %  3.10 steps/s  0:04:44 left  loss 0.123"."""
    speed = ""
    if steps_per_s:
        left = datetime.timedelta(seconds=round((num_steps - step) / steps_per_s))
        speed = f"  {steps_per_s:.2f} steps/s  {left} left"
    return f"{step}/{num_steps}  {100 * step // num_steps} %{speed}  {listed(values)}"


def listed(values):
    """{name: float} in one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def then_and_now(then, now, names):
    """Values of two {name: float} in one line, e.g. "loss 2.2 -> 1.16, chance 0.111"."""
    pairs = [(name, f"{then[name]:.3g}", f"{now[name]:.3g}") for name in names]
    return ", ".join(
        f"{name} {before}" if before == after else f"{name} {before} -> {after}"
        for name, before, after in pairs
    )


def write_text(path, text):
    """Replaces a file as a whole."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text)
    os.replace(temporary, path)


def _keep_lines(path, last_step):
    """Drops the lines of steps after `last_step`, and a last line that was cut off."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if last_step and json.loads(line)["step"] <= last_step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    write_text(path, "".join(kept))


def _summary_writer(directory, step):
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        say("tensorboardX is not installed: no TensorBoard files (pip install tensorboardX)")
        return None
    return SummaryWriter(str(directory), purge_step=step + 1 if step else None)
