"""A pitch contour from scored candidates, the second half of Harvest (Morise 2017).

Agrees with WORLD to rounding errors. Times are frames of 1 ms, pitches Hz, 0 where unvoiced.
"""

import itertools

import numpy as np
from scipy import signal

_MAX_SLOPE = 0.008  # relative change a frame
_MIN_VOICED = 6
_MAX_JUMP = 0.18  # relative change a frame, where a section is extended
_MAX_EXTENSION, _MAX_MISSES = 100, 4
_MIN_PERIODS = 2200.0  # in frames times Hz
_MAX_GAP = 9


def best_contour(candidates, scores):
    """Candidates [T, N] and their scores [T, N] -> one contour [T]."""
    best = scores.argmax(axis=1)[:, None]
    contour = np.take_along_axis(candidates, best, axis=1)[:, 0]
    contour = _without_short_sections(_without_jumps(contour))
    return _bridged(_extended(contour, candidates, scores))


def smoothed(contour):
    """Each voiced section of a contour [T] smoothed on its own, without delay."""
    result = np.zeros_like(contour)
    # Forwards and backwards, over 300 frames more at each end; 30 Hz at 1000 frames a second.
    lag, (b, a) = 300, signal.butter(2, 0.06)
    padded = np.pad(contour, lag)
    for start, end in _sections(padded):
        values = np.pad(padded[start : end + 1], lag, mode="edge")
        for _ in range(2):
            values = signal.lfilter(b, a, values)[::-1]
        result[start - lag : end + 1 - lag] = values[lag:-lag]
    return result


def _sections(contour):
    """First and last frame of each voiced section; the ends of the contour count as unvoiced."""
    voiced = contour > 0
    voiced[[0, -1]] = False
    change = np.diff(voiced.astype(int))
    return list(zip(np.flatnonzero(change == 1) + 1, np.flatnonzero(change == -1)))


def _without_jumps(contour):
    """Zeros where a pitch is near neither to the one before nor to where the last two point."""
    now, last, second = contour[2:], contour[1:-1], contour[:-2]
    expected = 2 * last - second
    with np.errstate(divide="ignore", invalid="ignore"):
        jump = np.abs((now - expected) / expected) > _MAX_SLOPE
        jump &= np.abs(now - last) / last > _MAX_SLOPE
    result = np.zeros_like(contour)
    result[2:] = np.where(jump, 0.0, now)
    return result


def _without_short_sections(contour):
    contour = contour.copy()
    for start, end in _sections(contour):
        if end - start < _MIN_VOICED:
            contour[start : end + 1] = 0.0
    return contour


def _extended(contour, candidates, scores):
    """Sections continued in both directions along candidates, and joined where they overlap."""
    last = len(contour) - 2
    kept, mean = [], 0.0
    for start, end in _sections(contour):
        values = np.zeros_like(contour)
        values[start : end + 1] = contour[start : end + 1]
        new_end = _extend(values, candidates, end, min(last, end + _MAX_EXTENSION), 1)
        new_start = _extend(values, candidates, start, max(1, start - _MAX_EXTENSION), -1)
        # The mean of the section before counts as one more frame, as in WORLD.
        mean = (mean + values[new_start:new_end].sum()) / (new_end - new_start)
        if _MIN_PERIODS / mean < new_end - new_start:
            kept.append([new_start, new_end, values])
    return _merged(kept, candidates, scores) if kept else contour


def _extend(values, candidates, origin, stop, step):
    """Continues a contour in place, until candidates miss four times; the last voiced frame."""
    pitch, reached, misses = values[origin], origin, 0
    for frame in range(origin + step, stop + 2 * step, step):
        values[frame] = _nearest(pitch, candidates[frame])
        misses += 1
        if values[frame] > 0:
            pitch, reached, misses = values[frame], frame, 0
        if misses == _MAX_MISSES:
            break
    return reached


def _nearest(pitch, candidates):
    """The candidate nearest to a pitch, the last of equals; 0 if none is near."""
    error = np.abs(pitch - candidates) / pitch
    best = len(error) - 1 - error[::-1].argmin()
    return candidates[best] if error[best] <= _MAX_JUMP else 0.0


def _merged(sections, candidates, scores):
    """One contour of sections [start, end, values]; where two overlap, the better score wins."""

    def score(pitches, start, end):
        rows = slice(start, end + 1)
        equal = candidates[rows] == pitches[rows, None]
        return np.where(equal, scores[rows], 0.0).max(axis=1).sum()

    # Nearly sorted by their starts: each at most trades places with one before it, as in WORLD.
    order = list(range(len(sections)))
    for i in range(1, len(order)):
        if sections[order[i - 1]][0] > sections[order[i]][0]:
            order[i - 1], order[i] = order[i], order[i - 1]
    first = sections[0]
    merged = first[2].copy()
    for i in order[1:]:
        start, end, values = sections[i]
        if start > first[1]:
            merged[start : end + 1] = values[start : end + 1]
            first[:2] = start, end
        elif start < first[0] or end > first[1]:
            better = score(merged, start, first[1]) > score(values, start, first[1])
            begin = first[1] if better else start
            merged[begin : end + 1] = values[begin : end + 1]
            first[1] = end
    return merged


def _bridged(contour):
    """Short gaps between sections filled by a line."""
    result, sections = contour.copy(), _sections(contour)
    for (_, end), (start, _) in itertools.pairwise(sections):
        if start - end - 1 < _MAX_GAP:
            # Its ends lie 1 Hz off, as in WORLD.
            low, high = contour[end] + 1, contour[start] - 1
            share = np.arange(1, start - end) / (start - end)
            result[end + 1 : start] = low + (high - low) * share
    return result
