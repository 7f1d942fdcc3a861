"""Video files to frames at 25 fps, or another rate."""

import math
import os
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio as audio_lib
from jaxtalk.media import face, files, image

FPS = audio_lib.FPS
# A longer hole between two frames, or a step back, is a clock that was set anew.
_MAX_GAP_S = 600
# How far to decode on rather than to seek, in frames.
_SEEK_FRAMES = 50
_MAX_FPS = 240
_MAX_DENOMINATOR = 1001  # 24000 / 1001 and its like, whole again from a float


class VideoInfo(NamedTuple):
    """What a file says of its pictures: size in px, frames a second and seconds (None where it does
    not say), and whether it has sound."""

    width: int
    height: int
    fps: float | None
    duration_s: float | None
    has_audio: bool


def video_info(path):
    """`VideoInfo` of a file, from its headers; raises as `read_video` before the first frame."""
    with files.open_media(path) as container:
        stream = _picture_stream(container, os.fspath(path))
        size = _display_size(stream, stream.codec_context)
        rate, seconds = stream.guessed_rate, stream.duration
        return VideoInfo(
            *size,
            fps=float(rate) if rate else None,
            duration_s=float(seconds * stream.time_base) if seconds else None,
            has_audio=bool(container.streams.audio),
        )


def read_video(path, fps=FPS):
    """Frames of a video at 25 fps, one at a time.

    Frame k is the one whose timestamp is nearest to k / fps s after the start of the stream,
    whatever the rate of the file and however uneven it is; 25 fps passes through unchanged. So
    nothing drifts: each frame is at most half a frame from its time, however long the video is.
    Rotation and non-square pixels are applied.

    Args:
      path: local video file.
      fps: whole or a fraction, of the result: StyleTalk's networks take 30.

    Yields:
      uint8 [H, W, 3], all of the same size.

    Raises:
      UserError: not a readable local video file, no picture in it, over 64 megapixels, or cut off.
    """
    name = os.fspath(path)
    if not 0 < fps <= _MAX_FPS:
        raise ValueError(f"fps: found {fps}, expected more than 0 and at most {_MAX_FPS}")
    with files.open_media(path) as container:
        stream = _picture_stream(container, name)
        size, index = None, 0
        for frame, until in shown_until(_timed(files.decoded(container, stream), stream), fps):
            if size is None:
                size = dict(zip(("width", "height"), _display_size(stream, frame)))
            if index < until:
                pixels = _upright(frame, frame.to_ndarray(format="rgb24", **size))
            while index < until:
                yield pixels
                index += 1
        if size is None:
            raise UserError(f"{name}: no picture of it decodes; convert or export it again")
        expected_s = files.expected_duration_s(container, stream)
        files.check_whole(name, "the video", index / fps, expected_s)


def times_shown(path, fps=FPS):
    """How many frames of `read_video` show each frame of a file, in order.

    Yields:
      int, 0 for a frame that is passed over.

    Raises:
      UserError: not a readable local video file, or no picture in it.
    """
    name, begin, until = os.fspath(path), 0, 0
    with files.open_media(path) as container:
        stream = _picture_stream(container, name)
        timed = _timed(files.decoded(container, stream), stream)
        for _, until in shown_until(timed, fps):
            yield max(0, until - begin)
            begin = max(begin, until)
    if not until:
        raise UserError(f"{name}: no picture of it decodes; convert or export it again")


def _picture_stream(container, name):
    stream = container.streams.best("video") if container.streams.video else None
    if stream is None:
        raise UserError(f"{name}: found no pictures in it, expected a video file")
    width, height = _display_size(stream, stream.codec_context)
    if width * height > image.MAX_PIXELS:
        raise UserError(
            f"{name}: found {width} x {height} px, expected at most "
            f"{image.MAX_PIXELS // 10**6} megapixels; scale it down"
        )
    stream.thread_type = "AUTO"
    return stream


def _display_size(stream, coded):
    """(width, height) in square pixels."""
    return round(coded.width * (stream.sample_aspect_ratio or 1)), coded.height


def _timed(frames, stream):
    """Triples (start in s, duration in s, frame) with rising starts; the first is at about 0."""
    rate = stream.average_rate or FPS
    zero_s, last_s = None, None
    for frame in frames:
        time_s = Fraction(0)
        if frame.pts is not None:
            time_s = frame.pts * frame.time_base
        if zero_s is None:
            zero_s = time_s if stream.start_time is None else stream.start_time * stream.time_base
        elif not 0 < time_s - zero_s - last_s <= _MAX_GAP_S:
            zero_s = time_s - last_s - 1 / Fraction(rate)
        last_s = time_s - zero_s
        duration_s = frame.duration * frame.time_base if frame.duration else 1 / Fraction(rate)
        yield last_s, duration_s, frame


def shown_until(timed_frames, fps):
    """From the times of frames to which of them is shown when.

    Args:
      timed_frames: triples (start in s, duration in s, frame), starts rising from 0; fractions do
        not drift.
      fps: of the result.

    Yields:
      Pairs (frame, index of the first frame of the result that shows a later one).
    """
    fps = Fraction(fps).limit_denominator(_MAX_DENOMINATOR)
    last, last_s, end_s = None, None, None
    for time_s, duration_s, frame in timed_frames:
        if last is not None:
            yield last, math.ceil((last_s + time_s) / 2 * fps)
        last, last_s, end_s = frame, time_s, time_s + duration_s
    if last is not None:
        yield last, max(1, math.floor(end_s * fps + Fraction(1, 2)))


def _upright(frame, pixels):
    # Degrees counterclockwise, as np.rot90 counts.
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def decode_frames(video, indices, size=None):
    """Some frames of the `video` field of a corpus.

    Args:
      video: a sequence of JPEG bytes, one a frame; or the bytes of a video file at 25 fps.
      indices: frame numbers, in any order.
      size: side in px to crop and scale to (see `face.portrait_crop`); None = as stored.

    Returns:
      uint8 [n, H, W, 3].

    Raises:
      IndexError: a frame that the clip does not have.
    """
    if isinstance(video, bytes):
        frames = _decode_frames_of_file(video, indices)
    else:
        frames = [image.decode_jpeg(video[index]) for index in indices]
    if size is not None:
        frames = [face.portrait_crop(frame, size) for frame in frames]
    return np.stack(frames)


def num_frames(video):
    """Frames in the `video` field of a corpus."""
    if not isinstance(video, bytes):
        return len(video)
    with files.open_media(video) as container:
        stream = _picture_stream(container, "video")
        return stream.frames or sum(1 for _ in files.decoded(container, stream))


def _decode_frames_of_file(data, indices):
    wanted = sorted(set(indices))
    found, last, frames = {}, None, None
    with files.open_media(data) as container:
        stream = _picture_stream(container, "video")
        for index in wanted:
            if last is None or index - last > _SEEK_FRAMES:
                start = Fraction(index, FPS) / stream.time_base + (stream.start_time or 0)
                container.seek(math.floor(start), stream=stream)
                frames = _numbered(container, stream)
            for last, frame in frames:
                if last == index:
                    found[index] = frame.to_ndarray(format="rgb24")
                    break
            if index not in found:
                raise IndexError(f"frame {index} of a clip that ends at frame {last}")
    return [found[index] for index in indices]


def _numbered(container, stream):
    """Pairs (frame number at 25 fps, frame) from where the container stands."""
    for frame in files.decoded(container, stream):
        yield round((frame.pts - (stream.start_time or 0)) * frame.time_base * FPS), frame
