"""One source video to clips: cut, measured, filtered, annotated, kept in the store."""

import contextlib
import os
import tempfile
import time
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, clip_filters, crop, files, image, video, video_writer

from . import annotations, coefficients, pieces, timing
from .sound import Sound

_SHARPNESS_FRAMES = 5


class _Streams(NamedTuple):
    """Of one video; what is read, is read once from start to end.

    Attributes:
      sound: `Sound`.
      frames: `timing.Frames` at the corpus' rate, a piece behind the faces.
      seen: `timing.Frames` at 25 fps for `lip_sync`, ahead of `frames`.
      lip_sync: `lip_sync.LipSync`, or None.
      script: `annotations.Script`.
      expression: float32 [N, 64] of its frames at the corpus' rate, or None.
    """

    sound: Sound
    frames: timing.Frames
    seen: timing.Frames
    lip_sync: object
    script: annotations.Script
    expression: np.ndarray | None


class StoreError(Exception):
    """The store cannot be written: no fault of the video, so the build ends."""


def prepare(source, parameters, detector, store, beat=lambda: None, lip_sync=None):
    """Makes the clips of a source and keeps them, unless the store has them already.

    Args:
      source: `Source`.
      parameters: `Parameters`.
      detector: `face_detector.FaceDetector`.
      store: `Store`.
      beat: called now and then, to show that the video makes progress.
      lip_sync: `lip_sync.LipSync` of `parameters.syncnet`, or None.

    Raises:
      StoreError: a full disk, or one that cannot be written.
    """
    try:
        key = store.key(source, beat)
    except UserError as error:
        with _storing():
            store.note(source, problem=["unreadable", _relative(error, source)])
        return
    with _storing():
        known = store.result(key)
    if known is None:
        begin, problem, clips = time.monotonic(), None, []
        try:
            clips = list(_clips(source, parameters, detector, store, key, beat, lip_sync))
        except (UserError, _UnreadableError) as error:
            problem = ["unreadable", _relative(error, source)]
        except _LeftOutError as error:
            problem = list(error.args)
        if problem:
            clips = []
        seconds = time.monotonic() - begin
        with _storing():
            store.keep(key, {"problem": problem, "clips": clips, "seconds": seconds})
    with _storing():
        store.note(source, key=key)


class _LeftOutError(Exception):
    """Of a whole video: reason and detail."""


class _UnreadableError(Exception):
    """Tells a video that cannot be read from a clip that cannot be written."""


@contextlib.contextmanager
def _storing():
    try:
        yield
    except (OSError, UserError) as error:
        raise StoreError(getattr(error, "strerror", None) or str(error)) from error


def _relative(error, source):
    """The message without the folder, so that reports of two machines are the same."""
    message = str(error)
    for path in source.files:
        message = message.replace(path, os.path.basename(path))
    return message


def _clips(source, parameters, detector, store, key, beat, lip_sync):
    """Yields a dict for each clip of the report: `start_s`, `kept`, `reason`, ...; keeps the good
    ones."""
    with files.open_media(source.path) as container:
        spoken = source.path if container.streams.audio else source.audio
    if spoken is None:
        raise _LeftOutError("no audio", "found no sound track, expected one")

    def frames(fps):
        return _beating(video.read_video(source.path, fps), beat)

    ahead = pieces.pieces(
        frames(parameters.fps),
        source.segments,
        detector,
        parameters.fps,
        round(parameters.max_clip_s * parameters.fps),
    )
    script = annotations.script(source, spoken, parameters)
    # The same video a second time, a piece behind: no piece is held in memory as pixels. What sees
    # lips comes in between, as it decides where a clip begins.
    streams = _Streams(
        Sound(spoken, timing.MAX_SHIFT if lip_sync else 0),
        timing.Frames(frames(parameters.fps)),
        timing.Frames(frames(video.FPS)),
        lip_sync,
        script._replace(problem=_relative(script.problem, source)),
        _expression(source, parameters, beat),
    )
    number = 0
    for piece in ahead:
        found, fault = pieces.candidates(piece, parameters.max_gap)
        if fault:
            reason, _, detail = fault.partition(": ")
            duration_s = len(piece.faces) / parameters.fps
            yield _entry(piece.start / parameters.fps, duration_s, reason, detail)
        for candidate in found:
            entry, arrays = _clip(candidate, parameters, streams)
            if arrays is not None:
                entry["number"] = number
                with _storing():
                    store.keep_clip(key, number, arrays)
                number += 1
            yield entry


def _expression(source, parameters, beat):
    """Coefficients of the frames of a video, float32 [N, 64]; None unless they are asked for.

    Each frame has those of the frame of the file that it shows, whatever the rate of the file.
    """
    if parameters.coefficients == "none":
        return None
    if source.coefficients is None:
        raise _LeftOutError("no coefficients", "found no file of them that is named as the source")
    values = coefficients.read(source.coefficients)
    times = list(_beating(video.times_shown(source.path, parameters.fps), beat))
    if len(values) != len(times):
        raise _LeftOutError(
            "coefficients do not fit",
            f"found {len(values)} rows in {os.path.basename(source.coefficients)}, expected "
            f"{len(times)}, one for each frame of the video file",
        )
    return np.repeat(values, times, axis=0)


def _beating(frames, beat):
    try:
        for frame in frames:
            beat()
            yield frame
    except UserError as error:
        raise _UnreadableError(str(error)) from error


def _entry(start_s, duration_s, reason=None, detail="", **measures):
    rounded = {
        name: value if isinstance(value, int) else round(float(value), 4)
        for name, value in measures.items()
    }
    return {
        "start_s": round(start_s, 3),
        "duration_s": round(duration_s, 3),
        "kept": reason is None,
        "reason": reason,
        "detail": detail,
        **rounded,
    }


def _clip(candidate, parameters, streams):
    """(entry of the report, arrays of the clip or None)."""
    box = _square(candidate)
    samples, measures = _heard(candidate, 0, box, parameters, streams)
    fault = clip_filters.reject_reason(measures, parameters.limits)
    arrays, found, shift = None, {}, 0
    if fault is None and streams.lip_sync:
        candidate, shift, found, fault = timing.in_step(
            candidate, box, samples, parameters, streams
        )
        if fault is None:
            samples, measures = _heard(candidate, shift, box, parameters, streams)
            fault = clip_filters.reject_reason(measures, parameters.limits)
    if fault is None:
        arrays, sharpness = _pictures(streams.frames, candidate, box, parameters)
        measures = measures._replace(sharpness=sharpness)
        fault = clip_filters.reject_reason(measures, parameters.limits)
    reason, _, detail = (fault or "").partition(": ")
    shown = measures._asdict() | found
    duration_s = shown.pop("duration_s")
    if not np.isfinite(measures.sharpness):
        del shown["sharpness"]
    start_s = candidate.start / parameters.fps
    entry = _entry(start_s, duration_s, reason or None, detail, **shown)
    if fault:
        return entry, None
    num_frames = len(candidate.track.boxes)
    heard_from = timing.span(candidate, parameters.fps)[0] - shift
    arrays["phonemes"], told = annotations.frame_phonemes(
        samples, heard_from, num_frames, parameters, streams.script
    )
    arrays |= annotations.of_track(candidate.track, box, parameters.size) | {"audio": samples}
    if streams.expression is not None:
        arrays["expression"] = streams.expression[candidate.start :][:num_frames]
    return entry | told, arrays


def _square(candidate):
    """What is cut out: x0, y0, x1, y1 in px of the picture."""
    window = candidate.piece.segment.window
    if not window:
        return crop.crop_box(candidate.track.boxes)
    x0, y0, side = (part * candidate.piece.image_size[0] for part in window)
    return x0, y0, x0 + side, y0 + side


def _heard(candidate, shift, box, parameters, streams):
    """(int16 [S], `ClipMeasures`): the sound that is `shift` samples before the clip's time."""
    start, stop = timing.span(candidate, parameters.fps)
    samples = audio.to_int16(streams.sound.take(start - shift, stop - shift))
    measures = clip_filters.ClipMeasures(
        face_px=clip_filters.face_px(candidate.track.boxes),
        sharpness=np.inf,  # costs pixels, so it comes after what does not
        duration_s=len(candidate.track.boxes) / parameters.fps,
        padding=crop.padding(box, candidate.piece.image_size),
        loudness_db=clip_filters.loudness_db(samples),
        speech_part=float(clip_filters.speech_frames(samples).mean()),
    )
    return samples, measures


def _pictures(frames, candidate, box, parameters):
    """(the pictures as the store keeps them, median sharpness of the face)."""
    num_frames = len(candidate.track.boxes)
    measured = np.linspace(0, num_frames - 1, _SHARPNESS_FRAMES).round().astype(int).tolist()
    sharp = []

    def cropped():
        for index, frame in enumerate(frames.take(candidate.start, num_frames)):
            if index in measured:
                sharp.append(clip_filters.sharpness(frame, candidate.track.boxes[index]))
            yield from crop.crop_frames([frame], box, parameters.size)

    if parameters.video == "jpeg":
        blobs = [image.encode_jpeg(frame) for frame in cropped()]
    else:
        blobs = [_mp4(cropped(), parameters)]
    data = np.frombuffer(b"".join(blobs), np.uint8)
    return {"video": data, "video_bytes": np.array([len(b) for b in blobs])}, np.median(sharp)


def _mp4(frames, parameters):
    with _storing(), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "clip.mp4")
        writer = video_writer.VideoWriter(path, crf=parameters.crf, key_every=parameters.fps)
        with writer:
            for frame in frames:
                writer.write(frame)
        with open(path, "rb") as file:
            return file.read()
