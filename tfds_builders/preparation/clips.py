"""One source video to clips: cut, measured, filtered, annotated, kept in the store."""

import contextlib
import itertools
import os
import tempfile
import time

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import (
    audio,
    clip_filters,
    crop,
    face_mesh,
    files,
    head_pose,
    image,
    phonemes,
    video,
    video_writer,
)

from . import pieces

NUM_MESH = 468
_BLOCK_S = 1
_SHARPNESS_FRAMES = 5


class StoreError(Exception):
    """The store cannot be written: no fault of the video, so the build ends."""


def prepare(source, parameters, detector, store, beat=lambda: None):
    """Makes the clips of a source and keeps them, unless the store has them already.

    Args:
      source: `Source`.
      parameters: `Parameters`.
      detector: `face_detector.FaceDetector`.
      store: `Store`.
      beat: called now and then, to show that the video makes progress.

    Raises:
      StoreError: a full disk, or one that cannot be written.
    """
    try:
        key = store.key(source)
    except UserError as error:
        with _storing():
            store.note(source, problem=["unreadable", _relative(error, source)])
        return
    with _storing():
        known = store.result(key)
    if known is None:
        begin, problem, clips = time.monotonic(), None, []
        try:
            clips = list(_clips(source, parameters, detector, store, key, beat))
        except (UserError, _UnreadableError) as error:
            problem = ["unreadable", _relative(error, source)]
        except _NoSoundError:
            problem = ["no audio", "found no sound track, expected one"]
        if problem:
            clips = []
        elif not clips:
            problem = ["too short", "found no frame in the parts to take"]
        seconds = time.monotonic() - begin
        with _storing():
            store.keep(key, {"problem": problem, "clips": clips, "seconds": seconds})
    with _storing():
        store.note(source, key=key)


class _NoSoundError(Exception):
    pass


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
    for path in filter(None, (source.path, source.audio)):
        message = message.replace(path, os.path.basename(path))
    return message


def _clips(source, parameters, detector, store, key, beat):
    """Yields a dict for each clip of the report: `start_s`, `kept`, `reason`, ...; keeps the good
    ones."""
    with files.open_media(source.path) as container:
        spoken = source.path if container.streams.audio else source.audio
    if spoken is None:
        raise _NoSoundError
    sound = _Sound(spoken)
    frames = _beating(video.read_video(source.path, parameters.fps), beat)
    ahead = pieces.pieces(
        frames,
        source.segments,
        detector,
        parameters.fps,
        round(parameters.max_clip_s * parameters.fps),
    )
    # The same video a second time, a piece behind: no piece is held in memory as pixels.
    behind = _Frames(_beating(video.read_video(source.path, parameters.fps), beat))
    number = 0
    for piece in ahead:
        found, fault = pieces.candidates(piece, parameters.max_gap)
        if fault:
            reason, _, detail = fault.partition(": ")
            duration_s = len(piece.faces) / parameters.fps
            yield _entry(piece.start / parameters.fps, duration_s, reason, detail)
        for candidate in found:
            entry, arrays = _clip(candidate, parameters, sound, behind)
            if arrays is not None:
                entry["number"] = number
                with _storing():
                    store.keep_clip(key, number, arrays)
                number += 1
            yield entry


def _beating(frames, beat):
    try:
        for frame in frames:
            beat()
            yield frame
    except UserError as error:
        raise _UnreadableError(str(error)) from error


def _entry(start_s, duration_s, reason=None, detail="", **measures):
    rounded = {name: round(float(value), 4) for name, value in measures.items()}
    return {
        "start_s": round(start_s, 3),
        "duration_s": round(duration_s, 3),
        "kept": reason is None,
        "reason": reason,
        "detail": detail,
        **rounded,
    }


def _clip(candidate, parameters, sound, frames):
    """(entry of the report, arrays of the clip or None)."""
    fps, size, track = parameters.fps, parameters.size, candidate.track
    num_frames = len(track.boxes)
    start_s, duration_s = candidate.start / fps, num_frames / fps
    height, width = candidate.piece.image_size
    window = candidate.piece.segment.window
    if window:
        x0, y0, side = (part * height for part in window)
        box = (x0, y0, x0 + side, y0 + side)
    else:
        box = crop.crop_box(track.boxes)
    first, last = (round(f * audio.SAMPLE_RATE_HZ / fps) for f in (0, num_frames))
    offset = round(candidate.start * audio.SAMPLE_RATE_HZ / fps)
    samples = audio.to_int16(sound.take(offset + first, offset + last))
    measures = clip_filters.ClipMeasures(
        face_px=clip_filters.face_px(track.boxes),
        sharpness=np.inf,  # costs pixels, so it comes after what does not
        duration_s=duration_s,
        padding=crop.padding(box, (height, width)),
        loudness_db=clip_filters.loudness_db(samples),
        speech_part=float(clip_filters.speech_frames(samples).mean()),
    )
    fault = clip_filters.reject_reason(measures, parameters.limits)
    arrays = None
    if fault is None:
        arrays, sharpness = _pictures(frames, candidate, box, parameters)
        measures = measures._replace(sharpness=sharpness)
        fault = clip_filters.reject_reason(measures, parameters.limits)
    reason, _, detail = (fault or "").partition(": ")
    shown = measures._asdict()
    del shown["duration_s"]
    if not np.isfinite(measures.sharpness):
        del shown["sharpness"]
    entry = _entry(start_s, duration_s, reason or None, detail, **shown)
    if fault:
        return entry, None
    arrays |= {"audio": samples, **_annotations(track, box, size)}
    arrays["phonemes"] = _phonemes(samples, num_frames, parameters)
    return entry, arrays


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


def _annotations(track, box, size):
    """Landmarks in px of the clip, mesh without pose, pose, mouth; NaN without a mesh."""
    num_frames = len(track.boxes)
    if track.meshes is None:
        shapes = {"landmarks": (68, 2), "mesh": (NUM_MESH, 3), "pose": (6,), "mouth_box": (4,)}
        return {
            name: np.full((num_frames, *shape), np.nan, np.float32)
            for name, shape in shapes.items()
        }
    x0, y0, x1, _ = box
    meshes = (track.meshes.astype(np.float64) - (x0, y0, 0)) * (size / (x1 - x0))
    landmarks = face_mesh.landmarks_68(meshes)
    return {
        "landmarks": landmarks,
        "mesh": head_pose.head_frame(meshes),
        "pose": head_pose.head_pose(meshes, (size, size)),
        "mouth_box": face_mesh.mouth_box(landmarks).astype(np.float32),
    }


def _phonemes(samples, num_frames, parameters):
    if parameters.phonemes == "none":
        return np.full(num_frames, phonemes.PHONEME_INDEX["NSN"], np.int32)
    return phonemes.recognise_phonemes(samples, num_frames=num_frames, fps=parameters.fps)


class _Frames:
    """Stretches of a stream of frames, each after the one before it."""

    def __init__(self, frames):
        self._frames, self._next = frames, 0

    def take(self, start, count):
        """Iterator over frames `start` to `start + count`."""
        stop, skipped = start + count, start - self._next
        self._next = stop
        return itertools.islice(self._frames, skipped, skipped + count)


class _Sound:
    """Stretches of a recording, each after the one before it; zeros after its end."""

    def __init__(self, path):
        self._blocks = audio.stream_audio(path, _BLOCK_S * audio.SAMPLE_RATE_HZ)
        self._held, self._start = np.zeros(0, np.float32), 0

    def take(self, start, stop):
        """float32 [stop - start] in [-1, 1]."""
        while self._start + len(self._held) < stop:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, block])
            unused = min(max(0, start - self._start), len(self._held))
            self._held, self._start = self._held[unused:], self._start + unused
        unused = min(max(0, start - self._start), len(self._held))
        self._held, self._start = self._held[unused:], self._start + unused
        found = self._held[: max(0, stop - self._start)]
        return np.pad(found, (0, stop - start - len(found)))
