"""What is said in a video, from a text file beside it, and when each phoneme of it sounds.

LRS2 and LRS3 come with such texts: 00001.txt beside 00001.mp4, with a line "Text:  WHAT IS SAID"
and others below. Any other text file is taken whole, as are the .lab files that the Montreal Forced
Aligner takes. VoxCeleb2, MEAD and HDTF are published without.
"""

import os

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import audio, files, phonemes

SUFFIXES = (".txt", ".lab")
_MAX_BYTES = 1 << 16
# Of a whole recording: alignment holds all of it, and tells of its progress only at its end.
MAX_DURATION_S = 120
_BLOCK_SAMPLES = 10 * audio.SAMPLE_RATE_HZ


def beside(video_path):
    """The file with what is said in a video, or None."""
    stem = os.path.splitext(video_path)[0]
    return next((stem + s for s in SUFFIXES if os.path.isfile(stem + s)), None)


def spoken(path):
    """The text of a file.

    Raises:
      UserError: not readable, too long, or not text.
    """
    with files.open_local(path) as file:
        data = file.read(_MAX_BYTES + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: found bytes that are no UTF-8, expected text") from None
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path}: found more than {_MAX_BYTES} bytes, expected what is said")
    for line in text.splitlines():
        if line.startswith("Text:"):
            return line.removeprefix("Text:").strip()
    return text


def segments(path, sound_path):
    """When each phoneme sounds: pairs (class, start in s of the recording).

    Args:
      path: of the transcript.
      sound_path: audio or video file.

    Raises:
      UserError: one of them cannot be read, the recording is too long, the text has words that the
        dictionary lacks, or does not fit.
    """
    text, blocks, length = spoken(path), [], 0
    for block in audio.stream_audio(sound_path, _BLOCK_SAMPLES):
        blocks.append(audio.to_int16(block))
        length += len(block)
        if length > MAX_DURATION_S * audio.SAMPLE_RATE_HZ:
            raise UserError(
                f"{path}: found more than {MAX_DURATION_S} s of sound, expected a transcript of a "
                "shorter video"
            )
    return phonemes.align(np.concatenate(blocks), text)
