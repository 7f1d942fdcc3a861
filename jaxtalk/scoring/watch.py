"""What is measured and seen of a video while its frames pass through, a chunk at a time."""

import dataclasses
import itertools
import time

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import frechet
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.scoring.metrics import EQUAL_FRAMES_DB, Seen

CHUNK_FRAMES = 32
BATCH_FRAMES = 8  # of images: one shape to be compiled for, and little memory


class Stopwatch:
    """Seconds spent, by family of metrics."""

    def __init__(self):
        self.seconds = {}

    def __call__(self, name, function, *arguments):
        start_s = time.monotonic()
        result = jax.device_get(function(*arguments))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start_s
        return result


class Means:
    """Image metrics of a video, frame after frame; a fault ends the metric for the clip."""

    def __init__(self):
        self._frames, self._faults = {}, {}

    def add(self, key, function, *images):
        if key in self._faults:
            return
        try:
            found = _in_batches(function, *images)
        except UserError as error:
            self._faults[key] = error
        else:
            self._frames.setdefault(key, []).append(found)

    def result(self):
        means = {key: float(np.mean(np.concatenate(x))) for key, x in self._frames.items()}
        return means | self._faults


def _in_batches(function, *images):
    """A function of batches, called with 8 frames each: [n, H, W, 3]s -> float64 [n]."""
    found = []
    for start in range(0, len(images[0]), BATCH_FRAMES):
        parts = [x[start : start + BATCH_FRAMES] for x in images]
        count = len(parts[0])
        if padding := BATCH_FRAMES - count:
            parts = [np.concatenate([x, np.repeat(x[-1:], padding, axis=0)]) for x in parts]
        found.append(np.asarray(function(*parts), np.float64)[:count])
    return np.minimum(np.concatenate(found), EQUAL_FRAMES_DB)


class Watch:
    """What the observers see of one video; a fault ends the family for the video.

    Args:
      observers: {family: Observer}.
      clock: `Stopwatch`.
      stride: identity is seen of every so many frames.
      points: landmarks of the video, [T, 68, 2] px, if they are known; then nobody looks for them.
    """

    def __init__(self, observers, clock, stride=1, points=None):
        self._observers, self._clock, self._stride = observers, clock, stride
        self._points = points
        self._states, self._rows, self._count, self._features = {}, {}, 0, None
        self._faults = {}

    def add(self, frames):
        """The next frames, uint8 [n, H, W, 3].

        Raises:
          UserError: the landmarks that are known are of fewer frames.
        """
        if self._points is None:
            points = self._see("landmarks", frames, None)
        else:
            points = self._points[self._count : self._count + len(frames)]
            if len(points) < len(frames):
                raise UserError(
                    f"found landmarks of {len(self._points)} frames, but the video has more; "
                    "expected one row for each of its frames at 25 fps"
                )
            self._rows.setdefault("landmarks", []).append(points)
        own = slice(-self._count % self._stride, None, self._stride)
        if len(frames[own]):
            self._see("identity", frames[own], None if points is None else points[own])
        self._see("sync", frames, points)
        features = self._see("inception", frames, None, keep=False)
        if features is not None:
            self.add_features(frechet.statistics(features))
        self._count += len(frames)

    def add_features(self, found):
        merged = self._features
        self._features = found if merged is None else frechet.merge(merged, found)

    def _see(self, family, frames, points, keep=True):
        if family not in self._observers or family in self._faults:
            return None
        if "landmarks" in self._faults and family in ("identity", "sync"):
            self._faults[family] = self._faults["landmarks"]  # where the face is, is not known
            return None
        see, state = self._observers[family].see, self._states.get(family)
        start_s = time.monotonic()
        try:
            rows, self._states[family] = see(frames, points, state)
        except UserError as error:
            self._faults[family] = error
            return None
        spent = self._clock.seconds
        spent[family] = spent.get(family, 0.0) + time.monotonic() - start_s
        if keep and rows is not None:
            self._rows.setdefault(family, []).append(rows)
        return rows

    def seen(self, images):
        """`Seen` of all frames so far."""
        rows = {
            family: np.concatenate(parts)
            for family, parts in self._rows.items()
            if family not in self._faults
        }
        return Seen(
            num_frames=self._count,
            images=images,
            landmarks=rows.get("landmarks"),
            identity=rows.get("identity"),
            lips=rows.get("sync"),
            features=None if "inception" in self._faults else self._features,
            faults=self._faults,
        )


def chunks(pred, real):
    """Frames of two videos side by side, a chunk at a time.

    Yields:
      Pairs of uint8 [n, H, W, 3], n at most 32; one of the two has n = 0 after its end.
    """
    pred, real = iter(pred), iter(real)
    while True:
        parts = [list(itertools.islice(video, CHUNK_FRAMES)) for video in (pred, real)]
        if not any(parts):
            return
        yield tuple(np.stack(part) if part else np.zeros((0, 1, 1, 3), np.uint8) for part in parts)


def still(first, real, images, observers, clock, points=None):
    """`Seen` of the first frame shown as long as the real video lasts, looked at once.

    Args:
      first: uint8 [1, H, W, 3].
      real: `Seen` of the real video.
      images: as `Watch.seen` takes them.
      observers, clock, points: as `Watch` takes them; the points of the real video.
    """
    points = None if points is None else np.repeat(points[:1], WINDOW_FRAMES, axis=0)
    others = {family: o for family, o in observers.items() if family != "inception"}
    watch = Watch(others, clock, points=points)
    watch.add(np.repeat(first, WINDOW_FRAMES, axis=0))
    short, length = watch.seen(images), real.num_frames
    lengths = {"landmarks": length, "identity": length, "lips": length - WINDOW_FRAMES + 1}
    rows = {
        name: None if getattr(short, name) is None else np.repeat(getattr(short, name)[:1], n, 0)
        for name, n in lengths.items()
        if n > 0
    }
    watch = Watch({k: o for k, o in observers.items() if k == "inception"}, clock, points=points)
    watch.add(first)
    one = watch.seen({})
    features = one.features and dataclasses.replace(one.features, count=length)
    faults = short.faults | one.faults
    return short._replace(num_frames=length, features=features, faults=faults, **rows)
