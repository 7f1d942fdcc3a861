"""Small media files for tests, written with PyAV."""

from fractions import Fraction

import av
import numpy as np


def chirp(duration_s, rate_hz):
    """float64 [S]: 100 Hz rising to 3 kHz at amplitude 0.4, so that every shift shows."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return 0.4 * np.sin(2 * np.pi * (100 + 1450 * time_s / duration_s) * time_s)


def write_sound(path, samples, rate_hz, *, codec, container, layout="mono", start_s=0, gaps=()):
    """One track: samples [channels, S] float; blocks from second `at` on are `by` s later."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        add_sound(file, stream, samples, start_s=start_s, gaps=gaps)


def add_sound(file, stream, samples, *, start_s=0, gaps=()):
    """Encodes [channels, S] into an open container."""
    rate_hz, block = stream.rate, stream.codec_context.frame_size or 1000
    for first in range(0, samples.shape[1], block):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, first : first + block], np.float32),
            format="fltp",
            layout=stream.layout.name,
        )
        late_s = start_s + sum(by for at, by in gaps if first >= at * rate_hz)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = first + round(late_s * rate_hz)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def write_pictures(
    path,
    frames,
    times,
    *,
    container="mp4",
    codec="libx264",
    time_base=1000,
    aspect=None,
    key_every=250,
    index_first=False,
):
    """Pictures uint8 [H, W, 3] at times in seconds; lossless enough to read numbers from."""
    flags = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(path), "w", format=container, options=flags) as file:
        options = {"crf": "4", "g": str(key_every)} if codec == "libx264" else {"qscale": "1"}
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, time_base)
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        for frame, time_s in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = round(time_s * time_base), Fraction(1, time_base)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))


def numbered_pictures(count, height=32, width=48):
    """Pictures whose colour says their number, below 128; `number_of` reads it back."""
    colours = [(60 * (i // 32), 8 * (i % 32), 30) for i in range(count)]
    return [np.full((height, width, 3), colour, np.uint8) for colour in colours]


def number_of(image):
    red, green, _ = image.mean((0, 1))
    return 32 * round(float(red) / 60) + round(float(green) / 8)
