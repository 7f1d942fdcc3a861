"""What a person gives to be animated, as checked arrays and streams: portrait, speech, motion.

Files and arrays take the same way; nothing is read before it is asked for.
"""

import os

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media.audio import (
    MIN_DURATION_S,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    audio_excerpt,
    num_video_frames,
    stream_audio,
    to_int16,
)
from jaxtalk.media.crop import portrait_box, video_box
from jaxtalk.media.face import portrait_crop
from jaxtalk.media.face_detector import face_detector
from jaxtalk.media.image import MIN_SIDE_PX, read_image
from jaxtalk.media.video import read_video

LEAD_FRAMES, MARGIN_SAMPLES = 3, 1376  # of audio around a block, behind its mel windows


def is_path(value):
    """Whether a value names a file."""
    return isinstance(value, str | os.PathLike)


def audio_blocks(audio, block_samples):
    """int16 [n] blocks of a file or of an array, as the corpora store their sound.

    Args:
      audio: a file; or [S], int16 or float in [-1, 1], mono, 16 kHz, given back as one block.
      block_samples: n of a file's blocks but the last.

    Raises:
      UserError: not such an array, or too short a one; faults of a file when it is read.
    """
    if is_path(audio):
        blocks = stream_audio(audio, block_samples)
        return (to_int16(block) for block in blocks)
    audio = np.asarray(audio)
    if audio.ndim != 1 or not (audio.dtype == np.int16 or np.issubdtype(audio.dtype, np.floating)):
        raise UserError(
            f"audio: found {audio.dtype}{list(audio.shape)}, expected int16 or float in [-1, 1], "
            f"[samples], mono at {SAMPLE_RATE_HZ} Hz"
        )
    if len(audio) < MIN_DURATION_S * SAMPLE_RATE_HZ:
        raise UserError(
            f"audio: found {len(audio)} samples, expected at least {MIN_DURATION_S} s at "
            f"{SAMPLE_RATE_HZ} Hz"
        )
    if not np.isfinite(audio).all():
        raise UserError("audio: found samples that are not finite, expected [-1, 1]")
    return (block for block in [audio if audio.dtype == np.int16 else to_int16(audio)])


def motion_frames(motion, size, box=None):
    """uint8 [size, size, 3] frames of a motion source, one by one; the square `box` of each."""
    frames = read_video(motion) if is_path(motion) else checked_frames(motion, "motion", 4)

    def crop(frame):
        square = None if box is None else checked_box(box, frame.shape[:2], "motion_box")
        return portrait_crop(frame, size, square)

    return (crop(frame) for frame in frames)


def checked_box(box, image_size, field="box"):
    """A square in or around a picture, as four floats; `field` is its name in errors."""
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise UserError(f"{field}: found {box!r}, expected (x0, y0, x1, y1) in px")
    width, height = corners[2:] - corners[:2]
    if width < 1 or abs(width - height) > 0.01 * width:
        raise UserError(f"{field}: found {width:g} x {height:g} px, expected a square")
    if abs(corners).max() > 3 * max(image_size):
        raise UserError(
            f"{field}: found {box!r}, far beyond the picture of {image_size[1]} x "
            f"{image_size[0]} px; "
            "expected a square around the face"
        )
    return tuple(corners.tolist())


def checked_frames(frames, name, ndim):
    """An array of one or more frames as the caller gave it, checked."""
    frames = np.asarray(frames)
    expected = {3: "[H, W, 3]", 4: "[T, H, W, 3]"}[ndim]
    if frames.dtype != np.uint8 or frames.ndim != ndim or frames.shape[-1] != 3 or not len(frames):
        raise UserError(
            f"{name}: found {frames.dtype}{list(frames.shape)}, expected uint8 {expected}"
        )
    if min(frames.shape[-3:-1]) < MIN_SIDE_PX:
        raise UserError(f"{name}: found {list(frames.shape)}, expected at least {MIN_SIDE_PX} px")
    return frames


def audio_excerpts(blocks, block_frames):
    """Cuts a stream of samples into the excerpts behind consecutive blocks of video frames.

    Each is what `audio_excerpt` cuts from the whole recording, but only the samples around the
    block are kept.

    Args:
      blocks: iterable of [n] arrays, the recording in order.
      block_frames: video frames of a block.

    Yields:
      The excerpt of a block, and how many of them lie in the recording.
    """
    blocks = iter(blocks)
    kept, first, frame = next(blocks), 0, 0  # kept[0] is the first sample of frame `first`
    while True:
        samples_behind = len(kept) - SAMPLES_PER_FRAME * (frame + block_frames - first)
        if samples_behind < MARGIN_SAMPLES and (block := next(blocks, None)) is not None:
            kept = np.concatenate([kept, block])
            continue
        num_frames = num_video_frames(len(kept)) - (frame - first)
        if num_frames <= 0:
            return
        excerpt = audio_excerpt(kept, frame - first, block_frames)
        yield excerpt, min(num_frames, block_frames)
        frame += block_frames
        drop = max(0, frame - LEAD_FRAMES) - first
        kept, first = kept[SAMPLES_PER_FRAME * drop :], first + drop


def face_boxes(image, motion):
    """The squares around the faces of two files, cut as corpora of real videos are.

    Args:
      image: file of the portrait.
      motion: file of the motion source, or None.

    Returns:
      {"box", "motion_box": (x0, y0, x1, y1) in px}, the latter where there is a motion source.

    Raises:
      UserError: no face is found, or nothing that finds one is installed.
    """
    with face_detector("auto") as detector:
        boxes = {"box": portrait_box(read_image(image), detector)}
        if motion:
            boxes["motion_box"] = video_box(read_video(motion), detector)
    for option, path, box in zip(("--image", "--motion"), (image, motion), boxes.values()):
        if box is None:
            raise UserError(f"{option}: found no face in {path}, expected one; use --crop square")
    return boxes
