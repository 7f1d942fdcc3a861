"""Pictures of head poses: the wire box that AVCT's networks look at (Wang et al. 2022).

Agrees with the public release, which draws by OpenCV on a canvas of floats: lines two pixels wide,
not anti-aliased. Coordinates of corners are 16.16 fixed-point numbers, as in OpenCV.
"""

import numpy as np

SIZE = 256
FOCAL_LENGTH, CENTRE = 233.333, 128.0
# Half size and depth of the squares at the back and in front.
_BACK, _FRONT = (75.0, 0.0), (100.0, 100.0)
_WIDTH = 2
_SHIFT = 16
_ONE, _HALF = 1 << _SHIFT, 1 << _SHIFT - 1
_FAR = 2**31 - 1  # px; corners beside or behind the camera are anywhere


def pose_boxes(poses):
    """Pictures of boxes.

    Args:
      poses: [..., 6], rotation vector in radians and translation in the units of the box.

    Returns:
      uint8 [..., 256, 256], 255 on lines and 0 elsewhere.
    """
    poses = np.asarray(poses, np.float64)
    points = np.clip(box_points(poses), -_FAR, _FAR).astype(int).reshape(-1, 10, 2)
    boxes = np.zeros((len(points), SIZE, SIZE), np.uint8)
    for canvas, corners in zip(boxes, points):
        corners = [(int(x), int(y)) for x, y in corners]
        edges = list(zip(corners[-1:] + corners, corners))
        for start, end in edges + [(corners[i], corners[i + 5]) for i in (1, 2, 3)]:
            _draw_line(canvas, start, end)
    return boxes.reshape(*poses.shape[:-1], SIZE, SIZE)


def box_points(poses):
    """[..., 6] -> float64 [..., 10, 2] in px, the back square and the front one, both closed.

    Corners behind the camera are projected through it, as by OpenCV.
    """
    poses = np.asarray(poses, np.float64)
    turns = ((-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1))
    corners = np.array(
        [(size * x, size * y, depth) for size, depth in (_BACK, _FRONT) for x, y in turns]
    )
    moved = corners @ np.swapaxes(_rotation(poses[..., :3]), -1, -2) + poses[..., None, 3:]
    depth = np.where(moved[..., 2:] == 0, 1.0, moved[..., 2:])
    return FOCAL_LENGTH * moved[..., :2] / depth + CENTRE


def _rotation(vectors):
    """Matrices [..., 3, 3] of rotation vectors [..., 3] (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.where(angle[..., 0] > 0, angle[..., 0], 1), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _draw_line(canvas, start, end):
    """A line from pixel to pixel, and a cross of five pixels over each end.

    OpenCV cuts it first at whole pixels, two of them outside the canvas.
    """
    ends = _clipped(start, end, -_WIDTH, SIZE - 1 + _WIDTH)
    if ends is None:
        return
    start, end = ends
    for x, y in (start, end):
        for dx, dy in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
            _fill(canvas, x + dx, y + dy)
    (x0, y0), (x1, y1) = start, end
    length = np.hypot(x0 - x1, y1 - y0)
    if length > 0:
        across = round((y1 - y0) * _ONE / length), round((x0 - x1) * _ONE / length)
        polygon = [
            ((x << _SHIFT) + sign * across[0], (y << _SHIFT) + sign * across[1])
            for (x, y), sign in ((start, 1), (start, -1), (end, -1), (end, 1))
        ]
        for a, b in zip(polygon[-1:] + polygon, polygon):
            _draw_thin_line(canvas, a, b)
        _fill_quadrilateral(canvas, polygon)


def _fill(canvas, x, y):
    """Sets pixels (arrays or numbers), those that are on the canvas."""
    x, y = np.broadcast_arrays(x, y)
    there = (x >= 0) & (x < SIZE) & (y >= 0) & (y < SIZE)
    canvas[y[there], x[there]] = 255


def _divided(a, b):
    """The quotient of integers, rounded toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _clipped(start, end, low, high):
    """The part of a line with both coordinates from `low` to `high`, None if there is none."""
    ends = [list(start), list(end)]
    # First to the rows, then to the columns; each cut moves one end along the line.
    for axis in (1, 0):
        outside = [(p[axis] > high) - (p[axis] < low) for p in ends]
        if outside[0] and outside[0] == outside[1]:
            return None
        for p, side in zip(ends, outside):
            if side:
                bound = high if side > 0 else low
                rise = ends[1][axis] - ends[0][axis]
                along = ends[1][1 - axis] - ends[0][1 - axis]
                p[1 - axis] += _divided((bound - p[axis]) * along, rise)
                p[axis] = bound
    return ends


def _draw_thin_line(canvas, start, end):
    """One pixel for each column or row that it crosses, and one at its end."""
    ends = _clipped(start, end, 0, (SIZE << _SHIFT) - 1)
    if ends is None:
        return
    delta = [ends[1][axis] - ends[0][axis] for axis in (0, 1)]
    along = 0 if abs(delta[0]) > abs(delta[1]) else 1
    if delta[along] < 0:
        ends.reverse()
    length = abs(delta[along])
    rise = (ends[1][1 - along] - ends[0][1 - along]) << _SHIFT
    count = np.arange((length >> _SHIFT) + 1)
    pixels = [None, None]
    pixels[along] = (ends[0][along] + _HALF >> _SHIFT) + count
    step = _divided(rise, length | 1)
    pixels[1 - along] = ends[0][1 - along] + _HALF + step * count >> _SHIFT
    _fill(canvas, *pixels)
    _fill(canvas, *(value + _HALF >> _SHIFT for value in ends[1]))


def _fill_quadrilateral(canvas, polygon):
    """The rows of a convex polygon, between its left and its right side."""
    rows = [y + _HALF >> _SHIFT for _, y in polygon]
    top = min(range(4), key=lambda i: polygon[i][1])
    spans = [_side(polygon, rows, top, direction) for direction in (1, -1)]
    for y in range(max(rows[top], 0), min(max(rows), SIZE - 1) + 1):
        if all(y in span for span in spans):
            left, right = sorted(span[y] for span in spans)
            left, right = (left + _HALF >> _SHIFT), (right + _HALF >> _SHIFT)
            canvas[y, max(left, 0) : max(right + 1, 0)] = 255


def _side(polygon, rows, top, direction):
    """Row -> x along one side of a polygon, from its top corner down."""
    side, corner = {}, top
    while True:
        following = (corner + direction) % 4
        if rows[following] < rows[corner]:
            break
        (x0, _), (x1, _) = polygon[corner], polygon[following]
        height = rows[following] - rows[corner]
        if height:
            step = _divided(2 * (x1 - x0) + height, 2 * height)
            side |= {rows[corner] + i: x0 + step * i for i in range(height)}
        corner = following
        if corner == top:
            break
    return side
