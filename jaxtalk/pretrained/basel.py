"""Reader of the Basel face model as Deep3DFaceRecon_pytorch prepares it (`BFM_model_front.mat`).

The Basel face model may not be passed on: users ask the University of Basel for it and prepare the
file themselves. It is read as arrays; nothing in it is executed, see `jaxtalk.pretrained.mat_file`.
"""

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.nn.face_model import SIZES, FaceModel
from jaxtalk.pretrained import mat_file
from jaxtalk.pretrained.torch_file import opened

NUM_LANDMARKS = 68
MAX_SIZE = 1 << 18  # of an axis; the public model has 107,127 coordinates
FIELDS = (
    *("meanshape", "idBase", "exBase", "meantex", "texBase"),
    *("tri", "point_buf", "keypoints"),
)


def load(path):
    """The `FaceModel` of a .mat file.

    Args:
      path: the file: `meanshape` and `meantex` [1, 3 N], `idBase`, `exBase`, `texBase` [3 N, 80,
        64 or 80], and, counted from 1, `tri` [F, 3], `point_buf` [N, 8] (F + 1 for none) and
        `keypoints` [1, 68]. Other fields are not read.

    Raises:
      UserError: there is no such file, or it holds something else.
    """
    try:
        with opened(path) as file:
            fields = mat_file.read(file.read(), FIELDS)
    except UserError as error:
        raise UserError(
            f"{error}; expected BFM_model_front.mat, as Deep3DFaceRecon_pytorch prepares it"
        ) from None
    return from_fields(fields, name=path)


def from_fields(fields, name="face model"):
    """The `FaceModel` of arrays by the names of `load`; `name` is for messages.

    The mean shape is moved so that the mean of its vertices is 0.

    Raises:
      UserError: a field is missing or has another type, shape or range.
    """

    def field(key, shape, integers=False):
        if key not in fields:
            raise UserError(f"{name}: {key!r} is missing, expected BFM_model_front.mat")
        array = np.asarray(fields[key])
        fits = array.ndim == len(shape) and all(
            n in (-1, m) and m <= MAX_SIZE for n, m in zip(shape, array.shape)
        )
        if not fits or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise UserError(
                f"{name}: {key!r} is {array.dtype} {array.shape}, expected finite numbers "
                f"{shape} (-1: up to {MAX_SIZE}); is it BFM_model_front.mat?"
            )
        return array.astype(np.int64 if integers else np.float32)

    def indices(key, shape, count):
        found = field(key, shape, integers=True) - 1
        if found.min() < 0 or found.max() >= count:
            raise UserError(
                f"{name}: {key!r} has numbers from {found.min() + 1} to {found.max() + 1}, "
                f"expected 1 to {count}"
            )
        return found.astype(np.int32)

    mean_shape = field("meanshape", (1, -1))
    size = mean_shape.size
    if size == 0 or size % 3:
        raise UserError(f"{name}: 'meanshape' has {size} numbers, expected three a vertex")
    mean_shape = mean_shape.reshape(-1, 3)
    triangles = indices("tri", (-1, 3), size // 3)
    return FaceModel(
        mean_shape=mean_shape - mean_shape.mean(axis=0, dtype=np.float64).astype(np.float32),
        identity_basis=field("idBase", (size, SIZES["identity"])).reshape(size // 3, 3, -1),
        expression_basis=field("exBase", (size, SIZES["expression"])).reshape(size // 3, 3, -1),
        mean_texture=field("meantex", (1, size)).reshape(-1, 3),
        texture_basis=field("texBase", (size, SIZES["texture"])).reshape(size // 3, 3, -1),
        triangles=triangles,
        vertex_triangles=indices("point_buf", (size // 3, 8), len(triangles) + 1),
        landmarks=indices("keypoints", (1, NUM_LANDMARKS), size // 3)[0],
    )
