"""Expression coefficients of videos that the network of Deng et al. 2019 has seen elsewhere.

Read are .mat files with one array for a video, a row for each frame of the file, and .npy files of
such an array. It has one of these widths:

    257     identity 80, expression 64, texture 80, angles 3, light 27, translation 3: `coeff` of
            PIRender's scripts/face_recon_videos.py, and of StyleTalk
    262     the same, with the 5 numbers of the crop
    64      expression
    70, 73  expression 64, angles 3, translation 3, without or with the crop: `coeff_3dmm` of
            SadTalker
"""

import io
import os
import struct

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import files
from jaxtalk.media.expression import NUM_EXPRESSION
from jaxtalk.pretrained import mat_file

SUFFIXES = (".mat", ".npy")
_NAMES = ("coeff", "coeff_3dmm", "exp")  # of arrays in a .mat file, the first choice first
_FIRST = {64: 0, 70: 0, 73: 0, 257: 80, 262: 80}  # width -> first column of expression


def beside(folder, name):
    """The file of coefficients of the source `name`, or None."""
    paths = (os.path.join(folder, name + suffix) for suffix in SUFFIXES)
    return next((path for path in paths if os.path.isfile(path)), None)


def read(path):
    """float32 [T, 64] of a .mat or .npy file.

    Raises:
      UserError: not readable, or not coefficients of one of the known widths.
    """
    with files.open_local(path) as file:
        data = file.read(mat_file.MAX_BYTES + 1)
    if path.endswith(".npy"):
        array = _from_npy(path, data)
    else:
        array = _from_mat(path, data)
    if array.ndim != 2 or array.shape[1] not in _FIRST or array.dtype.kind not in "fiu":
        raise UserError(
            f"{path}: found {array.dtype} {list(array.shape)}, expected [frames, n] with n one of "
            f"{', '.join(map(str, _FIRST))}, coefficients of Deng et al. 2019"
        )
    first = _FIRST[array.shape[1]]
    values = array[:, first : first + NUM_EXPRESSION].astype(np.float32)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: found coefficients that are not finite numbers; make it again")
    return values


def _from_npy(path, data):
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(
            f"{path}: not an array of numbers ({error}); expected a .npy file"
        ) from None
    if not isinstance(array, np.ndarray):  # an .npz under another name
        raise UserError(f"{path}: found several arrays, expected one; save it by numpy.save")
    return array


def _from_mat(path, data):
    try:
        arrays = mat_file.read(data, _NAMES)
    except (ValueError, struct.error, OverflowError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); expected a .mat file of scipy or MATLAB 5 to 7"
        ) from None
    for name in _NAMES:
        if name in arrays:
            return arrays[name]
    raise UserError(f"{path}: found none of {', '.join(_NAMES)} in it, expected one")
