"""Videos and observers of tests: what is seen can be computed by hand."""

import numpy as np

from jaxtalk.scoring.clips import Clip
from jaxtalk.scoring.observers import Observer
from tests.media_files import chirp, write_pictures

SIZE = 32


def frames(count, seed=0, size=SIZE):
    """uint8 [count, size, size, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def sound(count):
    """int16 [640 count]: loud and quiet by turns of half a second."""
    samples = 0.5 * chirp(count / 25, 16_000)
    samples *= np.arange(len(samples)) // 8000 % 2 == 0
    return np.round(32767 * samples).astype(np.int16)


def clip(pred, real, name="clip", **values):
    """A `Clip` of two arrays of frames."""
    audio = sound(len(real))
    fields = {
        "audio": lambda: audio,
        "real_audio": lambda: audio,
        "wrong_audio": lambda: audio[::-1].copy(),
    }
    return Clip(name=name, pred=lambda: iter(pred), real=lambda: iter(real), **fields | values)


def landmarks_of(images):
    """[n, 68, 2]: a fixed face whose mouth opens with the red of the first pixel; none where the
    green of it is 255."""
    points = np.random.default_rng(5).uniform(8, 24, (68, 2))
    points = np.repeat(points[None], len(images), axis=0)
    points[:, 65:68, 1] += images[:, 0, 0, 0, None] / 64
    points[images[:, 0, 0, 1] == 255] = np.nan
    return points


OBSERVERS = {
    "landmarks": Observer("test", lambda images, points, state: (landmarks_of(images), state)),
    "identity": Observer(
        "test", lambda images, points, state: (images.mean((1, 2)).astype(np.float64), state)
    ),
}


def write_video(path, images):
    """An mp4 without sound."""
    write_pictures(path, list(images), np.arange(len(images)) / 25)
