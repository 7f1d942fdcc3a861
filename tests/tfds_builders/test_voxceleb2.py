"""VoxCeleb2 in its published layout, and cut again from original videos."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jaxtalk.core.batch import excerpt_samples
from jaxtalk.core.errors import UserError
from jaxtalk.data.loader import make_loader
from jaxtalk.media import video
from tests.tfds_builders import corpora, framed_faces, video_trees
from tfds_builders.preparation import command_line
from tfds_builders.preparation.corpus import CorpusConfig
from tfds_builders.preparation.sources import Listing, Segment
from tfds_builders.voxceleb2.boxes import read_segment
from tfds_builders.voxceleb2.voxceleb2_dataset_builder import Voxceleb2

META = (
    "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \n"
    "id00012 ,n000001 ,m ,dev \nid00017 ,n000002 ,f ,test \nid00099 ,n000003 ,m ,dev \n"
)


def annotation(identity, reference, frames, box):
    rows = "".join(f"{n:06d} \t" + " \t".join(f"{v:.3f}" for v in box) + " \n" for n in frames)
    return (
        f"Identity  : \t{identity}\nReference : \t{reference}\nOffset    : \t2\n"
        "FV Conf   : \t16.140\t(1)\nASD Conf  : \t5.142\n\n"
        f"FRAME \tX \tY \tW \tH \n{rows}"
    )


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def listed(root, originals=""):
    config = CorpusConfig(options={"originals": str(originals)})
    return Voxceleb2(config=config, data_dir=root / "data").list_sources(str(root))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(corpus' folder, report)."""
    root = tmp_path_factory.mktemp("VoxCeleb2")
    write_text(root / "vox2_meta.csv", META)
    video_trees.healthy(root / "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", 0)
    whole = (root / "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4").read_bytes()
    (root / "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4").write_bytes(whole[:9000])
    silent = video_trees.pictures(1, 30)
    video_trees.write(root / "test/mp4/id00017/_mjZ87sK6cA/00110.mp4", silent, sound=False)
    video_trees.write_sound(root / "test/aac/id00017/_mjZ87sK6cA/00110.m4a")
    return corpora.build(
        Voxceleb2, root, tmp_path_factory.mktemp("data"), options={"originals": ""}
    )


def test_corpus(built):
    path, report = built
    assert corpora.kept(report) == [
        "id00012/21Uxsk56VDQ/00001/000",
        "id00017/_mjZ87sK6cA/00110/000",
    ]
    assert corpora.left_out(report) == {
        "id00012/21Uxsk56VDQ/00002": "unreadable",
        "id00099": "missing",
    }
    assert corpora.people(path) == {"train": {"id00012"}, "test": {"id00017"}}
    (clip,) = tfds.builder_from_directory(path).as_data_source("test")
    assert abs(clip["audio"]).max() > 3000


def test_batches(built):
    """The loader takes it as it takes any corpus."""
    path, _ = built
    dataset = {
        "name": "voxceleb2/default",
        "data_dir": str(path.parents[2]),
        "num_workers": 0,
    }
    shapes = {
        "frames": {"frames": (2, 256, 256, 3), "landmarks": (2, 68, 2), "expression": (2, 64)},
        "clips": {"video": (2, 12, 256, 256, 3), "audio": (2, excerpt_samples(12))},
    }
    for kind, wanted in shapes.items():
        data = ConfigDict({"kind": kind, "clip_frames": 12})
        batches = make_loader(ConfigDict(dataset), data, split="train", batch_size=2, seed=0)
        batch = next(batches)
        assert {key: batch[key].shape for key in wanted} == wanted
    assert abs(batch["video"].astype(int) - 128).mean() > 10  # not one colour


def test_a_corpus_of_other_videos_is_refused(built):
    path, _ = built
    config = CorpusConfig(options={"originals": "videos"})
    builder = Voxceleb2(config=config, data_dir=path.parents[2])
    with pytest.raises(UserError, match="originals False and not True; videos 3 and not 0"):
        command_line.check_same(builder, Listing([], []))


def test_parts_may_be_missing(tmp_path):
    (tmp_path / "test/mp4/id00017/abc").mkdir(parents=True)
    (tmp_path / "test/mp4/id00017/abc/00001.mp4").touch()
    listing = listed(tmp_path)
    assert [(s.name, s.split) for s in listing.sources] == [("id00017/abc/00001", "test")]
    assert [name for name, _ in listing.missing] == ["dev/mp4", "vox2_meta.csv"]


def test_what_is_no_utterance_of_an_identity_is_reported(tmp_path):
    utterance = "id00017/abc/00001.mp4"
    others = ("__MACOSX/id00017/00001.mp4", "__MACOSX/id00018/00001.mp4", "id00017/00001.mp4")
    for path in (utterance, *others):
        (tmp_path / "test/mp4" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test/mp4" / path).touch()
    listing = listed(tmp_path)
    assert [source.name for source in listing.sources] == ["id00017/abc/00001"]
    expected = "expected such as id00012/21Uxsk56VDQ/00001.mp4"
    assert [pair for pair in listing.missing if pair[0].startswith("test")] == [
        ("test/mp4/__MACOSX", expected),
        ("test/mp4/id00017/00001.mp4", expected),
    ]


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "vox/test/mp4/id00017/abc").mkdir(parents=True)
    (tmp_path / "vox/test/mp4/id00017/abc/00001.mp4").touch()
    (tmp_path / "vox/vox2_meta.csv").mkdir()
    with pytest.raises(UserError, match=r"^/.*/vox/vox2_meta.csv: is a directory; expected a file"):
        corpora.build(Voxceleb2, tmp_path / "vox", tmp_path / "data", options={"originals": ""})


def test_validation_is_a_part_of_the_development_identities(tmp_path):
    for number in range(120):
        folder = tmp_path / f"dev/mp4/id{number:05d}/abc"
        folder.mkdir(parents=True)
        (folder / "00001.mp4").touch()
        (folder / "00002.mp4").touch()
    found = listed(tmp_path).sources
    people = {
        name: {s.speaker for s in found if s.split == name} for name in ("train", "validation")
    }
    assert len(people["validation"]) == 1 and len(people["train"]) == 119
    assert not people["validation"] & people["train"]


def test_wrong_roots(tmp_path):
    (tmp_path / "M003/video").mkdir(parents=True)
    with pytest.raises(UserError, match=r"found M003 in .*, expected VoxCeleb2's folders dev/mp4"):
        listed(tmp_path)
    (tmp_path / "dev/mp4").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no video of VoxCeleb2 below .*such as dev/mp4/id00012"):
        listed(tmp_path)
    with pytest.raises(UserError, match="--originals: found no folder nowhere"):
        listed(tmp_path, "nowhere")
    for part in ("dev", "test"):
        (tmp_path / part / "mp4/id00012/abc").mkdir(parents=True)
        (tmp_path / part / "mp4/id00012/abc/00001.mp4").touch()
    with pytest.raises(UserError, match="found id00012 in dev and in test"):
        listed(tmp_path)


def test_annotation(tmp_path):
    path = tmp_path / "00001.txt"
    path.write_text(annotation("id00017", "abc", range(50, 80), (0.1, 0.2, 0.3, 0.4)))
    assert read_segment(path) == Segment(2.0, 3.2, (0.1, 0.2, 0.4, 0.6))
    for text in ("", "Identity  : id\n\nFRAME X Y W H\n", "000001 a b c d\n", "1 nan 0 1 1\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="found no rows of FRAME X Y W H"):
            read_segment(path)


def test_cut_again_from_the_originals(tmp_path):
    """Two people side by side: the boxes say who speaks when, and the rest is left out."""
    both = [
        np.concatenate(pair, axis=1)
        for pair in zip(video_trees.pictures(0, 85), video_trees.pictures(1, 85))
    ]
    video_trees.write(tmp_path / "videos/abc.mp4", both)
    root = tmp_path / "root"
    left, right = (0.12, 0.3, 0.3, 0.6), (0.62, 0.3, 0.3, 0.6)
    texts = {
        "id00012/abc/00001": (range(5, 35), left),
        "id00012/abc/00002": (range(50, 80), right),
        "id00012/gone/00001": (range(30), left),
    }
    for name, (frames, box) in texts.items():
        identity, reference, _ = name.split("/")
        write_text(root / f"dev/txt/{name}.txt", annotation(identity, reference, frames, box))
    write_text(root / "dev/txt/id00012/abc/00003.txt", "damaged")
    path, report = corpora.build(
        Voxceleb2, root, tmp_path / "data", options={"originals": str(tmp_path / "videos")}
    )
    assert corpora.kept(report) == ["id00012/abc/000", "id00012/abc/001"]
    spans = [(line["start_s"], line["duration_s"]) for line in report if line["kept"]]
    assert spans == [(0.2, 1.2), (2.0, 1.2)]
    missing = corpora.left_out(report)
    assert missing == dict.fromkeys(
        ("id00012/gone", "id00012/abc/00003", "test/txt", "vox2_meta.csv"), "missing"
    )
    clips = {c["source_id"]: c for c in tfds.builder_from_directory(path).as_data_source("train")}
    frames = [
        video.decode_frames(clips[name]["video"], [9])[0]
        for name in (b"id00012/abc/000", b"id00012/abc/001")
    ]
    with framed_faces.framed_faces("") as detector:
        assert [len(detector.detect(frame)) for frame in frames] == [1, 1]
    assert abs(frames[0].astype(float) - frames[1]).mean() > 20  # two people
