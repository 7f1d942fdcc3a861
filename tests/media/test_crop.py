"""Squares around boxes of faces."""

import numpy as np
import pytest

from jaxtalk.media import crop
from jaxtalk.media.face import portrait_crop
from jaxtalk.media.face_detector import Face, FaceDetector


def reference_square(left, top, right, bottom, increase):
    """Growth of each side as AliaksandrSiarohin/video-preprocessing describes it."""
    width, height = right - left, bottom - top
    wider = max(increase, ((1 + 2 * increase) * height - width) / (2 * width))
    taller = max(increase, ((1 + 2 * increase) * width - height) / (2 * height))
    return (
        *(left - wider * width, top - taller * height),
        *(right + wider * width, bottom + taller * height),
    )


@pytest.mark.parametrize("increase", [0.0, 0.1, 0.3])
def test_square_of_the_first_order_model(increase):
    rng = np.random.default_rng(0)
    for _ in range(20):
        low = rng.uniform(0, 100, (7, 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 80, (7, 2))], axis=1)
        union = (*boxes[:, :2].min(0), *boxes[:, 2:].max(0))
        found = crop.crop_box(boxes, increase=increase)
        np.testing.assert_allclose(found, reference_square(*union, increase))
        assert found[2] - found[0] == pytest.approx(found[3] - found[1])


def test_one_box():
    assert crop.crop_box([10, 20, 30, 30], increase=0.0) == (10.0, 15.0, 30.0, 35.0)


def test_padding_in_sides_of_the_square():
    assert crop.padding((0, 0, 50, 50), (50, 60)) == 0.0
    assert crop.padding((-10, 5, 30, 45), (50, 60)) == pytest.approx(0.25)
    assert crop.padding((20, 20, 70, 70), (50, 60)) == pytest.approx(0.4)


def test_frames_are_cut_at_the_same_place():
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3)).astype(np.uint8)
    found = list(crop.crop_frames(frames, (-4, 10, 28, 42), 32))
    assert len(found) == 3 and found[0].shape == (32, 32, 3)
    for frame, cut in zip(frames, found):
        np.testing.assert_array_equal(cut[:30, 4:], frame[10:40, :28])
        np.testing.assert_array_equal(cut[:30, 0], cut[:30, 4])  # the edge, repeated


def test_portrait():
    image = np.random.default_rng(0).integers(0, 256, (100, 160, 3)).astype(np.uint8)
    faces = [
        Face(np.array([10, 10, 30, 34], np.float32), 0.9, None),
        Face(np.array([80, 20, 120, 70], np.float32), 0.6, None),
    ]
    box = crop.portrait_box(image, FaceDetector("fake", lambda image: faces))
    assert box == crop.crop_box([80, 20, 120, 70])  # the largest, not the surest
    assert portrait_crop(image, 64, box).shape == (64, 64, 3)
    for detector in (None, FaceDetector("fake", lambda image: [])):
        assert crop.portrait_box(image, detector) is None
    np.testing.assert_array_equal(
        portrait_crop(image, 64, None), portrait_crop(image, 64, (30, 0, 130, 100))
    )


def test_video():
    """The union of the largest faces of the frames that are looked at."""
    frames = [np.full((90, 90, 3), i, np.uint8) for i in range(7)]

    def detect(image):
        i = int(image[0, 0, 0])
        boxes = {0: [[10, 10, 30, 34], [0, 0, 9, 9]], 3: [[12, 8, 30, 34]], 5: [[0, 0, 90, 90]]}
        return [Face(np.array(box, np.float32), 0.9, None) for box in boxes.get(i, [])]

    found = crop.video_box(iter(frames), FaceDetector("fake", detect), stride=3)
    assert found == crop.crop_box([[10, 8, 30, 34]])
    assert crop.video_box(iter(frames[1:2]), FaceDetector("fake", detect)) is None


@pytest.mark.parametrize(
    "boxes", [np.zeros((0, 4)), np.zeros((2, 3)), [[0, 0, np.nan, 4]], [[5, 5, 5, 9]]]
)
def test_boxes_that_are_none(boxes):
    with pytest.raises(ValueError, match="boxes: found"):
        crop.crop_box(boxes)
