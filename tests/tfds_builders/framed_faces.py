"""Stand-ins for face detectors, for tests where no real one is installed; quick to import."""

import contextlib
import functools
import os
import signal
import time

import numpy as np
from scipy import ndimage

from jaxtalk.media.face_detector import NUM_MESH, Face, FaceDetector
from jaxtalk.media.head_pose import RIGID_INDICES, RIGID_POINTS


@contextlib.contextmanager
def framed_faces(kind):
    """A detector that finds magenta frames; takes the place of `face_detector.face_detector`."""
    del kind
    yield FaceDetector("mesh", _framed_faces)


def _framed_faces(image):
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    labels, _ = ndimage.label(np.minimum(red, blue) - green > 120, np.ones((3, 3)))
    faces = []
    for rows, columns in ndimage.find_objects(labels):
        box = np.array([columns.start, rows.start, columns.stop, rows.stop], np.float32)
        if (box[2:] - box[:2]).min() > 40:
            faces.append(Face(box, 0.9, _mesh(box)))
    return sorted(faces, key=lambda face: -np.prod(face.box[2:] - face.box[:2]))


@contextlib.contextmanager
def whole_pictures(kind):
    """A detector to which each picture is a face, so that a clip shows all of it."""
    del kind

    def detect(image):
        side = np.array(image.shape[1::-1], np.float32)
        box = np.concatenate([side / 12, side * 11 / 12])
        return [Face(box, 0.9, _mesh(box))]

    yield FaceDetector("mesh", detect)


@functools.cache
def _points():
    points = np.random.default_rng(0).uniform(-7, 7, (NUM_MESH, 3))
    points[RIGID_INDICES] = RIGID_POINTS
    return points


def _mesh(box):
    """A mesh that fills the box."""
    centre = (*((box[:2] + box[2:]) / 2), 0)
    scale = (box[3] - box[1]) / 20
    return (centre + _points() * (scale, -scale, -scale)).astype(np.float32)


@contextlib.contextmanager
def hostile_faces(kind):
    """`framed_faces`, but a red picture kills the process and a blue one stops it."""
    with framed_faces(kind) as detector:

        def detect(image):
            red, green, blue = image.mean((0, 1))
            if red > 200 and max(green, blue) < 60:
                os.kill(os.getpid(), signal.SIGKILL)
            if blue > 200 and max(red, green) < 60:
                time.sleep(600)
            return detector.detect(image)

        yield detector._replace(detect=detect)
