"""From landmarks to what networks of faces take: aligned faces, boxes of SyncNet, its MFCCs."""

import numpy as np
from PIL import Image

from jaxtalk.media.face_mesh import landmarks_68
from jaxtalk.media.speech_features import HOP, cepstra_and_bands
from jaxtalk.metrics.landmarks import EYES
from jaxtalk.metrics.sync import WINDOW_FRAMES
from jaxtalk.nn.syncnet_cz import FRAME_SIZE, NUM_MFCC_STEPS, STEPS_PER_FRAME

# Where ArcFace's faces of 112 px have their eyes, nose and corners of the mouth (insightface).
ARCFACE_PX = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
NOSE_TIP, MOUTH_CORNERS = 30, [48, 54]
CROP_SCALE = 0.4  # of syncnet_python
SMOOTHING_FRAMES = 13
BEYOND_FRAME = 110  # grey level


def mesh_observer(detector):
    """Observer of frames (see `observers`): the landmarks of the best face of each."""

    def see(frames, points, state):
        del points
        found = np.full((len(frames), 68, 2), np.nan)
        for i, frame in enumerate(frames):
            if detected := detector.detect(frame):
                found[i] = landmarks_68(detected[0].mesh)
        return found, state

    return see


def similarity(source, target):
    """The similarity transform of least squares (Umeyama 1991): [N, 2] twice -> [2, 3].

    target is about matrix[:, :2] @ source + matrix[:, 2].
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    left, sizes, right = np.linalg.svd(b.T @ a)
    mirror = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    scale = (sizes * mirror).sum() / (a**2).sum()
    turn = scale * (left * mirror) @ right
    return np.concatenate([turn, (target_mean - turn @ source_mean)[:, None]], axis=1)


def aligned(frame, points, size):
    """The face as ArcFace takes it: eyes, nose and mouth brought to fixed places.

    Args:
      frame: uint8 [H, W, 3].
      points: [68, 2] px; NaN gives black.
      size: side of the result.

    Returns:
      uint8 [size, size, 3].
    """
    if not np.isfinite(points).all():
        return np.zeros((size, size, 3), np.uint8)
    eyes = points[EYES].mean(axis=1)
    five = np.concatenate([eyes, points[[NOSE_TIP]], points[MOUTH_CORNERS]])
    back = similarity(ARCFACE_PX * size / 112, five)  # of the result -> of the frame
    image = Image.fromarray(frame).transform(
        (size, size), Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BILINEAR
    )
    return np.array(image)


def lip_sync_crops(frames, points, recent=None):
    """What SyncNet sees: a square around the face and below it, as syncnet_python cuts it.

    Deviations: the box of a face is that of its 68 landmarks with the forehead of a third of its
    height, and its median is taken over the last 13 frames instead of the 13 around. Without
    landmarks the largest centred square is taken, which suits videos that are cut around the face.

    Args:
      frames: uint8 [n, H, W, 3].
      points: [n, 68, 2] px, NaN in frames without a face, or None.
      recent: boxes [m, 3] of the frames before, or None.

    Returns:
      (uint8 [n, 224, 224, 3], boxes for the next call).
    """
    height, width = frames.shape[1:3]
    centred = np.array([width / 2, height / 2, min(height, width) / 2 / (1 + CROP_SCALE)])
    recent = [] if recent is None else list(recent)
    crops = []
    for i, frame in enumerate(frames):
        recent.append(centred if points is None else _face_square(points[i], recent, centred))
        recent = recent[-SMOOTHING_FRAMES:]
        x, y, half = np.median(recent, axis=0)
        # With landmarks the chin side is longer, so that a wide-open mouth stays inside.
        down = 0 if points is None else CROP_SCALE * half
        side = (1 + CROP_SCALE) * half
        box = (x - side, y - side + down, x + side, y + side + down)
        image = Image.fromarray(frame).transform(
            (FRAME_SIZE, FRAME_SIZE),
            *(Image.Transform.EXTENT, box, Image.Resampling.BILINEAR),
            fillcolor=(BEYOND_FRAME,) * 3,
        )
        crops.append(np.array(image))
    return np.stack(crops), np.array(recent)


def _face_square(points, recent, otherwise):
    """(centre x, centre y, half side) of a face; the last one where there is none."""
    if not np.isfinite(points).all():
        return recent[-1] if recent else otherwise
    low, high = points.min(axis=0), points.max(axis=0)
    low[1] -= (high[1] - low[1]) / 3
    return np.array([*(low + high) / 2, (high - low).max() / 2])


def mfcc_windows(audio, num_frames):
    """int16 [S] -> float32 [num_frames - 4, 20, 13], of the windows of 5 frames; 0 beyond the end.

    As python_speech_features of samples in -32768..32767, which syncnet_python takes.
    """
    count = max(0, num_frames - WINDOW_FRAMES + 1)
    needed = STEPS_PER_FRAME * (count - 1) + NUM_MFCC_STEPS
    audio = np.asarray(audio, np.float64)
    audio = np.pad(audio, (0, max(0, needed * HOP + 240 - len(audio))))
    mfcc = cepstra_and_bands(audio)[0].astype(np.float32)
    return np.stack([mfcc[STEPS_PER_FRAME * t :][:NUM_MFCC_STEPS] for t in range(count)])
