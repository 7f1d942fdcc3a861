"""Small videos of drawn heads, healthy and broken, for trees in the layouts of real data sets.

A magenta frame around each face lets `framed_faces` find it; real detectors see the face within.
"""

import functools
import os
from fractions import Fraction

import av
import numpy as np

from jaxtalk.media.image import decode_jpeg
from tests import media_files
from tfds_builders.procedural_heads import clips

SIZE = 256
DURATION_S = 1.2
_DRAWN = 6  # frames; they are shown to and fro
_MAGENTA = (255, 0, 255)


@functools.cache
def person(number):
    """The pictures of somebody who talks, list of uint8 [256, 256, 3]."""
    clip = clips.make_clip(clips.ClipSpec(3, "train", number, 0, _DRAWN, SIZE))
    pictures = [decode_jpeg(blob) for blob in clip["video"]]
    landmarks = clip["landmarks"]
    low, high = landmarks.min((0, 1)) - 3, landmarks.max((0, 1)) + 3
    (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
    for picture in pictures:
        picture[y0:y1, x0:x1][_border(y1 - y0, x1 - x0)] = _MAGENTA
    return pictures + pictures[-2:0:-1]


def _border(height, width, thick=3):
    inside = np.zeros((height, width), bool)
    inside[thick:-thick, thick:-thick] = True
    return ~inside


def pictures(number, count):
    """`count` pictures of a person."""
    there = person(number)
    return [there[i % len(there)] for i in range(count)]


def empty_room(count):
    """Pictures without a face."""
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    room = np.stack([x, y, 128 + 60 * np.sin(x / 9)], -1).clip(0, 255).astype(np.uint8)
    return [np.roll(room, 2 * i, axis=1) for i in range(count)]


def speech(duration_s, rate_hz=16_000):
    """float64 [S]: syllables of 0.2 s of a buzz with breaks of 0.1 s and one of 0.25 s."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 9))
    talking = (time_s % 0.3 < 0.2) & (abs(time_s - 0.6) > 0.125)
    hiss = np.random.default_rng(0).standard_normal(len(time_s))
    return 0.2 * buzz * talking + 2e-4 * hiss


def write(path, frames, times=None, *, sound=True, rate_hz=16_000, layout="mono", turned=False):
    """A video file; `sound`: a bool, or its own, float [S] at `rate_hz`; `turned`: as a camera on
    its side writes it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if times is None:
        times = np.arange(len(frames)) / 25
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "10", "preset": "ultrafast"})
        height, width = frames[0].shape[:2]
        stream.width, stream.height = (height, width) if turned else (width, height)
        stream.pix_fmt = "yuv444p"
        stream.codec_context.time_base = Fraction(1, 30_000)
        track = file.add_stream("aac", rate=rate_hz, layout=layout) if np.any(sound) else None
        for frame, time_s in zip(frames, times, strict=True):
            stored = np.ascontiguousarray(np.rot90(frame)) if turned else frame
            picture = av.VideoFrame.from_ndarray(stored, format="rgb24")
            picture.pts, picture.time_base = round(time_s * 30_000), Fraction(1, 30_000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
        if track:
            samples = speech(times[-1] + 0.04, rate_hz) if sound is True else sound
            channels = 2 if layout == "stereo" else 1
            media_files.add_sound(file, track, np.tile(samples, (channels, 1)))
    if turned:
        _turn(path)


def write_sound(path, duration_s=DURATION_S):
    """An m4a file beside a video without sound."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    samples = speech(duration_s)[None]
    media_files.write_sound(path, samples, 16_000, codec="aac", container="mp4")


def _turn(path):
    """Notes in the track's header that the picture is to be turned clockwise by 90 degrees."""
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        start = data.find(b"tkhd") + 4 + 40
        matrix = np.array([0, 1, 0, -1, 0, 0]) * 65536
        data[start : start + 24] = matrix.astype(">i4").tobytes()
        file.seek(0)
        file.write(data)


def healthy(path, number=0, duration_s=DURATION_S):
    """The plain case: 25 fps, 16 kHz mono."""
    write(path, pictures(number, round(25 * duration_s)))


def plain(colour, count=5):
    """Pictures of one colour."""
    return [np.full((SIZE, SIZE, 3), colour, np.uint8)] * count
