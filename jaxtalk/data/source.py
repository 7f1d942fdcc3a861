"""Opening a corpus: ArrayRecord files that a TFDS builder wrote, read without TensorFlow."""

import hashlib
import json
import os
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.core.errors import UserError

_FINGERPRINT_BYTES = 65_536
_MAX_ANNOTATED = 200  # clips that are read for `annotations`
REPORT = "build_report.jsonl"  # beside the versions of a corpus: what became of each source
_BUILDERS = pathlib.Path(__file__).resolve().parents[2] / "tfds_builders"


def open_corpus(dataset, split):
    """Random access to the clips of one split.

    Args:
      dataset: `name`, e.g. "procedural_heads/demo_64", and `data_dir`.
      split: "train", "test", or a part of one as TFDS writes it, e.g. "train[:10%]".

    Returns:
      A sequence of dicts in the schema of a clip: `len(corpus)`, `corpus[index]`. Text is bytes;
      `video` is a list of JPEG bytes, or the bytes of an mp4.

    Raises:
      UserError: the corpus is not built, or has no such split.
    """
    builder = tfds.builder_from_directory(corpus_dir(dataset))
    splits = builder.info.splits
    try:
        corpus = builder.as_data_source(split)
    except ValueError as error:
        raise UserError(
            f"split: found {split!r}, expected one of {', '.join(splits)} of {dataset.name}"
        ) from error
    if not len(corpus):
        raise UserError(f"{dataset.name}: found no clips in {split!r}; build it again")
    return corpus


def split_names(dataset):
    """Names of the splits of a corpus that have clips.

    Raises:
      UserError: the corpus is not built.
    """
    splits = tfds.builder_from_directory(corpus_dir(dataset)).info.splits
    return [name for name, split in splits.items() if split.num_examples]


def annotations(dataset, split, key, *, built=False):
    """One number of many clips, such as `av_offset_frames`: numpy [n].

    Of at most 200 clips, evenly spaced over the split; n = 0 where the corpus has no such key. With
    `built`, as the build measured it before it changed the clip: of all clips that it kept, n = 0
    where it left no report or did not measure that.
    """
    if built:
        kept = (line for line in report_lines(dataset) or () if line and line.get("kept") is True)
        found = (line.get(key) for line in kept)
        return np.array([v for v in found if isinstance(v, int | float) and np.isfinite(v)])
    corpus = open_corpus(dataset, split)
    if key not in corpus[0]:
        return np.zeros(0)
    indices = np.linspace(0, len(corpus) - 1, min(len(corpus), _MAX_ANNOTATED)).astype(int)
    return np.array([corpus[int(index)][key] for index in indices])


def report_lines(dataset):
    """Iterator of the lines of `REPORT`: dicts, None for a damaged one; None without the file."""
    path = pathlib.Path(corpus_dir(dataset)).parent / REPORT
    return _json_lines(path) if path.is_file() else None


def _json_lines(path):
    with path.open(errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:  # it was cut off
                line = None
            yield line if isinstance(line, dict) else None


def corpus_dir(dataset):
    """Folder of the newest version of a corpus.

    Raises:
      UserError: the corpus is not built; names the command that does, where there is one.
    """
    folder = pathlib.Path(dataset.data_dir) / dataset.name
    versions = [
        path for path in folder.glob("[0-9]*.*.*") if (path / "dataset_info.json").is_file()
    ]
    if not versions:
        raise UserError(
            f"dataset.name: found no corpus {dataset.name} in {dataset.data_dir}; "
            + _how_to_build(dataset)
        )
    return os.fspath(max(versions, key=lambda path: tfds.core.Version(path.name)))


def _how_to_build(dataset):
    """What to do when a corpus is not there."""
    builder, _, config = dataset.name.partition("/")
    if (_BUILDERS / builder / "build.py").is_file():
        return (
            f"build it with python -m tfds_builders.{builder}.build "
            f"--config {config or 'default'} --data_dir {dataset.data_dir}, "
            f"see tfds_builders/{builder}/README.md"
        )
    return (
        f"no builder of the name {builder} is here: name the data_dir where it was built, or "
        "another corpus with --config.dataset.name=..."
    )


def size_bytes(dataset):
    """Bytes on disk of all splits of a corpus."""
    return sum(path.stat().st_size for path in _clip_files(dataset))


def fingerprint(dataset):
    """Hexadecimal SHA-256 that changes when the corpus does.

    Of the name, size, first and last 64 KiB of each file of clips: a corpus of terabytes is not
    read for it.
    """
    sha = hashlib.sha256()
    for path in _clip_files(dataset):
        size = path.stat().st_size
        sha.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            sha.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, size - _FINGERPRINT_BYTES))
            sha.update(file.read())
    return sha.hexdigest()


def _clip_files(dataset):
    return sorted(pathlib.Path(corpus_dir(dataset)).glob("*array_record*"))
