"""What the metrics of landmarks and of motion share: checks, correlation, lag and drift.

All numpy in float64; one clip at a time, time first. A value that is not defined for a clip, such
as a correlation with a truth that does not move, raises `UserError`, so that the clip is counted as
one that was not scored.
"""

import numpy as np

from jaxtalk.core.errors import UserError

FPS = 25
MAX_LAG = 15  # frames, the range of the usual sync metrics


def checked(name, array, shape, min_frames=1):
    """float64 copy of an array that a metric takes.

    Args:
      name: of the argument, for the message.
      array: what the user gave.
      shape: expected, such as ("T", 68, 2); letters are free.
      min_frames: least length of the first axis.

    Raises:
      UserError: another shape, too short, or values that are not finite.
    """
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        isinstance(expected, str) or found == expected
        for found, expected in zip(array.shape, shape)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise UserError(f"{name}: found an array of shape {array.shape}, expected [{wanted}]")
    if len(array) < min_frames:
        raise UserError(
            f"{name}: found length {len(array)}, expected at least {min_frames}; "
            "leave this clip out or take a longer one"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UserError(f"{name}: found NaN or infinity, expected finite numbers; leave them out")
    return array


def checked_pair(fake, real, shape, min_frames=1):
    """Both arrays `checked`; the same length as well."""
    fake = checked("fake", fake, shape, min_frames)
    real = checked("real", real, shape, min_frames)
    if fake.shape != real.shape:
        raise UserError(
            f"fake and real: found shapes {fake.shape} and {real.shape}, expected the same; "
            "cut both to their common part"
        )
    return fake, real


def correlation(fake, real):
    """Pearson correlation of two signals; 0 where `fake` does not move.

    Args:
      fake, real: [T] or [T, D], T at least 3.

    Returns:
      float or [D].

    Raises:
      UserError: `real` is constant, so that there is nothing to follow.
    """
    shape = ("T", "D")[: np.ndim(real)]
    fake, real = checked_pair(fake, real, shape, 3)
    if (np.ptp(real, axis=0) == 0).any():
        raise UserError("real: found a constant signal, expected one that moves; leave it out")
    return _pearson(fake, real, np.ones_like(real), axis=0)


def lagged_correlation(fake, real, *, max_lag=MAX_LAG):
    """`mouth-correlation/pearson`: correlation of two signals of a clip, and its best lag.

    At each lag only frames that both signals have are compared.

    Args:
      fake, real: [T], T at least 2 max_lag.
      max_lag: frames to look at either side.

    Returns:
      dict of floats: `correlation` (Pearson, lag 0), `best_correlation`, and `lag`, frames by which
      `fake` lags (positive) or leads `real` there, refined to fractions by a parabola.

    Raises:
      UserError: too short, or `real` is constant.
    """
    fake, real = checked_pair(fake, real, ("T",), max(3, 2 * max_lag))
    at_zero = correlation(fake, real)
    scores = _lag_scores(fake, real, max_lag)
    best = int(scores.argmax())
    return {
        "correlation": float(at_zero),
        "best_correlation": float(scores[best]),
        "lag": float(_peak(scores) - max_lag),
    }


def drift_ms(fake, real, *, fps=FPS, window_s=4.0, max_lag=MAX_LAG, min_correlation=0.5):
    """`drift/theil-sen`: by how much the lag of `fake` grows from the first to the last frame.

    The lag (see `lagged_correlation`) is measured in windows that start every second; those whose
    best correlation is below `min_correlation` do not count. A line through the lags, its slope
    the median of the slopes of all pairs (Theil 1950, Sen 1968), is taken over the clip's length.

    Args:
      fake, real: [T], such as the mouth opening of a long clip and its ground truth or the loudness
        of the speech. T at least two windows.

    Returns:
      float, ms; positive: `fake` falls behind.

    Raises:
      UserError: too short, or less than two windows correlate.
    """
    length = round(window_s * fps)
    fake, real = checked_pair(fake, real, ("T",), 2 * length)
    starts = np.arange(0, len(real) - length + 1, round(fps))
    lags = np.full(len(starts), np.nan)
    for i, start in enumerate(starts):
        part = slice(start, start + length)
        if np.ptp(real[part]) > 0:
            found = lagged_correlation(fake[part], real[part], max_lag=max_lag)
            if found["best_correlation"] >= min_correlation:
                lags[i] = found["lag"]
    usable = np.isfinite(lags)
    if usable.sum() < 2:
        raise UserError(
            f"drift: found {usable.sum()} windows whose correlation reaches {min_correlation}, "
            "expected at least 2; the signals have too little in common"
        )
    time, lags = starts[usable], lags[usable]
    first, second = np.triu_indices(len(time), 1)
    slope = np.median((lags[second] - lags[first]) / (time[second] - time[first]))
    return float(slope * (len(real) - 1) * 1000 / fps)


def _lag_scores(fake, real, max_lag):
    """Correlation at the lags -max_lag .. max_lag: [2 max_lag + 1]."""
    lags = np.arange(-max_lag, max_lag + 1)[:, None]
    index = np.arange(len(real)) + lags  # of `fake`; row k is lag k - max_lag
    inside = (index >= 0) & (index < len(fake))
    return _pearson(fake[np.clip(index, 0, len(fake) - 1)], real, inside, axis=1)


def _pearson(a, b, weight, axis):
    """Correlation along an axis of the entries of weight 1, not 0; 0 where one is constant."""
    a, b = np.broadcast_arrays(a, b)
    count = weight.sum(axis, keepdims=True)
    shares = []
    for x in (a, b):
        centred = (x - (x * weight).sum(axis, keepdims=True) / count) * weight
        size = np.sqrt((centred**2).sum(axis, keepdims=True))
        # Below this share of the signal, deviations are rounding errors of a constant.
        moves = size > 1e-12 * np.sqrt((x**2 * weight).sum(axis, keepdims=True))
        shares.append(np.where(moves, centred / np.where(moves, size, 1.0), 0.0))
    return (shares[0] * shares[1]).sum(axis)


def _peak(scores):
    """Position of the highest score, between samples by the parabola through its neighbours."""
    best = int(scores.argmax())
    if best in (0, len(scores) - 1):
        return best
    left, top, right = scores[best - 1 : best + 2]
    bend = left - 2 * top + right
    return best + (0.5 * (left - right) / bend if bend < 0 else 0.0)


# Protocol -> function of two signals, such as the mouth openings of a clip and of its ground truth.
PROTOCOLS = {"mouth-correlation/pearson": lagged_correlation, "drift/theil-sen": drift_ms}
