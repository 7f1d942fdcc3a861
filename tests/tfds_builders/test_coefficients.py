"""Expression coefficients from files beside the videos, by the times of their frames."""

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from jaxtalk.media import video
from tests.tfds_builders import corpora, video_trees
from tfds_builders.preparation import coefficients
from tfds_builders.video_folder.video_folder_dataset_builder import VideoFolder

FRAMES = 34  # of each file


def of_deng(num_frames, width=257, first=80):
    """[T, width]; the first coefficient of expression counts frames, the last one counts back."""
    array = np.random.default_rng(0).standard_normal((num_frames, width)).astype(np.float32)
    array[:, first], array[:, first + 63] = np.arange(num_frames), -np.arange(num_frames)
    return array


@pytest.mark.parametrize(("width", "first"), [(64, 0), (70, 0), (73, 0), (257, 80), (262, 80)])
def test_layouts(tmp_path, width, first):
    array = of_deng(5, width, first)
    np.save(tmp_path / "a.npy", array)
    name = "coeff" if width > 200 else "coeff_3dmm"
    scipy.io.savemat(tmp_path / "a.mat", {"transform_params": np.ones((5, 5)), name: array})
    for suffix in (".npy", ".mat"):
        found = coefficients.read(str(tmp_path / f"a{suffix}"))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, array[:, first : first + 64])


def test_files_of_something_else(tmp_path):
    def fault(name):
        with pytest.raises(UserError) as error:
            coefficients.read(str(tmp_path / name))
        return str(error.value)

    np.save(tmp_path / "narrow.npy", np.zeros((3, 50)))
    assert "found float64 [3, 50], expected [frames, n] with n one of 64" in fault("narrow.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    assert "not an array of numbers" in fault("objects.npy")
    np.save(tmp_path / "nan.npy", np.full((3, 64), np.nan))
    assert "not finite" in fault("nan.npy")
    scipy.io.savemat(tmp_path / "other.mat", {"pose": np.zeros((3, 3))})
    assert "found none of coeff, coeff_3dmm, exp in it" in fault("other.mat")
    scipy.io.savemat(tmp_path / "whole.mat", {"coeff": of_deng(9)})
    for length in (150, 1000):
        (tmp_path / "cut.mat").write_bytes((tmp_path / "whole.mat").read_bytes()[:length])
        assert "cut.mat: cannot be read" in fault("cut.mat")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """(root, folder of coefficients)."""
    root, folder = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("coefficients")
    times = np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.06], FRAMES))
    for number, name in enumerate(("uneven", "fewer", "missing", "damaged", "plain")):
        uneven = times - times[0] if name != "plain" else None
        pictures = video_trees.pictures(0, FRAMES)
        sound = video_trees.speech(2) * (1 + 0.1 * number)  # so that no video is a duplicate
        video_trees.write(root / f"a/{name}.mp4", pictures, uneven, sound=sound[: 640 * FRAMES])
    (folder / "a").mkdir()
    scipy.io.savemat(folder / "a/uneven.mat", {"coeff": of_deng(FRAMES)}, do_compression=True)
    scipy.io.savemat(folder / "a/fewer.mat", {"coeff": of_deng(FRAMES - 1)})
    (folder / "a/damaged.mat").write_text("no file of MATLAB")
    np.save(folder / "a/plain.npy", of_deng(FRAMES, 64, 0))
    return root, folder


@pytest.mark.parametrize("fps", [25, 30])
def test_each_frame_has_its_own(tree, tmp_path, fps):
    root, folder = tree
    arguments = ["--coefficients", str(folder), "--fps", str(fps), "--video", "jpeg"]
    path, report = corpora.build(VideoFolder, root, tmp_path, *arguments)
    assert corpora.left_out(report) == {
        "a/fewer": "coefficients do not fit",
        "a/missing": "no coefficients",
        "a/damaged": "unreadable",
    }
    details = {line["source"]: line["detail"] for line in report}
    assert details["a/fewer"] == (
        "found 33 rows in fewer.mat, expected 34, one for each frame of the video file"
    )
    assert details["a/damaged"].startswith("damaged.mat: cannot be read (no file of MATLAB 5 to 7)")
    builder = tfds.builder_from_directory(path)
    clips = {c["source_id"]: c for c in builder.as_data_source("train")}
    for name in ("uneven", "plain"):
        clip = clips[f"a/{name}/000".encode()]
        shown = np.repeat(np.arange(FRAMES), list(video.times_shown(root / f"a/{name}.mp4", fps)))
        assert clip["expression"].shape == (len(clip["video"]), 64) == (len(shown), 64)
        np.testing.assert_array_equal(clip["expression"][:, 0], shown)
        np.testing.assert_array_equal(clip["expression"][:, 63], -shown)
    assert builder.info.metadata["coefficients"] == "deng2019"


def test_files_that_changed_are_read_again(tree, tmp_path, capsys):
    root, _ = tree
    arguments = ["--coefficients", str(tmp_path / "new")]
    (tmp_path / "new/a").mkdir(parents=True)
    for first in (0, 7):
        np.save(tmp_path / "new/a/plain.npy", of_deng(FRAMES, 64, 0) + first)
        path, _ = corpora.build(
            *(VideoFolder, root, tmp_path / "data", "--config", f"from_{first}", *arguments)
        )
        clip = tfds.builder_from_directory(path).as_data_source("train")[0]
        np.testing.assert_array_equal(clip["expression"][:, 0], np.arange(FRAMES) + first)
    assert "5 videos, 1 of them prepared now" in capsys.readouterr().out


def test_bad_options(tree, tmp_path):
    root, folder = tree
    with pytest.raises(UserError, match=r"--coefficients: found no folder .*none"):
        corpora.build(VideoFolder, root, tmp_path, "--coefficients", str(tmp_path / "none"))
    with pytest.raises(
        UserError, match=r"--coefficients: found none of 5 videos in .*damaged\.mat"
    ):
        corpora.build(VideoFolder, root, tmp_path, "--coefficients", str(tmp_path))
    arguments = ["--coefficients", str(folder), "--expression_basis", "basis.npz"]
    with pytest.raises(UserError, match="--coefficients: found --expression_basis beside it"):
        corpora.build(VideoFolder, root, tmp_path, *arguments)
