"""Where in the codes the motion of a clip lies; a deviation of the demo, see `configs/psp.py`.

A StyleGAN that was trained adversarially on millions of pictures orders its styles by itself; an
autoencoder that learned in hours does not. The turn of a head ends up in all styles at once, where
StyleTalker's blocks, each drawing for itself, cannot keep it together, and a blink, a few pixels in
a few frames, nowhere. So each measure of a face, of its landmarks and pose, gets an entry of a
style vector of its own: from frame to frame of a clip that entry must change as the measure does,
and all other entries as little as possible.
"""

import jax.numpy as jnp
import numpy as np

from jaxtalk.ops.landmarks import eye_opening, mouth_opening

# Points that no expression moves much: nose, corners of the eyes.
_RIGID = np.array([27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45])
_EYE_CORNERS = np.array([36, 39, 42, 45])
_BROWS = np.arange(17, 27)

# Measure -> (function of landmarks [..., 68, 2] in [-1, 1] and pose [..., 6], its usual standard
# deviation within a clip of the embedded corpus at 64 px, in the same unit).
MEASURES = {
    "yaw": (lambda points, pose: pose[..., 0], 0.06),
    "pitch": (lambda points, pose: pose[..., 1], 0.03),
    "roll": (lambda points, pose: pose[..., 2], 0.02),
    "x": (lambda points, pose: points[..., _RIGID, 0].mean(axis=-1), 0.04),
    "y": (lambda points, pose: points[..., _RIGID, 1].mean(axis=-1), 0.02),
    "brows": (
        lambda points, pose: (
            points[..., _EYE_CORNERS, 1].mean(axis=-1) - points[..., _BROWS, 1].mean(axis=-1)
        ),
        0.005,
    ),
    "mouth_opening": (lambda points, pose: mouth_opening(points), 0.025),
    "mouth_width": (lambda points, pose: jnp.abs(points[..., 54, 0] - points[..., 48, 0]), 0.03),
    "eye_opening": (lambda points, pose: eye_opening(points), 0.012),
}


def places(anchors):
    """[K], [K] style and entry of each measure of `config.model.anchors`, a mapping to styles.

    Measures of one style take its first entries, in alphabetical order.
    """
    names = sorted(anchors)
    styles = np.array([anchors[name] for name in names], np.int32)
    entries = [int((styles[:i] == style).sum()) for i, style in enumerate(styles)]
    return styles, np.array(entries, np.int32)


def measure(anchors, landmarks, pose):
    """[..., K] in usual standard deviations, in the order of `places`.

    Args:
      anchors: measure -> style.
      landmarks: [..., 68, 2] in [-1, 1], right and down.
      pose: [..., 6] rad and cm; yaw, pitch and roll count.
    """
    columns = [MEASURES[name][0](landmarks, pose) / MEASURES[name][1] for name in sorted(anchors)]
    return jnp.stack(columns, axis=-1)


def motion_errors(anchors, scale, *, offsets, landmarks, pose, num_styles):
    """How far the motion between the frames of pairs is from where it belongs.

    Args:
      anchors: measure -> style.
      scale: change of an entry for a change of its measure by a standard deviation.
      offsets: [B, 2, num_ws, w_dim], codes of pairs of frames of a clip.
      landmarks, pose: [B, 2, ...], see `measure`.
      num_styles: styles that hold motion, the first ones.

    Returns:
      {"anchor": [B], squared error of the anchored entries' change, in standard deviations, the
      mean over the measures; "stray": [B], mean square of the change of all other entries of these
      styles, in units of `scale`}.
    """
    styles, entries = places(anchors)
    change = (offsets[:, 0, :num_styles] - offsets[:, 1, :num_styles]) / scale
    found = measure(anchors, landmarks, pose)
    error = jnp.square(change[:, styles, entries] - (found[:, 0] - found[:, 1]))
    free = np.ones(change.shape[1:], np.float32)
    free[styles, entries] = 0.0
    return {
        "anchor": error.mean(axis=-1),
        "stray": (jnp.square(change) * free).sum(axis=(1, 2)) / free.sum(),
    }
