"""Landmarks from files beside videos, of whatever detector: <clip>.landmarks.npy."""

import numpy as np

from jaxtalk.core.errors import UserError

ENDING = ".landmarks.npy"


def beside(option, videos):
    """The files of videos: {name: path} -> {name: path}.

    Raises:
      UserError: some have none.
    """
    found = {name: path.with_suffix(ENDING) for name, path in videos.items()}
    missing = sorted(path.name for path in found.values() if not path.is_file())
    if missing:
        more = "" if len(missing) <= 5 else ", ..."
        raise UserError(
            f"--landmark_files: {len(missing)} of {len(found)} videos of --{option} have none: "
            f"found no {', '.join(missing[:5])}{more}; expected [T, 68, 2] px beside each video"
        )
    return found


def read_landmarks(path, scale=(1.0, 1.0)):
    """Landmarks of a video, float64 [T, 68, 2] px; a row with a NaN is a frame without a face.

    Args:
      path: an array of one row for each frame at 25 fps, in px of the video as it is shown.
      scale: what x and y are multiplied with.

    Raises:
      UserError: no such file, or something else in it.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); expected an array [T, 68, 2] of numpy.save"
        ) from None
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape is None or len(shape) != 3 or shape[1:] != (68, 2) or dtype.kind not in "fiu":
        raise UserError(
            f"{path}: found {dtype} of {shape}, expected numbers of shape [T, 68, 2], x and y in px"
        )
    return np.array(array, np.float64) * np.array(scale)
