"""Opening corpora."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import annotations, fingerprint, open_corpus
from tests import tiny_corpus


def test_clips_follow_the_schema(dataset):
    corpus = open_corpus(dataset, "train")
    assert len(corpus) == 6
    clip = corpus[0]
    num_frames = len(clip["video"])
    assert all(isinstance(jpeg, bytes) for jpeg in clip["video"])
    assert clip["audio"].shape == (640 * num_frames,)
    assert clip["audio"].dtype == np.int16
    assert clip["landmarks"].shape == (num_frames, 68, 2)
    assert len(open_corpus(dataset, "train[:50%]")) == 3
    assert {corpus[i]["source_id"] for i in range(6)} == {b"train_%d" % i for i in range(6)}


def test_faults_are_named(dataset):
    with pytest.raises(UserError, match=r"found 'valid', expected one of .*train"):
        open_corpus(dataset, "valid")
    missing = ConfigDict({"name": "procedural_heads/demo_64", "data_dir": "nowhere"})
    with pytest.raises(UserError) as raised:
        open_corpus(missing, "train")
    command = "python -m tfds_builders.procedural_heads.build --config demo_64 --data_dir nowhere"
    assert command in str(raised.value)
    assert "\n" not in str(raised.value)
    missing.name = "voxceleb2/default"
    with pytest.raises(UserError, match=r"voxceleb2.build .*see tfds_builders/voxceleb2/README.md"):
        open_corpus(missing, "train")
    missing.name = "voxceleb9/default"
    with pytest.raises(UserError, match="no builder of the name voxceleb9 is here"):
        open_corpus(missing, "train")


def test_the_newest_version_is_read(dataset, tmp_path):
    shutil.copytree(dataset.data_dir, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / tiny_corpus.NAME
    for version in ("1.10.0", "1.9.0"):
        shutil.copytree(folder / "1.0.0", folder / version)
        text = (folder / version / "dataset_info.json").read_text().replace("1.0.0", version)
        (folder / version / "dataset_info.json").write_text(text)
    (folder / "incomplete.2.0.0").mkdir()
    (folder / "2.0.0").mkdir()
    copy = ConfigDict({**dataset, "data_dir": str(tmp_path)})
    assert str(open_corpus(copy, "test").dataset_info.version) == "1.10.0"


def test_fingerprint_follows_the_clips(dataset, tmp_path):
    shutil.copytree(dataset.data_dir, tmp_path, dirs_exist_ok=True)
    copy = ConfigDict({**dataset, "data_dir": str(tmp_path)})
    assert fingerprint(copy) == fingerprint(dataset)
    (file,) = (tmp_path / tiny_corpus.NAME).glob("*/*test.array_record*")
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    assert fingerprint(copy) != fingerprint(dataset)


def test_annotations_of_many_clips(dataset):
    assert sorted(annotations(dataset, "train", "speaker_id")) == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(annotations(dataset, "test", "av_offset_frames"), [0, 0, 0])
    assert annotations(dataset, "test", "hair").shape == (0,)


def test_tensorflow_is_not_imported(dataset, tmp_path):
    # A package of that name that can be imported, and says so when it is.
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('imported')")
    code = f"""
import sys
from ml_collections import ConfigDict
from jaxtalk.data.loader import make_loader
dataset = ConfigDict({dataset.to_dict()!r})
data = ConfigDict({{"kind": "clips", "clip_frames": 3}})
next(make_loader(dataset, data, split="train", batch_size=2, seed=0))
assert "tensorflow" not in sys.modules
print("read")
"""
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "read", done.stderr
