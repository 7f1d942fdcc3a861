"""MEAD in its published layout: actors x views x emotions x levels."""

import re
import shutil

import pytest
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError
from tests.tfds_builders import corpora, video_trees
from tfds_builders.mead.mead_dataset_builder import EMOTIONS, TEST_ACTORS, Mead
from tfds_builders.preparation import command_line
from tfds_builders.preparation.corpus import CorpusConfig
from tfds_builders.preparation.sources import Listing


def listed(root, **options):
    builder = Mead(config=CorpusConfig(options=options), data_dir=root / "data")
    return builder.list_sources(str(root))


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(corpus' folder, report) of a tree from which much is missing."""
    root = tmp_path_factory.mktemp("MEAD")
    video_trees.healthy(root / "M003/video/front/angry/level_2/001.mp4", 0)
    silent = root / "W011/video/front/neutral/level_1/004.mp4"
    video_trees.write(silent, video_trees.pictures(1, 30), sound=False)
    video_trees.write_sound(root / "W011/audio/neutral/level_1/004.m4a")
    side = root / "W011/video/left_30/neutral/level_1/004.mp4"
    side.parent.mkdir(parents=True)
    shutil.copy(silent, side)
    touch(root, "W011/video/front/sad/level_3/002.mp4")
    (root / "M005").mkdir()
    return corpora.build(Mead, root, tmp_path_factory.mktemp("data"), options={"views": "front"})


def test_corpus(built):
    path, report = built
    builder = tfds.builder_from_directory(path)
    (test,), (train,) = builder.as_data_source("test"), builder.as_data_source("train")
    assert (test["source_id"], test["style"]) == (b"M003/front/angry/level_2/001/000", b"angry_2")
    assert (test["speaker"], test["speaker_id"]) == (b"M003", 0)
    # Its video has no sound, so that of audio/ was taken.
    assert (train["speaker"], train["style"]) == (b"W011", b"neutral_1")
    assert abs(train["audio"]).max() > 3000
    reasons = corpora.left_out(report)
    assert reasons.pop("W011/front/sad/level_3/002") == "unreadable"
    assert reasons.pop("M005/video") == "missing"
    assert reasons["W011/video/front/happy"] == reasons["M003/video/front/sad"] == "missing"
    assert len(reasons) == 6 + 7 and set(reasons.values()) == {"missing"}


def test_another_choice_of_views_is_refused(built):
    path, _ = built
    config = CorpusConfig(options={"views": "front,top"})
    builder = Mead(config=config, data_dir=path.parents[2])
    with pytest.raises(UserError, match=r"found a corpus in .* with views front and not front,top"):
        command_line.check_same(builder, Listing([], []))


def test_views_and_their_order_in_the_path(tmp_path):
    touch(
        tmp_path,
        "W009/video/front/fear/level_1/001.mp4",
        "W009/video/disgusted/left_60/level_3/007.mp4",
        "W009/video/top/contempt/level_9/001.mp4",
        "readme.txt",
    )
    one = listed(tmp_path)
    assert [source.name for source in one.sources] == ["W009/front/fear/level_1/001"]
    both = listed(tmp_path, views="front,left_60")
    names = [(source.name, source.style, source.split) for source in both.sources]
    assert names == [
        ("W009/front/fear/level_1/001", "fear_1", "test"),
        ("W009/left_60/disgusted/level_3/007", "disgusted_3", "test"),
    ]
    missing = dict(both.missing)
    assert "no view, emotion and level" in missing["W009/video/top/contempt/level_9/001.mp4"]
    assert len(missing) == 1 + 2 * len(EMOTIONS) - 2


def test_two_files_of_one_name(tmp_path):
    touch(
        tmp_path,
        "W009/video/front/fear/level_1/001.mov",
        "W009/video/front/fear/level_1/001.mp4",
        "W009/video/front/fear/level_1/002.mp4",
        "W009/video/fear/front/level_1/002.mp4",
    )
    listing = listed(tmp_path)
    folder = "W009/front/fear/level_1"
    assert [
        (source.name, source.path.removeprefix(f"{tmp_path}/")) for source in listing.sources
    ] == [
        (f"{folder}/001.mov", "W009/video/front/fear/level_1/001.mov"),
        (f"{folder}/001.mp4", "W009/video/front/fear/level_1/001.mp4"),
        (f"{folder}/002", "W009/video/fear/front/level_1/002.mp4"),
    ]
    detail = dict(listing.missing)["W009/video/front/fear/level_1/002.mp4"]
    assert detail == "found W009/video/fear/front/level_1/002.mp4, which is the same one"


def test_splits_are_disjoint(tmp_path):
    actors = [f"M{n:03d}" for n in (3, 5, 7, 9, 11, 30)] + ["W009", "W015", "W011"]
    touch(tmp_path, *(f"{actor}/video/front/sad/level_1/{n}.mp4" for actor in actors for n in "12"))
    of_split = {}
    for source in listed(tmp_path).sources:
        of_split.setdefault(source.split, set()).add(source.speaker)
    assert of_split["test"] == set(TEST_ACTORS)
    assert len(of_split["validation"]) == 1 and len(of_split["train"]) == 4
    assert set.union(*of_split.values()) == set(actors)


def test_wrong_roots(tmp_path):
    touch(tmp_path, "id00012/x.mp4")
    with pytest.raises(UserError, match=r"found id00012 in .*, expected folders of MEAD's actors"):
        listed(tmp_path)
    touch(tmp_path, "M003/video.tar")
    with pytest.raises(UserError, match=r"1 actors in .* no video of the view front; .*video.tar"):
        listed(tmp_path)
    with pytest.raises(UserError, match=re.escape("--views: found back, expected of front, left")):
        listed(tmp_path, views="front,back")
