"""Pitch of speech by Harvest (Morise 2017), in float64.

Agrees with `harvest` of WORLD at 16 kHz with its default limits, to rounding errors: 152 band-pass
filters propose candidates, which the instantaneous frequency of their harmonics refines and scores
every millisecond; the best ones are joined to a contour by `jaxtalk.media.pitch_contour`.
"""

import numpy as np
from scipy import signal

from jaxtalk.media.pitch_contour import best_contour, smoothed

SAMPLE_RATE_HZ = 16_000
FLOOR_HZ, CEILING_HZ = 71.0, 800.0
_RATE_HZ = 8_000  # the waveform is reduced to this
_STEP_MS = 10
_BANDS_PER_OCTAVE = 40
_MIN_BANDS = 10  # neighbouring bands that must agree on a candidate
_SHIFT = 3  # frames to which candidates spread in both directions
_HARMONICS = 6
_MIN_SCORE = 2.5
_MAX_STEP = 0.05  # relative difference of a candidate and its neighbour in time
_TINY = 1e-12
_ROWS = 512  # windows that are transformed at a time


def harvest(audio):
    """Fundamental frequency every 10 ms.

    Time and memory grow with the length: about 10 s of one core and 200 MB a minute of sound.

    Args:
      audio: [S] at 16 kHz, at least 0.2 s; its scale makes no difference but for the last digits.

    Returns:
      float64 [S // 160 + 1] in Hz; value i belongs to the time i * 10 ms, 0 where speech is
      unvoiced.
    """
    num_frames = len(audio) // (SAMPLE_RATE_HZ // 1000) + 1  # one a millisecond
    waveform = _decimated(np.asarray(audio, np.float64))
    waveform = waveform - waveform.mean()
    candidates = _spread(_candidates(waveform, num_frames))
    candidates, scores = _refined(waveform, candidates)
    _drop_lonely(candidates, scores)
    contour = smoothed(best_contour(candidates, scores))
    return contour[::_STEP_MS]


def _decimated(audio):
    """Every second sample behind a low-pass filter that runs forwards and backwards."""
    lag, reflected = 140, 9
    x = np.concatenate([np.repeat(audio[0], lag), audio, np.repeat(audio[-1], lag)])
    before = 2 * x[0] - x[reflected:0:-1]
    after = 2 * x[-1] - x[-2 : -2 - reflected : -1]
    x = np.concatenate([before, x, after])
    b, a = signal.cheby1(3, 0.05, 0.8 * _RATE_HZ / SAMPLE_RATE_HZ)
    for _ in range(2):
        x = signal.lfilter(b, a, x)[::-1]
    first = reflected + lag + 1 - len(audio) % 2
    return x[first : first + len(audio) : 2]


def _candidates(waveform, num_frames):
    """[num_frames, N] in Hz, in each frame the proposals of the bands from low to high, then 0."""
    low, high = 0.9 * FLOOR_HZ, 1.1 * CEILING_HZ
    num_bands = 1 + int(np.log2(high / low) * _BANDS_PER_OCTAVE)
    bands_hz = low * 2.0 ** (np.arange(1, num_bands + 1) / _BANDS_PER_OCTAVE)
    num_samples = len(waveform) + 5 + 2 * int(2 * _RATE_HZ / bands_hz[0])
    size = 2 ** int(np.log2(num_samples) + 1)
    spectrum = np.fft.rfft(waveform, size)
    times = np.arange(num_frames) / 1000

    candidates = np.zeros((num_frames, num_bands // _MIN_BANDS))
    total, length, count = np.zeros(num_frames), *np.zeros((2, num_frames), int)
    for i, band_hz in enumerate(bands_hz):
        found = np.zeros(num_frames)
        if 0 < i < num_bands - 1:
            found = _band_candidates(spectrum, size, band_hz, len(waveform), times)
        # A run of bands that agree ends here: its mean is a candidate.
        (ended,) = np.nonzero((found == 0) & (length >= _MIN_BANDS))
        candidates[ended, count[ended]] = total[ended] / length[ended]
        count[ended] += 1
        total = np.where(found > 0, total + found, 0.0)
        length = np.where(found > 0, length + 1, 0)
    return candidates[:, : max(1, count.max())]


def _band_candidates(spectrum, size, band_hz, num_samples, times):
    """Mean frequency of the zero crossings, peaks and dips of a band; 0 where it is out of it."""
    half = int(_RATE_HZ / band_hz * 2 + 0.5)
    steps = np.arange(-half, half + 1)
    phase = np.pi * (steps + half) / half
    window = 0.355768 - 0.487396 * np.cos(phase)
    window += 0.144232 * np.cos(2 * phase) - 0.012604 * np.cos(3 * phase)
    kernel = window * np.cos(2 * np.pi * band_hz * steps / _RATE_HZ)
    product = np.fft.rfft(kernel, size) * spectrum
    filtered = np.fft.irfft(product, size)[half + 1 : half + 1 + num_samples]

    slope = np.diff(filtered)
    frequencies = []
    for values in (filtered, -filtered, slope, -slope):
        (before,) = np.nonzero((values[:-1] > 0) & (values[1:] <= 0))
        if len(before) < 4:
            return np.zeros(len(times))
        edges = before + 1 - values[before] / (values[before + 1] - values[before])
        frequency = _RATE_HZ / np.diff(edges)
        middle = (edges[:-1] + edges[1:]) / 2 / _RATE_HZ
        frequencies.append(_interpolated(times, middle, frequency))
    mean = sum(frequencies) / 4
    low, high = max(0.9 * band_hz, FLOOR_HZ), min(1.1 * band_hz, CEILING_HZ)
    return np.where((mean >= low) & (mean <= high), mean, 0.0)


def _interpolated(x, points, values):
    """Linear interpolation, and extrapolation of the first and last line."""
    k = np.clip(np.searchsorted(points, x, side="right"), 1, len(points) - 1)
    share = (x - points[k - 1]) / (points[k] - points[k - 1])
    return values[k - 1] + share * (values[k] - values[k - 1])


def _spread(candidates):
    """[T, N] -> [T, 7 N]: those of the frame, of three before and of three after it."""
    num_frames = len(candidates)
    padded = np.pad(candidates, ((_SHIFT, _SHIFT), (0, 0)))
    shifts = [0, -1, -2, -3, 1, 2, 3]
    return np.concatenate([padded[_SHIFT + i : _SHIFT + i + num_frames] for i in shifts], axis=1)


def _refined(waveform, candidates):
    """Candidates moved to the instantaneous frequency of their harmonics, with scores."""
    refined, scores = np.zeros_like(candidates), np.zeros_like(candidates)
    frames, columns = np.nonzero(candidates)
    half = (1.5 * _RATE_HZ / candidates[frames, columns] + 1).astype(int)
    order = np.argsort(half, kind="stable")
    splits = np.flatnonzero(np.diff(half[order])) + 1
    for group in np.split(order, splits):
        for rows in np.array_split(group, -(-len(group) // _ROWS) or 1):
            if len(rows):
                at = frames[rows], columns[rows]
                refined[at], scores[at] = _instantaneous(
                    waveform, at[0], candidates[at], half[rows[0]]
                )
    return refined, scores


def _instantaneous(waveform, frames, candidates, half):
    """Refined candidates and scores of windows of 2 half + 1 samples around frames."""
    length = 2 * half + 1
    size = 2 ** (2 + int(np.log2(length)))
    times = frames[:, None] / 1000
    start = (times - half / _RATE_HZ) * _RATE_HZ + 0.001
    start = np.trunc(start + np.copysign(0.5, start)).astype(int)
    index = start + np.arange(length) - 1
    phase = 2 * np.pi * (index / _RATE_HZ - times) / (length / _RATE_HZ)
    window = 0.42 + 0.5 * np.cos(phase) + 0.08 * np.cos(2 * phase)
    padded = np.pad(window, ((0, 0), (1, 1)))
    slope = (padded[:, :-2] - padded[:, 2:]) / 2
    samples = waveform[np.clip(index, 0, len(waveform) - 1)]
    main = np.fft.rfft(samples * window, size)
    change = np.fft.rfft(samples * slope, size)

    number = np.arange(1, _HARMONICS + 1)
    bins = (candidates[:, None] * size / _RATE_HZ * number + 0.5).astype(int)
    number_of = np.minimum((_RATE_HZ / 2 / candidates).astype(int), _HARMONICS)[:, None]
    is_there = number <= number_of
    bins = np.where(is_there, bins, 0)
    main, change = (np.take_along_axis(x, bins, axis=1) for x in (main, change))
    power = main.real**2 + main.imag**2
    rotation = main.real * change.imag - main.imag * change.real
    shift = np.divide(rotation, power, out=np.zeros_like(power), where=power != 0)
    frequency = bins * _RATE_HZ / size + shift * _RATE_HZ / 2 / np.pi
    frequency = np.where(is_there & (power != 0), frequency, 0.0)
    amplitude = np.where(is_there, np.sqrt(power), 0.0)
    refined = (amplitude * frequency).sum(1) / ((amplitude * number).sum(1) + _TINY)
    error = np.abs(frequency / number - candidates[:, None]) / candidates[:, None]
    score = 1 / (np.where(is_there, error, 0.0).sum(1) / number_of[:, 0] + _TINY)
    good = (refined >= FLOOR_HZ) & (refined <= CEILING_HZ) & (score >= _MIN_SCORE)
    return np.where(good, refined, 0.0), np.where(good, score, 0.0)


def _drop_lonely(candidates, scores):
    """Sets candidates to 0 that no candidate of the frames before and after is near to."""
    inner = candidates[1:-1]
    error = np.full_like(inner, np.inf)
    for neighbours in (candidates[:-2], candidates[2:]):
        for j in range(neighbours.shape[1]):
            error = np.minimum(error, np.abs(inner - neighbours[:, j : j + 1]))
    lonely = error > _MAX_STEP * inner
    candidates[1:-1][lonely] = 0.0
    scores[1:-1][lonely] = 0.0
