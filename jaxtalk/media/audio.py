"""Speech from any audio or video file as float32 mono at 16 kHz, and the excerpts for training."""

import os
import wave
from fractions import Fraction

import av
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import files

# The numbers of jaxtalk.core.batch, which this package cannot import: it needs jax.
SAMPLE_RATE_HZ = 16_000
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
MIN_DURATION_S = 0.2

# Timestamps of lossy containers jitter; only a longer hole is one, and a longer one than this, or
# a step back, is a clock that was set anew.
_MIN_GAP_S, _MAX_GAP_S = 0.1, 600


def num_video_frames(num_samples):
    """Frames at 25 fps that cover a recording: ceil(25 * duration)."""
    return -(-num_samples // SAMPLES_PER_FRAME)


def excerpt_samples(num_frames):
    """Samples behind the mel windows of `num_frames` video frames: 640 (n - 1) + 19 * 160 + 512."""
    return SAMPLES_PER_FRAME * (num_frames - 1) + 19 * 160 + 512


def audio_excerpt(audio, start_frame, num_frames):
    """The samples behind the mel windows of consecutive video frames.

    The windows of video frame t start two video frames before t, and mel frames are 512 samples
    centred at their time: the excerpt begins at sample 640 * (start_frame - 2) - 256.

    Args:
      audio: [S], any dtype.
      start_frame: video frame at 25 fps; may be negative.
      num_frames: at least 1.

    Returns:
      [excerpt_samples(num_frames)] of the same dtype; zeros outside the recording.
    """
    start = SAMPLES_PER_FRAME * (start_frame - 2) - 256
    stop = start + excerpt_samples(num_frames)
    excerpt = np.zeros(stop - start, audio.dtype)
    first, last = max(start, 0), min(stop, len(audio))
    if first < last:
        excerpt[first - start : last - start] = audio[first:last]
    return excerpt


def to_int16(audio):
    """float in [-1, 1] -> int16, rounded to nearest and clipped; the inverse of x / 32768."""
    return np.clip(np.round(audio * 32768.0), -32768, 32767).astype(np.int16)


def read_audio(path):
    """A whole recording: float32 [S] in [-1, 1], mono, 16 kHz. Raises as `stream_audio`."""
    return np.concatenate(list(stream_audio(path, SAMPLE_RATE_HZ)))


def stream_audio(path, block_samples):
    """The samples of `read_audio`, block by block in constant memory.

    Any rate and channel layout; channels are mixed down without gain. In a video file, time zero
    is the first picture: sound that starts later follows zeros, sound that starts earlier is cut.
    Holes in the sound (lost or damaged packets) become zeros, so that nothing drifts. In mp4 and
    mov the sound ends where the track says, without the codec's padding.

    Args:
      path: local audio or video file.
      block_samples: length of every block but the last.

    Yields:
      float32 [block_samples] in [-1, 1].

    Raises:
      UserError: not a readable local media file, no sound in it, shorter than 0.2 s, cut off, or
        samples that are not finite.
    """
    pending, length = [], 0
    for (samples,) in decode_audio(path, SAMPLE_RATE_HZ, "mono"):
        pending.append(samples)
        length += len(samples)
        if length >= block_samples:
            joined = np.concatenate(pending)
            whole = length - length % block_samples
            yield from joined[:whole].reshape(-1, block_samples)
            pending, length = [joined[whole:]], length - whole
    if length:
        yield np.concatenate(pending)


def decode_audio(path, sample_rate_hz, layout=None):
    """Decoded sound at a given rate; see `stream_audio`.

    Args:
      path: local audio or video file.
      sample_rate_hz: of the result.
      layout: "mono" or "stereo"; None = mono stays mono and the rest becomes stereo.

    Yields:
      float32 [channels, n] in [-1, 1], n as it comes; the first has at least 0.2 s.
    """
    name = os.fspath(path)
    min_samples = round(MIN_DURATION_S * sample_rate_hz)
    head, length = [], 0
    for samples in _decode(name, sample_rate_hz, layout):
        if not np.isfinite(samples).all():
            raise UserError(f"{name}: found samples that are not finite numbers; export it again")
        samples = np.clip(samples, -1.0, 1.0)
        if length >= min_samples:
            yield samples
            continue
        head.append(samples)
        length += samples.shape[1]
        if length >= min_samples:
            yield np.concatenate(head, axis=1)
    if length < min_samples:
        raise UserError(
            f"{name}: found {length / sample_rate_hz:.2f} s of sound, expected at least "
            f"{MIN_DURATION_S} s"
        )


def _decode(name, rate, layout):
    """Resampled sound from time zero to the end of the track, not yet checked."""
    with files.open_media(name) as container:
        stream = container.streams.best("audio") if container.streams.audio else None
        if stream is None:
            raise UserError(f"{name}: found no sound in it, expected a file with speech")
        layout = layout or ("mono" if stream.codec_context.channels == 1 else "stereo")
        zero_s = _time_zero_s(container, stream)
        expected_s = files.expected_duration_s(container, stream)
        stop = None
        if expected_s is not None and "mov" in container.format.name:
            stop = round((_start_s(stream) - zero_s + expected_s) * rate)
        position = None
        timed_frames = _continuous(container, stream, zero_s)
        for start_s, samples in _resampled(name, timed_frames, rate, layout):
            if position is None:
                position = round(start_s * rate)
            begin, position = position, position + samples.shape[1]
            samples = samples[:, max(0, -begin) : stop if stop is None else max(0, stop - begin)]
            if samples.shape[1]:
                yield samples
        found_s = (position or 0) / rate
        if expected_s is not None:
            files.check_whole(
                name, "the sound", found_s, float(_start_s(stream) - zero_s) + expected_s
            )


def _continuous(container, stream, zero_s):
    """Pairs (seconds since zero, frame) without holes, from time zero or earlier."""
    position_s = None
    for frame in files.decoded(container, stream):
        frame_s = position_s or Fraction(0)
        if frame.pts is not None:
            frame_s = frame.pts * frame.time_base - zero_s
        min_gap_s = _MIN_GAP_S
        if position_s is None:
            position_s, min_gap_s = min(frame_s, Fraction(0)), 0
        gap_s = frame_s - position_s
        if min_gap_s < gap_s <= _MAX_GAP_S:
            for silence in _silence(frame, round(gap_s * frame.sample_rate)):
                yield position_s, silence
                position_s += Fraction(silence.samples, frame.sample_rate)
        elif abs(gap_s) > min_gap_s:
            zero_s += gap_s
        yield position_s, frame
        position_s += Fraction(frame.samples, frame.sample_rate)


def _silence(like, num_samples):
    """Frames of silence in the format of another frame, a second at most each."""
    while num_samples > 0:
        length = min(num_samples, like.sample_rate)
        frame = av.AudioFrame(like.format.name, like.layout.name, length)
        frame.sample_rate = like.sample_rate
        for plane in frame.planes:
            plane.update((b"\x80" if like.format.bytes == 1 else b"\0") * plane.buffer_size)
        yield frame
        num_samples -= length


def _resampled(name, timed_frames, rate, layout):
    """Pairs (seconds since zero of the first frame, float32 [channels, n])."""
    start_s, graph, source = None, None, None
    for time_s, frame in timed_frames:
        start_s = time_s if start_s is None else start_s
        frame_source = (frame.sample_rate, frame.format.name, frame.layout.name)
        if frame_source != source:
            if graph is not None:
                yield from ((start_s, samples) for samples in _pushed(graph, None))
            try:
                graph, source = _resampler(*frame_source, rate, layout), frame_source
            except av.error.FFmpegError:
                raise UserError(
                    f"{name}: found sound in {frame.layout.nb_channels} channels "
                    f"({frame.layout.name}), expected mono, stereo or a known surround layout; "
                    "export it in stereo"
                ) from None
        frame.pts = None  # holes are filled already; what is left is jitter
        yield from ((start_s, samples) for samples in _pushed(graph, frame))
    if graph is not None:
        yield from ((start_s, samples) for samples in _pushed(graph, None))


def _resampler(source_rate, source_format, source_layout, rate, layout):
    graph = av.filter.Graph()
    source = graph.add(
        "abuffer",
        sample_rate=str(source_rate),
        sample_fmt=source_format,
        channel_layout=source_layout,
        time_base=f"1/{source_rate}",
    )
    # Mixing down to float has a gain of 1.41 for equal channels unless the sum is bounded.
    resample = graph.add(
        "aresample", f"{rate}:out_chlayout={layout}:out_sample_fmt=fltp:rematrix_maxval=1"
    )
    sink = graph.add("abuffersink")
    source.link_to(resample)
    resample.link_to(sink)
    graph.configure()
    return graph


def _pushed(graph, frame):
    """What the graph gives after one more frame; None flushes it."""
    graph.push(frame)
    while True:
        try:
            yield graph.pull().to_ndarray()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _start_s(stream):
    return (stream.start_time or 0) * stream.time_base


def _time_zero_s(container, stream):
    """The first picture of a video file, else the first sample. Cover pictures do not count."""
    attached = av.stream.Disposition.attached_pic
    videos = [s for s in container.streams.video if not s.disposition & attached]
    return _start_s(videos[0] if videos else stream)


def write_wav(path, audio):
    """int16 or float [S] in [-1, 1], mono at 16 kHz, to a 16-bit wav file; whole or absent."""
    samples = audio if audio.dtype == np.int16 else to_int16(audio)
    with files.replacing(path) as temporary, wave.open(temporary, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
