"""Where a film cuts from one shot to the next."""

import collections

import numpy as np
from PIL import Image

# Of the difference of two frames, which is in [0, 2]. Heads that talk stay under 0.05, cuts to
# another person are above 0.55 (procedural heads).
_MIN_DIFFERENCE = 0.2
_MIN_RISE, _MIN_FALL = 4.0, 2.0  # over the last second's median; over the step after it
_WINDOW_FRAMES = 25
_THUMBNAIL_PX = 32
_BITS = 3  # of each colour channel in the histogram


def shot_cuts(frames):
    """Cuts of a film, in constant memory.

    A frame begins a shot if it differs from the one before it by more than a fixed threshold, and
    by more than multiples of what frames of the last second, and of what the frame after it,
    differed by: a moving camera changes all of them. The difference is that
    of colour histograms plus that of thumbnails: the first is blind to motion, the second to
    noise. A flash is none, since the shot goes on after it. Not found: dissolves and fades, jumps
    within a shot of one framing, and a shot of a single frame.

    Args:
      frames: iterable of uint8 [H, W, 3], all of the same size.

    Returns:
      Rising list of int, the first frame of each shot but the first.
    """
    return [index for index, begins in enumerate(shot_changes(frames)) if begins]


def shot_changes(frames):
    """`shot_cuts` as a stream: whether a frame begins a new shot, one bool a frame, in order.

    The answer for a frame comes after the next frame was taken.
    """
    usual = collections.deque(maxlen=_WINDOW_FRAMES)
    recent = []  # of the frame in question: two before it, one before it, itself
    for frame in frames:
        following = _signature(frame)
        if recent:
            yield _begins_shot(recent, following, usual)
        recent = [*recent[-2:], following]
    if recent:
        yield _begins_shot(recent, None, usual)


def _begins_shot(recent, following, usual):
    """Whether recent[-1] does; notes its difference among the usual ones, unless it is a cut."""
    if len(recent) < 2:
        return False
    *earlier, previous, current = recent
    step = difference = _difference(previous, current)
    threshold = max(_MIN_DIFFERENCE, _MIN_RISE * np.median(usual) if usual else 0.0)
    if step > threshold:
        # A flash begins and ends like a cut, but one frame on, the picture is as before.
        if following is not None:
            difference = min(difference, _difference(previous, following))
            threshold = max(threshold, _MIN_FALL * _difference(current, following))
        if earlier:
            difference = min(difference, _difference(earlier[0], current))
    cut = difference > threshold
    if cut:
        usual.clear()
    else:
        usual.append(step)
    return bool(cut)


def _signature(frame):
    """Thumbnail [32, 32, 3] in [0, 1] and colour histogram [512] of sum 1."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(f"frame: found {frame.dtype}{list(frame.shape)}, expected uint8 [H, W, 3]")
    small = Image.fromarray(frame).resize((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BOX)
    every = max(1, min(frame.shape[:2]) // (2 * _THUMBNAIL_PX))
    levels = frame[::every, ::every].astype(np.int32) >> (8 - _BITS)
    code = (levels[..., 0] << 2 * _BITS) + (levels[..., 1] << _BITS) + levels[..., 2]
    histogram = np.bincount(code.ravel(), minlength=1 << 3 * _BITS) / code.size
    return np.asarray(small, np.float32) / 255, histogram


def _difference(one, other):
    """In [0, 2]: mean of the thumbnails' plus half the sum of the histograms'."""
    return np.abs(one[0] - other[0]).mean() + 0.5 * np.abs(one[1] - other[1]).sum()
