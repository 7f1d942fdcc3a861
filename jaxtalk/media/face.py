"""From a picture to the square around the face that the networks take."""

import numpy as np
from PIL import Image


def portrait_crop(image, size, box=None):
    """The square part of a picture at the networks' resolution.

    Args:
      image: uint8 [H, W, 3].
      size: side of the result in px.
      box: (x0, y0, x1, y1) in px of `image`, square, floats: x to the right, y down, (0, 0) the
        outer corner of the top left pixel, so that the whole picture is (0, 0, W, H). It may
        reach beyond the picture, whose edge pixels are then repeated. None = the largest centred
        square.

    Returns:
      uint8 [size, size, 3]; shrunk by a Hamming-windowed average over the area of each new pixel,
      which neither rings nor aliases, or enlarged bicubically.
    """
    height, width = image.shape[:2]
    if box is None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    x0, y0, x1, y1 = box
    before = (max(0, int(np.ceil(-y0))), max(0, int(np.ceil(-x0))))
    after = (max(0, int(np.ceil(y1 - height))), max(0, int(np.ceil(x1 - width))))
    if any(before + after):
        image = np.pad(image, (*zip(before, after), (0, 0)), mode="edge")
    box = (x0 + before[1], y0 + before[0], x1 + before[1], y1 + before[0])
    shrink = x1 - x0 >= size
    method = Image.Resampling.HAMMING if shrink else Image.Resampling.BICUBIC
    return np.array(Image.fromarray(image).resize((size, size), method, box=box))
