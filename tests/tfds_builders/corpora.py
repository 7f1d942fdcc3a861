"""Builds of real data in tests."""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tests.tfds_builders import framed_faces
from tfds_builders.preparation import command_line


def build(
    builder_class, root, data_dir, *arguments, options=None, detector=framed_faces.framed_faces
):
    """As the command line builds. Returns (corpus' folder, lines of the report)."""
    words = ["--root", str(root), "--data_dir", str(data_dir), "--num_processes", "1", *arguments]
    parsed = command_line.parser("").parse_args(words)
    command_line.build(builder_class, parsed, options, detector)
    folder = pathlib.Path(data_dir) / builder_class.name / parsed.config
    return folder / "1.0.0", read_report(folder)


def read_report(folder):
    text = (pathlib.Path(folder) / "build_report.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def left_out(report):
    """dict from source to reason."""
    return {line["source"]: line["reason"] for line in report if not line["kept"]}


def kept(report):
    """List of the names of the clips."""
    return [line["clip"] for line in report if line["kept"]]


def contents(path):
    """{split: {clip: hash of all that it holds}}; files differ by the order of the keys in them."""
    builder = tfds.builder_from_directory(path)
    return {
        split: {clip["source_id"].decode(): _digest(clip) for clip in builder.as_data_source(split)}
        for split in builder.info.splits
    }


def _digest(clip):
    sha = hashlib.sha256()
    for key in sorted(clip):
        value = clip[key]
        for part in value if isinstance(value, list) else [value]:
            sha.update(key.encode() + (part if isinstance(part, bytes) else _bytes(part)))
    return sha.hexdigest()


def _bytes(value):
    return np.asarray(value).tobytes()


def people(path):
    """{split: set of speakers}."""
    builder = tfds.builder_from_directory(path)
    return {
        split: {clip["speaker"].decode() for clip in builder.as_data_source(split)}
        for split in builder.info.splits
    }
