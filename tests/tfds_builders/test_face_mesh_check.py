"""The bar's arithmetic, without the face mesh itself."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from tfds_builders.procedural_heads import face_mesh_check as check


def test_opening_of_the_corpus_mesh():
    mesh = np.zeros((3, 70, 3))
    mesh[:, 66, 1] = [0.0, -0.5, -1.2]
    np.testing.assert_allclose(check.opening_cm(mesh), [0.0, 0.5, 1.2])


def test_measured_opening_does_not_depend_on_the_size_of_the_face():
    landmarks = np.zeros((468, 3))
    landmarks[10], landmarks[152] = (0, -50, 3), (0, 50, 9)
    landmarks[13], landmarks[14] = (0, 10, 1), (0, 20, 2)
    assert check.measured_opening(landmarks) == pytest.approx(0.1)
    assert check.measured_opening(7.0 * landmarks) == pytest.approx(0.1)


def test_clips_that_count():
    true = np.linspace(0.0, 1.0, 20)
    assert check.clip_correlation(true, 3.0 * true + 1.0) == pytest.approx(1.0)
    assert check.clip_correlation(0.7 * true, true) is None  # hardly opens
    seen = np.where(np.arange(20) < 9, true, np.nan)
    assert check.clip_correlation(2.0 * true, seen) is None  # too few frames with a face
    assert check.clip_correlation(true, np.ones(20)) == 0.0


@pytest.mark.parametrize(
    ("found", "correlations", "passed"),
    [
        (100, [0.95] * 10, True),
        (97, [0.95] * 10, False),
        (100, [0.89] * 10, False),
        (100, [0.95] * 9 + [0.5], True),
        (100, [0.99] * 8 + [0.7] * 2, False),
        (100, [None] * 10, False),
        (100, [0.95] * 3 + [None] * 7, True),
    ],
)
def test_bar(found, correlations, passed):
    values, result = check.summary(100, found, correlations)
    assert result is passed
    assert values["clips"] == sum(r is not None for r in correlations)


def test_a_missing_corpus_is_said_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: --data_dir: found no .*build it with python -m"):
        check.main(["--data_dir", str(tmp_path)])
    with pytest.raises(UserError, match="found no"):
        check.main(["--data_dir", str(tmp_path), "--debug"])


def test_a_corpus_that_cannot_be_read_is_said_in_one_line(tmp_path, monkeypatch):
    def refuse(directory, split):
        raise PermissionError(13, "Permission denied", directory)

    (tmp_path / "procedural_heads/heads_256/1.0.0").mkdir(parents=True)
    monkeypatch.setattr(check, "check", refuse)
    with pytest.raises(SystemExit, match=r"^error: .*Permission denied"):
        check.main(["--data_dir", str(tmp_path)])
