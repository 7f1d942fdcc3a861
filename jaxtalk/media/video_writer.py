"""Frames and sound to an mp4 file."""

import contextlib
import os
from fractions import Fraction

import av
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio as audio_lib
from jaxtalk.media import files

_FILE_RATE_HZ = 48_000


def synthetic_note(model, seed):
    """The comment that every generated video carries."""
    return f"Synthetic video made by jaxtalk (model {model}, seed {seed}); not a recording"


class VideoWriter:
    """An mp4 (H.264, yuv420p, AAC, index in front) that is whole or absent.

    with VideoWriter("out.mp4", audio="in.wav", comment=synthetic_note(model, seed)) as writer:
        for frame in frames:
            writer.write(frame)

    Exactly as many pictures as were written, 25 a second from time 0. The sound starts with the
    first picture and ends with the recording or the last picture, whichever comes first. Both
    pass through in constant memory. An odd side is padded by one pixel.

    Args:
      path: name of the file, ending in .mp4.
      audio: a local audio or video file, whose sound is kept at 48 kHz, mono or stereo; or [S]
        int16, or float in [-1, 1], mono at 16 kHz; or None.
      crf: quality of x264, from 0 (lossless) to 51; 18 is visually transparent.
      key_every: pictures between two that can be sought; None = as the encoder likes.
      comment: what players show as the comment of the file.

    Raises:
      UserError: at entry, `path` cannot be written; at the first `write`, as
        `jaxtalk.media.audio.read_audio`; at any time, writing fails (a full disk).
      ValueError: frames of different shapes, or none at all.
    """

    def __init__(self, path, *, audio=None, crf=18, key_every=None, comment=""):
        self._path = os.fspath(path)
        if not self._path.lower().endswith(".mp4"):
            raise UserError(f"{self._path}: expected the name of the video to end in .mp4")
        self._audio, self._crf, self._comment = audio, crf, comment
        self._key_every = key_every
        self._shape, self._num_frames, self._sound = None, 0, None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.replacing(self._path))
            options = {"movflags": "+faststart"}
            self._container = av.open(temporary, "w", format="mp4", options=options)
            stack.enter_context(self._container)
            self._container.metadata["comment"] = self._comment
            stack.push(self._finish)
            self._resources = stack.pop_all()
        return self

    def write(self, frame):
        """Appends one picture, uint8 [H, W, 3]."""
        if self._shape is None:
            self._shape = frame.shape
            self._open_streams()
        if frame.shape != self._shape:
            raise ValueError(f"frame: found shape {frame.shape}, expected {self._shape}")
        height, width, _ = frame.shape
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
        picture.pts, picture.time_base = self._num_frames, Fraction(1, audio_lib.FPS)
        self._encode(self._video, picture)
        self._num_frames += 1
        self._write_sound()

    def __exit__(self, *exception):
        try:
            return self._resources.__exit__(*exception)
        except av.error.FFmpegError as error:
            raise self._failure(error) from None

    def _open_streams(self):
        height, width, _ = self._shape
        self._video = self._container.add_stream("libx264", rate=audio_lib.FPS)
        self._video.width, self._video.height = width + width % 2, height + height % 2
        self._video.pix_fmt = "yuv420p"
        keys = {"g": str(self._key_every)} if self._key_every else {}
        self._video.options = {"crf": str(self._crf), **keys}
        context = self._video.codec_context
        # BT.709 in the limited range, as the pictures are converted and players expect.
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        if self._audio is None:
            return
        if isinstance(self._audio, np.ndarray):
            rate, blocks = audio_lib.SAMPLE_RATE_HZ, _blocks(self._audio)
        else:
            rate, blocks = _FILE_RATE_HZ, audio_lib.decode_audio(self._audio, _FILE_RATE_HZ)
        first = next(blocks)
        layout = "mono" if len(first) == 1 else "stereo"
        self._track = self._container.add_stream("aac", rate=rate, layout=layout)
        self._track.bit_rate = 64_000 * len(first)
        self._sound, self._block, self._num_samples = blocks, first, 0

    def _write_sound(self):
        """Sound up to the end of the last picture, as far as there is any."""
        if self._sound is None:
            return
        stop = self._num_frames * self._track.rate // audio_lib.FPS
        while self._block is not None and self._num_samples < stop:
            samples = self._block[:, : stop - self._num_samples]
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), format="fltp", layout=self._track.layout.name
            )
            block.sample_rate, block.pts = self._track.rate, self._num_samples
            block.time_base = Fraction(1, self._track.rate)
            self._encode(self._track, block)
            self._num_samples += samples.shape[1]
            self._block = self._block[:, samples.shape[1] :]
            if not self._block.shape[1]:
                self._block = next(self._sound, None)

    def _finish(self, kind, error, trace):
        if self._sound is not None:
            self._sound.close()
        if kind is not None:
            return
        if not self._num_frames:
            raise ValueError(f"{self._path}: no frame was written")
        self._encode(self._video, None)
        if self._sound is not None:
            self._encode(self._track, None)

    def _encode(self, stream, frame):
        try:
            for packet in stream.encode(frame):
                self._container.mux(packet)
        except av.error.FFmpegError as error:
            raise self._failure(error) from None

    def _failure(self, error):
        return UserError(f"{self._path}: cannot write the video: {error.strerror.lower()}")


def _blocks(audio):
    """[S] -> float32 [1, n], a second at a time."""
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"audio: found shape {audio.shape}, expected [S] with S at least 1")
    audio = audio / np.float32(32768) if audio.dtype == np.int16 else audio.astype(np.float32)
    for start in range(0, len(audio), audio_lib.SAMPLE_RATE_HZ):
        yield audio[None, start : start + audio_lib.SAMPLE_RATE_HZ]
