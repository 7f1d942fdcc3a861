"""The published annotation of an utterance: which part of which video, and where the face is.

    Identity  : 	id00017
    Reference : 	_mjZ87sK6cA
    Offset    : 	2
    FV Conf   : 	16.140	(1)
    ASD Conf  : 	5.142

    FRAME 	X 	Y 	W 	H
    008809 	0.123 	0.136 	0.422 	0.749

Frames count at 25 a second; boxes are in parts of the picture.
"""

import numpy as np

from jaxtalk.core.errors import UserError
from tfds_builders.preparation.sources import Segment

_FPS = 25


def read_segment(path):
    """`Segment` of an annotation file, with the mean of its boxes.

    Raises:
      UserError: not such a file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UserError(f"{path}: {reason.lower()}; expected an annotation of VoxCeleb2") from None
    rows = [line for line in lines if len(line) == 5 and line[0].isdigit()]
    try:
        numbers = np.array(rows, float)
    except ValueError:
        numbers = np.zeros(0)
    if not numbers.size or not np.isfinite(numbers).all():
        raise UserError(
            f"{path}: found no rows of FRAME X Y W H, expected an annotation of VoxCeleb2"
        )
    frames, (x, y, width, height) = numbers[:, 0], numbers[:, 1:].mean(0)
    face = tuple(round(float(v), 4) for v in (x, y, x + width, y + height))
    return Segment(float(frames.min() / _FPS), float((frames.max() + 1) / _FPS), face)
