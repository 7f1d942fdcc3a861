"""TFDS builder of the embedded corpus: talking heads that are drawn, and so fully annotated."""

import concurrent.futures
import multiprocessing
import os
import sys
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from jaxtalk.core.errors import UserError

from . import clips, texts
from .expression import NUM_EXPRESSION
from .shape import NUM_LANDMARKS, NUM_MESH


class SplitSize(NamedTuple):
    """Speakers, clips of each speaker, frames of each clip."""

    speakers: int
    clips: int
    frames: int


class HeadsConfig(tfds.core.BuilderConfig):
    """A size of picture and how many clips of it."""

    def __init__(self, *, size, splits, seed=0, **kwargs):
        """`splits`: {split: SplitSize}; the same seed gives the same bytes."""
        super().__init__(**kwargs)
        self.size = size
        self.splits = splits
        self.seed = seed


CONFIGS = [
    HeadsConfig(
        name="demo_64",
        description="64 px; made in a few minutes on two cores",
        size=64,
        splits={
            "train": SplitSize(120, 2, 75),
            "validation": SplitSize(8, 1, 100),
            "test": SplitSize(12, 2, 100),
        },
    ),
    HeadsConfig(
        name="heads_128",
        description="128 px",
        size=128,
        splits={
            "train": SplitSize(80, 2, 75),
            "validation": SplitSize(8, 1, 100),
            "test": SplitSize(12, 2, 100),
        },
    ),
    HeadsConfig(
        name="heads_256",
        description="256 px",
        size=256,
        splits={
            "train": SplitSize(60, 1, 75),
            "validation": SplitSize(6, 1, 75),
            "test": SplitSize(24, 1, 100),
        },
    ),
]


def clip_specs(config, split):
    """`clips.ClipSpec` of every clip of a split, in their order in the files."""
    size = config.splits[split]
    return [
        clips.ClipSpec(config.seed, split, speaker, clip, size.frames, config.size)
        for speaker in range(size.speakers)
        for clip in range(size.clips)
    ]


def _try_clip(spec):
    """(example, None) or (None, what went wrong): one bad clip must not end a build."""
    try:
        return clips.make_clip(spec), None
    except UserError:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def make_clips(specs, num_processes):
    """Yields (spec, example or None, fault or None) in the order of `specs`."""
    if num_processes <= 1:
        for spec in specs:
            yield spec, *_try_clip(spec)
        return
    # Spawned, not forked: the parent may run threads. The first clip is made here, so that the
    # workers find the compiled kernels in numba's cache instead of compiling them all.
    yield specs[0], *_try_clip(specs[0])
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        for spec, result in zip(specs[1:], pool.map(_try_clip, specs[1:])):
            yield spec, *result


class ProceduralHeads(tfds.core.GeneratorBasedBuilder):
    """Talking heads drawn from a parametric model and driven by synthesised speech."""

    name = "procedural_heads"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012
    BUILDER_CONFIGS = CONFIGS

    def __init__(self, *args, num_processes=None, **kwargs):
        """`num_processes`: how many render (default: one per core); does not change the bytes."""
        self._num_processes = num_processes or len(os.sched_getaffinity(0))
        kwargs.setdefault("file_format", "array_record")
        super().__init__(*args, **kwargs)

    def _info(self):
        tensor, text = tfds.features.Tensor, tfds.features.Text
        return self.dataset_info_from_configs(
            description=__doc__,
            homepage="https://github.com/jaxtalk/jaxtalk",
            features=tfds.features.FeaturesDict(
                {
                    # JPEG bytes of each frame: a reader decodes the frames it wants.
                    "video": tfds.features.Sequence(tensor(shape=(), dtype=np.object_)),
                    "audio": tensor(shape=(None,), dtype=np.int16),
                    "fps": tensor(shape=(), dtype=np.float32),
                    "sample_rate_hz": tensor(shape=(), dtype=np.int32),
                    "speaker": text(),
                    "speaker_id": tensor(shape=(), dtype=np.int32),
                    "style": text(),
                    "text": text(),
                    "landmarks": tensor(shape=(None, NUM_LANDMARKS, 2), dtype=np.float32),
                    "mesh": tensor(shape=(None, NUM_MESH, 3), dtype=np.float32),
                    "expression": tensor(shape=(None, NUM_EXPRESSION), dtype=np.float32),
                    "pose": tensor(shape=(None, 6), dtype=np.float32),
                    "mouth_box": tensor(shape=(None, 4), dtype=np.float32),
                    "phonemes": tensor(shape=(None,), dtype=np.int32),
                    "av_offset_frames": tensor(shape=(), dtype=np.int32),
                    "source_id": text(),
                    "start_s": tensor(shape=(), dtype=np.float32),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        return {split: self._generate_examples(split) for split in self.builder_config.splits}

    def _generate_examples(self, split):
        specs = clip_specs(self.builder_config, split)
        skipped = []
        results = make_clips(specs, self._num_processes)
        for spec, example, fault in tqdm(results, f"{self.info.full_name} {split}", len(specs)):
            if fault is not None:
                skipped.append(f"{spec.key}: {fault}")
                print(f"skipped clip {skipped[-1]}", file=sys.stderr)
                continue
            yield spec.key, example
        if len(skipped) == len(specs):
            raise UserError(f"{split}: all {len(specs)} clips failed; the first: {skipped[0]}")


assert tuple(CONFIGS[0].splits) == texts.SPLITS
