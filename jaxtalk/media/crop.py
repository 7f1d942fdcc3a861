"""From the boxes of a face to the square that is cut out of a video or a portrait.

`face.portrait_crop` cuts it out; builders and Talker choose the box here.
"""

import itertools

import numpy as np

from jaxtalk.media import face

_INCREASE = 0.1


def crop_box(boxes, *, increase=_INCREASE):
    """The square of a face track, as in the data preparation of the first-order motion model.

    The union of all boxes, centred in a square whose side is (1 + 2 * increase) times its longer
    side; the square stays where it is while the head moves (Siarohin et al. 2019,
    AliaksandrSiarohin/video-preprocessing). Deviations: the corners are not rounded to whole
    pixels, and beyond the picture its edge is repeated instead of dropping the clip; `padding`
    tells how far that goes.

    Args:
      boxes: [n, 4] or [4], x0, y0, x1, y1 in px.
      increase: on each side, in longer sides of the union.

    Returns:
      (x0, y0, x1, y1), floats, for `face.portrait_crop`.
    """
    boxes = np.atleast_2d(np.asarray(boxes, np.float64))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or not np.isfinite(boxes).all():
        raise ValueError(f"boxes: found {list(boxes.shape)}, expected finite [n, 4] with n >= 1")
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    if not (high > low).all():
        raise ValueError(f"boxes: found a union from {low} to {high}, expected an area")
    half = (1 + 2 * increase) * (high - low).max() / 2
    centre = (low + high) / 2
    return tuple(float(x) for x in (*(centre - half), *(centre + half)))


def padding(box, image_size):
    """How far a square reaches beyond a picture of (height, width), in sides of the square."""
    height, width = image_size
    x0, y0, x1, y1 = box
    return max(0.0, -x0, -y0, x1 - width, y1 - height) / (x1 - x0)


def crop_frames(frames, box, size):
    """The square of each frame: iterable of uint8 [H, W, 3] -> iterator of [size, size, 3]."""
    return (face.portrait_crop(frame, size, box) for frame in frames)


def portrait_box(image, detector, *, increase=_INCREASE):
    """The square around the largest face of a portrait, as `crop_box` of a clip of one frame.

    Args:
      image: uint8 [H, W, 3].
      detector: `face_detector.FaceDetector`, or None where there is none.

    Returns:
      (x0, y0, x1, y1); None, `portrait_crop`'s largest centred square, where no face is found.
    """
    box = _largest(detector.detect(image)) if detector else None
    return None if box is None else crop_box(box, increase=increase)


def video_box(frames, detector, *, stride=5, increase=_INCREASE):
    """The square around the largest face of a video, as `crop_box` of the frames looked at.

    Args:
      frames: iterable of uint8 [H, W, 3]; they are not kept.
      detector: `face_detector.FaceDetector`.
      stride: every which frame is looked at.

    Returns:
      (x0, y0, x1, y1); None where no face is found.
    """
    looked_at = itertools.islice(frames, 0, None, stride)
    boxes = [box for frame in looked_at if (box := _largest(detector.detect(frame))) is not None]
    return crop_box(np.array(boxes), increase=increase) if boxes else None


def _largest(faces):
    """The box [4] of the largest of some faces, or None."""
    areas = [np.prod(found.box[2:] - found.box[:2]) for found in faces]
    return faces[np.argmax(areas)].box if faces else None
