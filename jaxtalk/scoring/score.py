"""One clip to its values: frames pass through in chunks, so memory does not grow with its length.

Beside the prediction, each clip has rows that tell what a metric gives at its best and worst: the
real video itself, its first frame standing still, and the real video with another clip's speech.
Of those, images and faces are looked at on every fifth frame, the still picture from the sixth on.
"""

import itertools
import time

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media.audio import FPS, SAMPLE_RATE_HZ
from jaxtalk.metrics.protocols import FULL_REFERENCE, NO_REFERENCE
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.scoring.metrics import METRICS, Heard, diversity, values
from jaxtalk.scoring.watch import CHUNK_FRAMES, Means, Stopwatch, Watch, chunks, still

ROWS = ("pred", "real", "static", "wrong_audio")
CONTROL_STRIDE = 5  # frames
SILENT_FRAMES = 5  # of a video, after its speech, which may be that of a codec

FULL = {key: m.protocol for key, m in METRICS.items() if m.protocol in FULL_REFERENCE}


def score_clip(clip, keys, observers, *, allow_mismatch=False):
    """The values of one clip.

    Args:
      clip: `clips.Clip`.
      keys: of `METRICS`.
      observers: of `observers.load_observers`.
      allow_mismatch: whether a shorter video is compared as far as it goes.

    Returns:
      (record, {row: `FeatureStatistics`}): the record is plain: `clip`, `frames`, `size`, `notes`,
      `files`, `values` {row: {metric: float, or a text why not}}, `seconds` {family: float}.

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
    heard = {}
    for row, sound in zip(ROWS, sounds):
        whole = row != "wrong_audio" and not allow_mismatch
        heard[row] = _heard(sound, seen[row].num_frames, observers, clock, whole)
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
    faults = [seen[row].faults["inception"] for row in ROWS[:3] if "inception" in seen[row].faults]
    if faults and "fid" in keys:
        found["pred"]["fid"] = " ".join(str(faults[0]).split())
    record = {
        **{"clip": clip.name, "frames": seen["pred"].num_frames, "notes": notes},
        **{"size": list(first.shape[2:0:-1]), "files": dict(clip.files), "values": found},
        "seconds": {**clock.seconds, "all": time.monotonic() - start_s},
    }
    features = {row: seen[row].features for row in ROWS[:3] if seen[row].features is not None}
    return record, {} if faults else features


def _look(clip, keys, observers, clock, allow_mismatch):
    """({row: Seen}, first real frame [1, H, W, 3], notes) of a clip; one pass over its frames."""
    full = {key: FULL_REFERENCE[FULL[key]] for key in keys if key in FULL}
    if "lpips" in keys:
        full["lpips"] = observers["lpips"].see
    alone = {"cpbd": NO_REFERENCE[METRICS["cpbd"].protocol]} if "cpbd" in keys else {}
    points = [None, None]
    if clip.landmarks and "landmarks" in observers:
        points = [read() for read in clip.landmarks[:2]]
    pred = Watch(observers, clock, points=points[0])
    real = Watch(observers, clock, CONTROL_STRIDE, points[1])
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
    for side, found, count in zip(("prediction", "target"), points, lengths):
        if found is not None and len(found) != count:
            raise UserError(
                f"found landmarks of {len(found)} frames beside the {side}, expected {count}, one "
                "row for each of its frames at 25 fps"
            )
    if first is None or not min(lengths):
        raise UserError("found no frame that both videos have")
    measure("real", "controls", full, first, first)
    measure("static", "controls", alone, first)
    seen = {"pred": pred.seen(images["pred"].result()), "real": real.seen(images["real"].result())}
    images = images["static"].result()
    seen["static"] = still(first, seen["real"], images, observers, clock, points[1])
    seen["wrong_audio"] = seen["real"]
    return seen, first, [*clip.notes, *_notes(clip, seen, lengths)]


def _notes(clip, seen, lengths):
    if clip.paired and lengths[0] != lengths[1]:
        yield f"{lengths[0]} and {lengths[1]} frames: the first {min(lengths)} compared"
    for row, whose in (("pred", ""), ("real", " of the target")):
        points = seen[row].landmarks
        missing = 0 if points is None else int((~np.isfinite(points).all((1, 2))).sum())
        if missing:
            yield f"no face in {missing} of {len(points)} frames{whose}"


def _only(observers, family):
    return {family: observers[family]} if family in observers else {}


def _check_size(fake, first):
    if first is not None and fake.shape[1:] != first.shape[1:]:
        raise UserError(
            f"found frames of {fake.shape[2]} x {fake.shape[1]} px and of {first.shape[2]} x "
            f"{first.shape[1]} px in the target, expected one size"
        )


def _heard(source, num_frames, observers, clock, whole):
    """`Heard`, or the `UserError` in its place.

    Args:
      source: function that reads the speech.
      num_frames: of the video.
      observers, clock: as `watch.Watch` takes them.
      whole: whether speech that ends before the video is refused, not heard as far as it goes.
    """
    try:
        audio = source()
        spoken = len(audio) * FPS // SAMPLE_RATE_HZ
        if spoken < num_frames - SILENT_FRAMES:
            if whole:
                raise UserError(
                    f"found {spoken} frames of speech for {num_frames} of video, expected as many; "
                    "--allow_mismatch scores the common part"
                )
            num_frames = spoken
        if "sync" not in observers or num_frames < WINDOW_FRAMES:
            return Heard(audio)
        observer = observers["sync"]
        try:
            speech = clock("sync", observer.hear, audio, num_frames)
        except UserError as error:
            speech = error
        return Heard(audio, speech, observer.score)
    except UserError as error:
        return error


def _diversity(clip, seen, observers, clock):
    """Value of `diversity`, or why there is none."""
    try:
        others = []
        for video, read in itertools.zip_longest(clip.seeds, clip.landmarks[2:]):
            points = None if read is None else read()
            watch = Watch(_only(observers, "landmarks"), clock, points=points)
            frames = iter(video())
            while part := list(itertools.islice(frames, CHUNK_FRAMES)):
                watch.add(np.stack(part))
            others.append(watch.seen({}))
        return diversity([seen, *others])
    except UserError as error:
        return str(error)
