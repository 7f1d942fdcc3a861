"""Histograms of values that come one by one: memory does not grow with how many there are."""

import math

import numpy as np

_MAX_KEPT = 1024  # bins while values come
_MAX_SHOWN = 40
_MAX_VALUE = 1e15  # what is farther from 0, or not a number, is no measure


class Histogram:
    """Counts values in bins whose width is a power of two, so that no rounding moves a value.

    The width starts at `finest` and doubles when the values spread too far.

    Attributes:
      counts: of each group, how many values there were.
      odd: how many were NaN, infinite, or out of reason.
      low, high: the lowest and highest value.
      mean: of all values; NaN of none.
    """

    def __init__(self, finest=2.0**-10, *, whole=False, groups=1):
        """
        Args:
          finest: a power of two, the narrowest bin.
          whole: the values are whole numbers: each is in the middle of a bin of at least 1.
          groups: how many kinds of values are counted in the same bins.
        """
        self._width, self._shift = (1.0, 0.5) if whole else (finest, 0.0)
        self._bins, self._sum = {}, 0.0
        self.counts, self.odd = [0] * groups, 0
        self.low, self.high = math.inf, -math.inf

    @property
    def mean(self):
        return self._sum / sum(self.counts) if any(self.counts) else math.nan

    def add(self, values, group=0):
        """Counts a number or an array of any shape."""
        values = np.asarray(values, np.float64).ravel()
        good = values[np.abs(values) < _MAX_VALUE]
        self.odd += len(values) - len(good)
        if not len(good):
            return
        self.counts[group] += len(good)
        self._sum += float(good.sum())
        self.low = min(self.low, float(good.min()))
        self.high = max(self.high, float(good.max()))
        while (self.high - self.low) / self._width > _MAX_KEPT:
            self._width, self._bins = 2 * self._width, _halved(self._bins)
        places = np.floor((good + self._shift) / self._width).astype(int)
        for place, count in zip(*(a.tolist() for a in np.unique(places, return_counts=True))):
            self._bins.setdefault(place, [0] * len(self.counts))[group] += count

    def bins(self):
        """(edges [n + 1], counts [n, groups]) of at most 40 bins.

        Counts are those of np.histogram, but for values on the last edge, of which there are none.
        """
        width, bins = self._width, self._bins
        if not bins:
            return np.zeros(1), np.zeros((0, len(self.counts)), int)
        while max(bins) - min(bins) >= _MAX_SHOWN:
            width, bins = 2 * width, _halved(bins)
        places = range(min(bins), max(bins) + 1)
        edges = np.arange(places.start, places.stop + 1) * width - self._shift
        return edges, np.array([bins.get(place, [0] * len(self.counts)) for place in places])


def _halved(bins):
    """The same counts in half as many bins."""
    merged = {}
    for place, counts in bins.items():
        there = merged.get(place // 2, [0] * len(counts))
        merged[place // 2] = [a + b for a, b in zip(there, counts)]
    return merged
