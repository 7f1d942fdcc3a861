"""Stretches of a recording, in constant memory."""

import numpy as np

from jaxtalk.media import audio

_BLOCK_SAMPLES = audio.SAMPLE_RATE_HZ


def sample_at(frame, fps):
    """The sample at which a video frame begins."""
    return round(frame * audio.SAMPLE_RATE_HZ / fps)


class Sound:
    """A recording of which stretches are taken, each begins about where the one before it did, or
    later."""

    def __init__(self, path, back=0):
        """back: samples by which a stretch may begin earlier than the one before it."""
        self._blocks = audio.stream_audio(path, _BLOCK_SAMPLES)
        self._held, self._start, self._back = np.zeros(0, np.float32), 0, back

    def take(self, start, stop):
        """float32 [stop - start] in [-1, 1]; zeros before the recording and after its end."""
        self._read(start, stop)
        first = max(start, 0)
        if first < self._start:
            raise ValueError(f"start: found {start}, of which only {self._start} on is still held")
        found = self._held[first - self._start : max(0, stop - self._start)]
        return np.pad(found, (first - start, stop - first - len(found)))

    def lacks(self, start, stop):
        """How many samples of a stretch lie after the end of the recording."""
        self._read(start, stop)
        return max(0, stop - max(start, self._start + len(self._held)))

    def _read(self, start, stop):
        self._drop(start)
        while self._start + len(self._held) < stop:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, block])
            self._drop(start)

    def _drop(self, start):
        unused = min(max(0, start - self._back - self._start), len(self._held))
        self._held, self._start = self._held[unused:], self._start + unused
