"""Where the faces of a picture are: MediaPipe's face mesh, or OpenCV's cascade where it is absent.

Each picture is looked at on its own, so that the result depends neither on the pictures before it
nor on how a video was cut into parts.
"""

import contextlib
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError

NUM_MESH = 468
KINDS = ("auto", "mesh", "cascade")

_GRAPH = "mediapipe/modules/face_landmark/face_landmark_front_cpu.binarypb"
_MIN_CONFIDENCE = (
    "facedetectionshortrangecpu__facedetectionshortrange__facedetection__"
    "TensorsToDetectionsCalculator.min_score_thresh"
)
_MIN_PRESENCE = "facelandmarkcpu__ThresholdingCalculator.threshold"
_CASCADE = "haarcascade_frontalface_default.xml"
# From the cascade's square to the extent of the mesh, as measured on procedural heads: centre,
# width and height in sides of the square.
_CASCADE_CENTRE, _CASCADE_EXTENT = (0.5, 0.6), (0.85, 0.97)
_CASCADE_STEP, _CASCADE_NEIGHBOURS, _CASCADE_MIN_SIDE = 1.1, 5, 32


class Face(NamedTuple):
    """A face in a picture, in px of it: x to the right, y down, (0, 0) the outer top left corner.

    Attributes:
      box: float32 [4], x0, y0, x1, y1: forehead to chin, cheek to cheek. It may reach beyond the
        picture.
      score: in [0, 1]; comparable between faces of the same detector.
      mesh: float32 [468, 3], smaller z is nearer to the camera, in px as x; None by the cascade.
    """

    box: np.ndarray
    score: float
    mesh: np.ndarray | None


class FaceDetector(NamedTuple):
    """`name` says what looks, "mesh" or "cascade"; `detect` takes uint8 [H, W, 3] and returns a
    list of `Face`, the highest score first."""

    name: str
    detect: object


@contextlib.contextmanager
def face_detector(kind="auto", *, max_faces=4, min_score=0.5):
    """A `FaceDetector`, closed at the end.

    The mesh is MediaPipe 0.10.21's, with its short-range detector: a face of an eighth of the
    picture's height is found, one of a sixteenth is not. The cascade finds frontal faces only.

    Args:
      kind: "mesh", "cascade", or "auto" = the mesh where it is installed, else the cascade.
      max_faces: how many to look for in a picture.
      min_score: of a detection of the mesh, in [0, 1]; the cascade has a threshold of its own.

    Raises:
      UserError: no such kind, or what it needs is not installed.
    """
    if kind not in KINDS:
        raise UserError(f"detector: found {kind!r}, expected one of {', '.join(KINDS)}")
    missing = []
    if kind != "cascade":
        try:
            from mediapipe.python.solution_base import SolutionBase
        except ImportError as error:
            missing.append(f"mediapipe ({error})")
        else:
            with _mesh_graph(SolutionBase, max_faces, min_score) as graph:
                yield FaceDetector("mesh", lambda image: _mesh_faces(graph, _checked(image)))
            return
    if kind != "mesh":
        try:
            import cv2
        except ImportError as error:
            missing.append(f"OpenCV ({error})")
        else:
            cascade = cv2.CascadeClassifier(cv2.data.haarcascades + _CASCADE)

            def detect(image):
                grey = cv2.cvtColor(_checked(image), cv2.COLOR_RGB2GRAY)
                return _cascade_faces(cascade, grey)[:max_faces]

            yield FaceDetector("cascade", detect)
            return
    raise UserError(
        f"detector: found no {' and no '.join(missing)}, needed to find faces; run "
        "bash launch/install_face.sh"
    )


def _checked(image):
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image: found {image.dtype}{list(image.shape)}, expected uint8 [H, W, 3]")
    return image


def _mesh_graph(solution_base, max_faces, min_score):
    """The graph of MediaPipe's `FaceMesh`, which keeps the detections to itself."""
    return solution_base(
        binary_graph_path=_GRAPH,
        side_inputs={"num_faces": max_faces, "with_attention": False, "use_prev_landmarks": False},
        calculator_params={_MIN_CONFIDENCE: min_score, _MIN_PRESENCE: 0.5},
        outputs=["multi_face_landmarks", "face_detections"],
    )


def _mesh_faces(graph, image):
    side = max(image.shape[:2])
    # In pictures that are not square, the graph turns a tilted face about the wrong axes.
    margins = [(0, side - length) for length in image.shape[:2]]
    found = graph.process({"image": np.pad(image, (*margins, (0, 0)))})
    boxes = [d.location_data.relative_bounding_box for d in found.face_detections or ()]
    centres = np.array([(b.xmin + b.width / 2, b.ymin + b.height / 2) for b in boxes])
    faces = []
    for points in found.multi_face_landmarks or ():
        mesh = np.array([(p.x, p.y, p.z) for p in points.landmark], np.float32)
        low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
        # A detection may have no mesh, and the graph does not say which.
        nearest = np.argmin(np.sum((centres - (low + high) / 2) ** 2, axis=-1))
        score = float(found.face_detections[nearest].score[0])
        faces.append(Face(np.concatenate([low, high]) * side, score, mesh * side))
    return sorted(faces, key=lambda face: -face.score)


def _cascade_faces(cascade, grey):
    squares, _, weights = cascade.detectMultiScale3(
        grey,
        _CASCADE_STEP,
        _CASCADE_NEIGHBOURS,
        minSize=(_CASCADE_MIN_SIDE, _CASCADE_MIN_SIDE),
        outputRejectLevels=True,
    )
    faces = []
    for (x, y, side, _), weight in zip(squares, np.ravel(weights)):
        centre = np.array([x, y]) + side * np.array(_CASCADE_CENTRE)
        half = side * np.array(_CASCADE_EXTENT) / 2
        box = np.concatenate([centre - half, centre + half]).astype(np.float32)
        weight = max(0.0, float(weight))
        faces.append(Face(box, weight / (1.0 + weight), None))
    return sorted(faces, key=lambda face: -face.score)
