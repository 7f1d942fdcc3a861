"""One clip to its values: frames pass through in chunks, so memory does not grow with its length.

Beside the prediction, each clip has rows that tell what a metric gives at its best and worst: the
real video itself, its first frame standing still, and the real video with another clip's speech.
Of those, images and faces are looked at on every fifth frame, the still picture from the sixth on.
"""

import functools
import itertools
import time

import jax
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics import frechet
from jaxtalk.metrics.protocols import FULL_REFERENCE, NO_REFERENCE
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.scoring.metrics import EQUAL_FRAMES_DB, METRICS, Heard, Seen, diversity, values

ROWS = ("pred", "real", "static", "wrong_audio")
CHUNK_FRAMES = 32
CONTROL_STRIDE = 5  # frames
BATCH_MULTIPLE = 8  # frames, so that images have few shapes to be compiled for
LPIPS_BATCH = 8

FULL = {key: m.protocol for key, m in METRICS.items() if m.protocol in FULL_REFERENCE}


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
            found = _padded(function, *images)
        except UserError as error:
            self._faults[key] = error
        else:
            self._frames.setdefault(key, []).append(found)

    def result(self):
        means = {key: float(np.mean(np.concatenate(x))) for key, x in self._frames.items()}
        return means | self._faults


def _padded(function, *images):
    """A function of batches, called with a multiple of 8 frames: [n, H, W, 3]s -> float64 [n]."""
    count = len(images[0])
    padding = -count % BATCH_MULTIPLE
    filled = [np.concatenate([x, np.repeat(x[-1:], padding, axis=0)]) for x in images]
    found = np.asarray(function(*filled), np.float64)[:count]
    return np.minimum(found, EQUAL_FRAMES_DB)


class Watch:
    """What the observers see of one video.

    Args:
      observers: {family: Observer}.
      stride: identity is seen of every so many frames.
    """

    def __init__(self, observers, clock, stride=1):
        self._observers, self._clock, self._stride = observers, clock, stride
        self._states, self._rows, self._count, self._features = {}, {}, 0, None

    def add(self, frames):
        """The next frames, uint8 [n, H, W, 3]."""
        points = self._see("landmarks", frames, None)
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
        if family not in self._observers:
            return None
        see, state = self._observers[family].see, self._states.get(family)
        start_s = time.monotonic()
        rows, self._states[family] = see(frames, points, state)
        spent = self._clock.seconds
        spent[family] = spent.get(family, 0.0) + time.monotonic() - start_s
        if keep and rows is not None:
            self._rows.setdefault(family, []).append(rows)
        return rows

    def seen(self, images):
        """`Seen` of all frames so far."""
        rows = {family: np.concatenate(parts) for family, parts in self._rows.items()}
        return Seen(
            num_frames=self._count,
            images=images,
            landmarks=rows.get("landmarks"),
            identity=rows.get("identity"),
            lips=rows.get("sync"),
            features=self._features,
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


def score_clip(clip, keys, observers, *, allow_mismatch=False):
    """The values of one clip.

    Args:
      clip: `clips.Clip`.
      keys: of `METRICS`.
      observers: of `observers.load_observers`.
      allow_mismatch: whether a shorter video is compared as far as it goes.

    Returns:
      (record, {row: `FeatureStatistics`}): the record is plain: `clip`, `frames`, `size`, `notes`,
      `values` {row: {metric: float, or a text why not}}, `seconds` {family: float}.

    Raises:
      UserError: the clip cannot be scored at all.
    """
    clock, start_s = Stopwatch(), time.monotonic()
    wanted = {METRICS[key].family for key in keys}
    if wanted & {"identity", "sync"}:  # to find faces
        wanted.add("landmarks")
    observers = {family: o for family, o in observers.items() if family in wanted}
    keys = [key for key in keys if clip.paired or not METRICS[key].paired]
    keys = [key for key in keys if METRICS[key].family in ("", *observers)]
    seen, first, notes = _look(clip, keys, observers, clock, allow_mismatch)
    sounds = (clip.audio, clip.real_audio, clip.real_audio, clip.wrong_audio)
    heard = {
        row: _heard(sound, seen[row].num_frames, observers, clock)
        for row, sound in zip(ROWS, sounds)
    }
    if isinstance(heard["pred"], Exception):
        notes.append(str(heard["pred"]))
    found = {}
    for row in ROWS:
        own = [key for key in keys if METRICS[key].value]
        if row == "wrong_audio":
            own = [key for key in own if METRICS[key].hears]
        found[row] = values(own, seen[row], seen["real"], heard[row])
    if "diversity" in keys and clip.seeds:
        found["pred"]["diversity"] = _diversity(clip, seen["pred"], observers, clock)
    record = {
        **{"clip": clip.name, "frames": seen["pred"].num_frames, "notes": notes},
        **{"size": list(first.shape[2:0:-1]), "values": found},
        "seconds": {**clock.seconds, "all": time.monotonic() - start_s},
    }
    return record, {row: seen[row].features for row in ROWS[:3] if seen[row].features is not None}


def _look(clip, keys, observers, clock, allow_mismatch):
    """({row: Seen}, first real frame [1, H, W, 3], notes) of a clip; one pass over its frames."""
    full = {key: FULL_REFERENCE[FULL[key]] for key in keys if key in FULL}
    if "lpips" in keys:
        full["lpips"] = functools.partial(_lpips, observers["lpips"].see)
    alone = {"cpbd": NO_REFERENCE["cpbd"]} if "cpbd" in keys else {}
    pred, real = Watch(observers, clock), Watch(observers, clock, CONTROL_STRIDE)
    images = {row: Means() for row in ROWS}
    first, count, lengths = None, 0, np.zeros(2, int)

    def measure(row, part, functions, *frames):
        for key, function in functions.items() if len(frames[0]) else ():
            clock(part or METRICS[key].family or "image", images[row].add, key, function, *frames)

    for fake, true in chunks(clip.pred(), clip.real()):
        lengths += len(fake), len(true)
        if clip.paired and len(fake) != len(true):
            if not allow_mismatch:
                continue  # to count the rest, for the message
            fake, true = (x[: min(len(fake), len(true))] for x in (fake, true))
        if len(true):
            first = true[:1] if first is None else first
            some = true[-count % CONTROL_STRIDE :: CONTROL_STRIDE]
            real.add(true)
            measure("real", "controls", alone, some)
            if clip.paired:  # the first frame against itself would be the best of all
                moved = some if count else some[1:]
                measure("static", "controls", full, np.repeat(first, len(moved), axis=0), moved)
            count += len(true)
        if len(fake):
            _check_size(fake, first)
            pred.add(fake)
            measure("pred", "", alone, fake)
            measure("pred", "", full, fake, true)
    if clip.paired and lengths[0] != lengths[1] and not allow_mismatch:
        raise UserError(
            f"found {lengths[0]} frames of the prediction and {lengths[1]} of the target, expected "
            "as many; --allow_mismatch compares the common part"
        )
    if first is None or not min(lengths):
        raise UserError("found no frame that both videos have")
    measure("real", "controls", full, first, first)
    measure("static", "controls", alone, first)
    seen = {"pred": pred.seen(images["pred"].result()), "real": real.seen(images["real"].result())}
    seen["static"] = _still(first, seen["real"], images["static"].result(), observers, clock)
    seen["wrong_audio"] = seen["real"]
    return seen, first, [*clip.notes, *_notes(clip, seen["pred"], lengths)]


def _notes(clip, seen, lengths):
    if clip.paired and lengths[0] != lengths[1]:
        yield f"{lengths[0]} and {lengths[1]} frames: the first {min(lengths)} compared"
    if seen.landmarks is not None:
        missing = int((~np.isfinite(seen.landmarks).all((1, 2))).sum())
        if missing:
            yield f"no face in {missing} of {len(seen.landmarks)} frames"


def _only(observers, family):
    return {family: observers[family]} if family in observers else {}


def _check_size(fake, first):
    if first is not None and fake.shape[1:] != first.shape[1:]:
        raise UserError(
            f"found frames of {fake.shape[2]} x {fake.shape[1]} px and of {first.shape[2]} x "
            f"{first.shape[1]} px in the target, expected one size"
        )


def _lpips(see, fake, real):
    """`see` in batches of 8 frames; both sides travel as one array."""
    parts = [slice(i, i + LPIPS_BATCH) for i in range(0, len(fake), LPIPS_BATCH)]
    return np.concatenate([np.asarray(see(fake[part], real[part])) for part in parts])


def _still(first, real, images, observers, clock):
    """`Seen` of the first frame shown as long as the real video lasts, looked at once."""
    watch = Watch({k: o for k, o in observers.items() if k != "inception"}, clock)
    watch.add(np.repeat(first, WINDOW_FRAMES, axis=0))
    short, length = watch.seen(images), real.num_frames
    lengths = {"landmarks": length, "identity": length, "lips": length - WINDOW_FRAMES + 1}
    rows = {
        name: None if getattr(short, name) is None else np.repeat(getattr(short, name)[:1], n, 0)
        for name, n in lengths.items()
        if n > 0
    }
    features = None
    if "inception" in observers:
        one = frechet.statistics(observers["inception"].see(first, None, None)[0])
        features = frechet.FeatureStatistics(length, one.mean, one.scatter)
    return short._replace(num_frames=length, features=features, **rows)


def _heard(source, num_frames, observers, clock):
    """`Heard`, or the `UserError` in its place."""
    try:
        audio = source()
        if "sync" not in observers or num_frames < WINDOW_FRAMES:
            return Heard(audio)
        observer = observers["sync"]
        speech = clock("sync", observer.hear, audio, num_frames)
        return Heard(audio, speech, observer.score)
    except UserError as error:
        return error


def _diversity(clip, seen, observers, clock):
    """Value of `diversity`, or why there is none."""
    try:
        others = []
        for video in clip.seeds:
            watch = Watch(_only(observers, "landmarks"), clock)
            frames = iter(video())
            while part := list(itertools.islice(frames, CHUNK_FRAMES)):
                watch.add(np.stack(part))
            others.append(watch.seen({}))
        return diversity([seen, *others])
    except UserError as error:
        return str(error)
