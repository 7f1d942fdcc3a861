"""TFDS builder of the embedded corpus: talking heads that are drawn, and so fully annotated."""

import itertools
import os
import sys
from typing import NamedTuple

import tensorflow_datasets as tfds
from tqdm import tqdm

from jaxtalk.core.errors import UserError
from tfds_builders.schema import clip_features

from .clips import ClipSpec
from .mesh import NUM_MESH
from .pool import make_clips


class SplitSize(NamedTuple):
    """Speakers, clips of each speaker, frames of each clip; one frame in `stride` is drawn."""

    speakers: int
    clips: int
    frames: int
    stride: int = 1


class HeadsConfig(tfds.core.BuilderConfig):
    """A size of picture and how many clips of it."""

    def __init__(self, *, size, splits, seed=0, **kwargs):
        """size: px, 64, 128 or 256. splits: {split: SplitSize}. The same seed gives the same
        bytes."""
        super().__init__(**kwargs)
        self.size = size
        self.splits = splits
        self.seed = seed


CONFIGS = [
    HeadsConfig(
        name="demo_64",
        description="64 px, made in a few minutes on two cores.",
        size=64,
        splits={
            "train": SplitSize(200, 2, 75),
            "validation": SplitSize(8, 1, 100),
            "test": SplitSize(12, 2, 100),
        },
    ),
    HeadsConfig(
        name="bundle_64",
        description="64 px, more speakers to train on; the held-out clips are those of demo_64.",
        size=64,
        splits={
            "train": SplitSize(1200, 1, 75),
            "validation": SplitSize(8, 1, 100),
            "test": SplitSize(12, 2, 100),
        },
    ),
    HeadsConfig(
        name="faces_64",
        description="64 px, many faces at 5 frames a second, for networks of single frames.",
        size=64,
        splits={"train": SplitSize(4000, 1, 75, stride=5), "validation": SplitSize(8, 1, 100, 5)},
    ),
    HeadsConfig(
        name="test_64",
        description="64 px, the test clips of demo_64 alone.",
        size=64,
        splits={"test": SplitSize(12, 2, 100)},
    ),
    HeadsConfig(
        name="heads_128",
        description="128 px.",
        size=128,
        splits={
            "train": SplitSize(120, 2, 75),
            "validation": SplitSize(8, 1, 100),
            "test": SplitSize(12, 2, 100),
        },
    ),
    HeadsConfig(
        name="heads_256",
        description="256 px.",
        size=256,
        splits={
            "train": SplitSize(60, 1, 75),
            "validation": SplitSize(6, 1, 75),
            "test": SplitSize(24, 1, 100),
        },
    ),
]


def clip_specs(config):
    """`ClipSpec` of every clip of a config, split by split."""
    return [
        ClipSpec(config.seed, split, speaker, clip, size.frames, config.size, size.stride)
        for split, size in config.splits.items()
        for speaker in range(size.speakers)
        for clip in range(size.clips)
    ]


class ProceduralHeads(tfds.core.GeneratorBasedBuilder):
    """Talking heads drawn from a parametric model and driven by synthesised speech.

    One example is one clip, in the schema that all corpora of this project share. README.md
    describes what its keys hold.
    """

    name = "procedural_heads"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    BUILDER_CONFIGS = CONFIGS

    def __init__(self, *args, num_processes=None, **kwargs):
        """`num_processes`: how many draw (default: one per core, at most 32); does not change the
        bytes."""
        allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
        cores = len(allowed(0)) if allowed else os.cpu_count()
        self._num_processes = num_processes or min(32, cores)
        kwargs.setdefault("file_format", "array_record")
        super().__init__(*args, **kwargs)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            metadata=tfds.core.MetadataDict(),
            features=clip_features(num_mesh=NUM_MESH, jpeg=True),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        # One stream of clips for all splits, which are written one after the other.
        config = self.builder_config
        specs = clip_specs(config)
        results = make_clips(specs, self._num_processes)
        progress = tqdm(desc=f"{self.name}/{config.name}", total=len(specs), unit="clip")
        return {split: self._generate_examples(split, results, progress) for split in config.splits}

    def _generate_examples(self, split, results, progress):
        size = self.builder_config.splits[split]
        total, skipped = size.speakers * size.clips, []
        for spec, example, fault in itertools.islice(results, total):
            progress.update()
            if fault is None:
                yield spec.key, example
            else:
                skipped.append(f"{spec.key}: {fault}")
                print(f"\nskipped clip {skipped[-1]}", file=sys.stderr)
        if len(skipped) == total:
            raise UserError(f"{split}: all {total} clips failed, the first one {skipped[0]}")
        if skipped:
            self.info.metadata[f"skipped_{split}"] = skipped
        if progress.n == progress.total:
            progress.close()
