"""Faces in drawn pictures of known pose; skipped where the extra `face` is not installed."""

import builtins

import numpy as np
import pytest
from PIL import Image

from jaxtalk.core.errors import UserError
from jaxtalk.media import crop, face_mesh
from jaxtalk.media.face_detector import face_detector
from jaxtalk.media.face_track import face_tracks, main_track, num_rivals, overlap
from jaxtalk.media.head_pose import head_frame, head_pose
from tests.tfds_builders import drawn_heads

SIZE = 256


@pytest.fixture(scope="module")
def mesh_detector():
    pytest.importorskip("mediapipe.python.solution_base")
    with face_detector("mesh") as detector:
        yield detector


@pytest.fixture(scope="module")
def cascade_detector():
    pytest.importorskip("cv2")
    with face_detector("cascade") as detector:
        yield detector


@pytest.fixture(scope="module")
def scene():
    return drawn_heads.scene_of(0, SIZE, style="short")


@pytest.fixture(scope="module")
def ahead(scene):
    return drawn_heads.picture(scene)


def true_box(frame):
    """Of the landmarks; they do not have the forehead."""
    return np.concatenate([frame.landmarks.min(0), frame.landmarks.max(0)])


def test_finds_the_face_and_its_landmarks(mesh_detector, ahead):
    assert mesh_detector.name == "mesh"
    (face,) = mesh_detector.detect(ahead.image)
    assert face.box.dtype == np.float32 and face.mesh.shape == (468, 3)
    assert 0.5 < face.score <= 1.0
    assert overlap(face.box, true_box(ahead)) > 0.6
    error = np.linalg.norm(face_mesh.landmarks_68(face.mesh) - ahead.landmarks, axis=-1)
    assert error[17:].mean() < 0.06 * np.ptp(ahead.landmarks[:, 1])


def test_the_result_is_that_of_the_picture_alone(mesh_detector, ahead):
    (first,) = mesh_detector.detect(ahead.image)
    for other in (np.zeros_like(ahead.image), ahead.image[:, ::-1].copy()):
        mesh_detector.detect(other)
        (again,) = mesh_detector.detect(ahead.image)
        np.testing.assert_array_equal(again.mesh, first.mesh)


def test_two_faces_in_a_wide_picture(mesh_detector, scene, ahead):
    other = drawn_heads.picture(drawn_heads.scene_of(1, SIZE, style="short"))
    small = Image.fromarray(other.image).resize((160, 160))
    wide = np.full((SIZE, 3 * SIZE, 3), 120, np.uint8)
    wide[:, :SIZE] = ahead.image
    wide[40:200, 500:660] = np.asarray(small)
    faces = sorted(mesh_detector.detect(wide), key=lambda face: face.box[0])
    (alone,) = mesh_detector.detect(ahead.image)
    assert len(faces) == 2
    assert overlap(faces[0].box, alone.box) > 0.9
    scaled = true_box(other) * 160 / SIZE + (500, 40, 500, 40)
    assert overlap(faces[1].box, scaled) > 0.6
    tracks = face_tracks([mesh_detector.detect(wide) for _ in range(3)])
    assert [len(track.frames) for track in tracks] == [3, 3]
    main = main_track(tracks)
    assert overlap(main.boxes[0], alone.box) > 0.9 and num_rivals(tracks, main) == 1


def test_pose_follows_the_true_one(mesh_detector, scene):
    """Each angle alone, over the range of the corpus; the correlation of one with the truth."""
    poses = np.zeros((15, 3))
    for axis, reach in enumerate((0.4, 0.25, 0.2)):
        poses[5 * axis : 5 * axis + 5, axis] = np.linspace(-reach, reach, 5)
    faces = [
        mesh_detector.detect(drawn_heads.picture(scene, rotation=pose).image)[0] for pose in poses
    ]
    meshes = np.stack([face.mesh for face in faces])
    found = head_pose(meshes, (SIZE, SIZE), focal_px=scene.camera.focal * SIZE)
    for axis, bound in enumerate((0.98, 0.9, 0.98)):
        part = slice(5 * axis, 5 * axis + 5)
        slope = np.polyfit(poses[part, axis], found[part, axis], 1)[0]
        assert np.corrcoef(poses[part, axis], found[part, axis])[0, 1] > bound
        assert 0.6 < slope < 1.4, (axis, slope)
    np.testing.assert_allclose(found[:, 5], -80.0, rtol=0.25)
    # Without pose, the meshes of one face that does not move are nearly one.
    steady = head_frame(meshes)
    assert np.std(steady, axis=0).mean() < 0.3  # cm


def test_eyes_and_mouth(mesh_detector, scene):
    pictures = [
        drawn_heads.picture(scene),
        drawn_heads.picture(scene, blink_left=1.0, blink_right=1.0),
        drawn_heads.picture(scene, jaw_open=1.8),
    ]
    meshes = np.stack([mesh_detector.detect(p.image)[0].mesh for p in pictures])
    landmarks = face_mesh.landmarks_68(meshes)
    assert face_mesh.blinks(landmarks[[0, 0, 0, 1, 0]]).tolist() == [False] * 3 + [True, False]
    opening = landmarks[:, 66, 1] - landmarks[:, 62, 1]
    assert opening[2] > opening[0] + 5
    boxes = face_mesh.mouth_box(landmarks)
    for box, picture in zip(boxes, pictures):
        assert overlap(box, face_mesh.mouth_box(picture.landmarks[None])[0]) > 0.6


def test_no_face(mesh_detector, cascade_detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    for detector in (mesh_detector, cascade_detector):
        assert detector.detect(noise) == []
        assert crop.portrait_box(noise, detector) is None
        with pytest.raises(ValueError, match=r"image: found float64\[8, 8, 3\]"):
            detector.detect(np.zeros((8, 8, 3)))


def test_boxes_of_both_detectors_mean_the_same(mesh_detector, cascade_detector, ahead):
    assert cascade_detector.name == "cascade"
    (ours,) = cascade_detector.detect(ahead.image)
    (theirs,) = mesh_detector.detect(ahead.image)
    assert ours.mesh is None and 0 < ours.score < 1
    assert overlap(ours.box, theirs.box) > 0.7


def test_portrait_is_cut_around_the_face(mesh_detector, ahead):
    wide = np.full((300, 600, 3), 120, np.uint8)
    wide[44:, 330:586] = ahead.image
    box = crop.portrait_box(wide, mesh_detector)
    expected = np.add(true_box(ahead), (330, 44, 330, 44))
    assert box[0] < expected[0] and box[2] > expected[2] and box[3] > expected[3]
    assert box[2] - box[0] < 1.6 * np.ptp(ahead.landmarks[:, 1])


def test_choice_is_reported(mesh_detector, monkeypatch):
    with face_detector() as detector:
        assert detector.name == "mesh"
    imported = builtins.__import__

    def without(*missing):
        def importer(name, *args):
            if name.split(".")[0] in missing:
                raise ImportError(f"No module named {name!r}")
            return imported(name, *args)

        return importer

    monkeypatch.setattr(builtins, "__import__", without("mediapipe"))
    with face_detector() as detector:
        assert detector.name == "cascade"


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("auto", "no mediapipe .* and no OpenCV"), ("mesh", "no mediapipe"), ("cascade", "no OpenCV")],
)
def test_without_the_extra(monkeypatch, kind, missing):
    imported = builtins.__import__

    def importer(name, *args):
        if name.split(".")[0] in ("mediapipe", "cv2"):
            raise ImportError(f"No module named {name!r}")
        return imported(name, *args)

    monkeypatch.setattr(builtins, "__import__", importer)
    with pytest.raises(UserError, match=f"detector: found {missing}.*install_face.sh"):
        with face_detector(kind):
            pass


def test_kinds():
    with pytest.raises(UserError, match="detector: found 'dlib', expected one of auto"):
        with face_detector("dlib"):
            pass
