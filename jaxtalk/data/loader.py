"""Batches of a corpus without end, for training, and fixed ones for evaluation.

`data.kind` says what an example is (see `jaxtalk.data.transforms` and `jaxtalk.core.batch`):

  "frames"  a random frame of a clip, with its annotations
  "pairs"   two random frames of a clip, with their landmarks and poses; `data.num_candidates` (1 if
            unset) for the second one, see `transforms.random_pair`
  "clips"   `data.clip_frames` consecutive frames and their sound
  "codes"   cached style codes of `data.clip_frames` frames, their sound, and `data.window_frames`
            real frames among them

A clip that is shorter than asked for is passed over for the next one of its shard; so is, where
there is sound, one whose sound and picture are more than `data.max_av_offset_frames` (1 if unset)
apart. Annotations that a corpus does not have are left out of its batches.
"""

import collections.abc
import sys

import grain
import numpy as np
from absl import flags, logging

from jaxtalk.core.errors import UserError
from jaxtalk.data import codes as codes_lib
from jaxtalk.data import transforms
from jaxtalk.data.source import open_corpus, size_bytes

_FIELDS = {
    "frames": ("video", "landmarks", "pose", "expression", "speaker_id"),
    "pairs": ("video", "landmarks", "pose"),
    "clips": ("video", "audio", "av_offset_frames"),
    "codes": ("video", "audio", "av_offset_frames"),
}
_NUM_THREADS = 4
# Unpacking and parsing a clip takes ten times as long as decoding a frame of it: a corpus of no
# more than this on disk is kept in memory once read, in each process that reads.
_MAX_KEPT_BYTES = 2**30
_MAX_PASSED_OVER = 1000
_MAX_AV_OFFSET_FRAMES = 1


def make_loader(
    dataset, data, *, split, batch_size, seed, shard_index=0, shard_count=1, codes_dir=None
):
    """An endless iterator over batches in random order; see `Loader`.

    Args:
      dataset: `name`, `data_dir`, `num_workers` (processes that read ahead; 0 = threads of this
        one).
      data: `kind`, and `clip_frames`, `window_frames` and, if need be, `max_av_offset_frames`
        where the kind has them.
      split: of the corpus.
      batch_size: examples in a batch of this process.
      seed: of the order and of what is drawn from each clip.
      shard_index, shard_count: this process reads the clips shard_index, + shard_count, ...
      codes_dir: what `jaxtalk.data.codes.encode_corpus` wrote, for "codes".

    Raises:
      UserError: unknown kind, no corpus, no such split, fewer clips than shards, no clip that is
        long enough and in step (when it is read).
    """
    clips = _Clips(dataset, data, split, shard_index, shard_count, codes_dir)
    return Loader(clips, batch_size, (seed, shard_index), dataset.num_workers, shard_count)


def make_eval_batches(
    dataset, data, *, split, batch_size, num_batches, shard_index=0, shard_count=1, codes_dir=None
):
    """A sequence of `num_batches` batches that are the same each time; arguments as above.

    The clips come in the order of the corpus, each with one draw that depends on its position
    only, and again with other draws when there are fewer than examples. Read when asked for.
    """
    clips = _Clips(dataset, data, split, shard_index, shard_count, codes_dir)
    return _EvalBatches(clips, batch_size, num_batches)


class Loader:
    """Iterator over batches: dicts of numpy arrays. It can be stopped and gone on with exactly."""

    def __init__(self, clips, batch_size, seeds, num_workers, shard_count):
        self._clips, self._batch_size, self._seeds = clips, batch_size, seeds
        self._readers = {"num_workers": num_workers, "shard_count": shard_count}
        self._start(stream=0)

    def _start(self, stream):
        """Begins one of the many orders that belong to the seeds."""
        self._stream, self._num_batches = stream, 0
        seed = int(np.random.SeedSequence((*self._seeds, stream)).generate_state(1)[0])
        examples = grain.MapDataset.range(len(self._clips)).seed(seed).shuffle().repeat()
        examples = examples.random_map(self._clips.read)
        # Frames of long clips are large: no more of them in memory than two batches.
        ahead = grain.ReadOptions(
            num_threads=_NUM_THREADS, prefetch_buffer_size=max(_NUM_THREADS, 2 * self._batch_size)
        )
        batches = examples.to_iter_dataset(ahead).batch(self._batch_size)
        num_workers = self._readers["num_workers"]
        if num_workers:
            if not flags.FLAGS.is_parsed():  # grain's workers ask flags of their own
                flags.FLAGS(sys.argv[:1])
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
        self._batches = iter(batches)

    def __iter__(self):
        return self

    def __next__(self):
        batch = next(self._batches)
        self._num_batches += 1
        return batch

    def close(self):
        """Ends the threads or workers that read ahead."""
        self._batches.close()

    def get_state(self):
        """What `set_state` takes, of values that JSON can hold."""
        return {
            **self._readers,
            "stream": self._stream,
            "num_batches": self._num_batches,
            "position": self._batches.get_state(),
        }

    def set_state(self, state):
        """Goes on where another loader of the same arguments stood: the next batch is the same.

        With another number of workers or shards the positions have no meaning: then a new epoch
        begins, in an order not used before, and a warning says so.
        """
        readers = {name: state[name] for name in self._readers}
        if readers == self._readers:
            self._start(state["stream"])
            self._num_batches = state["num_batches"]
            self._batches.set_state(state["position"])
            return
        logging.warning(
            "data: the checkpoint was written with %s, this run has %s; a new epoch begins",
            readers,
            self._readers,
        )
        self._start(state["stream"] + max(1, state["num_batches"]))


class _EvalBatches(collections.abc.Sequence):
    """See `make_eval_batches`."""

    def __init__(self, clips, batch_size, num_batches):
        self._clips, self._batch_size, self._num_batches = clips, batch_size, num_batches

    def __len__(self):
        return self._num_batches

    def __getitem__(self, index):
        if not -self._num_batches <= index < self._num_batches:
            raise IndexError(index)
        first = index % self._num_batches * self._batch_size
        examples = [
            self._clips.read(position % len(self._clips), np.random.default_rng(position))
            for position in range(first, first + self._batch_size)
        ]
        return {key: np.stack([e[key] for e in examples]) for key in examples[0]}


class _Clips:
    """The clips of one shard, and how an example is drawn from one."""

    def __init__(self, dataset, data, split, shard_index, shard_count, codes_dir):
        self._draw = _drawing(data, split, codes_dir)
        self._fields = _FIELDS[data.kind]
        self._corpus = open_corpus(dataset, split)
        self._max_offset = data.get("max_av_offset_frames", _MAX_AV_OFFSET_FRAMES)
        self._has_told = False
        self._where = f"{split!r} of {dataset.name}"
        self._kept, self._keep = {}, size_bytes(dataset) <= _MAX_KEPT_BYTES
        self._indices = range(shard_index, len(self._corpus), shard_count)
        if len(self._corpus) < shard_count:
            raise UserError(
                f"{dataset.name}: found {len(self._corpus)} clips in {split!r}, expected at least "
                f"one for each of {shard_count} processes; use fewer, or build a larger corpus"
            )
        self._none_fits = (
            f"data.clip_frames: found {data.get('clip_frames')}, but no clip in {self._where} has "
            f"as many frames and |av_offset_frames| <= {self._max_offset}; choose fewer, or build "
            "longer clips that are in step"
        )
        # What is wrong with the corpus is said here, and not by a thread or worker later on.
        self.read(0, np.random.default_rng(0))

    def __len__(self):
        return len(self._indices)

    def read(self, position, rng):
        """An example of the clip at a position of the shard, or of the next that fits."""
        for step in range(min(len(self), _MAX_PASSED_OVER)):
            index = self._indices[(position + step) % len(self)]
            clip = self._clip(index)
            example = self._draw(clip, index, rng) if self._is_in_step(clip, index) else None
            if example is not None:
                return example
        raise UserError(self._none_fits)

    def _is_in_step(self, clip, index):
        """Whether sound and picture are together; the first clip of which they are not is told."""
        offset = int(clip.get("av_offset_frames", 0))
        if abs(offset) <= self._max_offset:
            return True
        if not self._has_told:
            self._has_told = True
            logging.warning(
                "data: sound and picture of clip %d in %s are %d frames apart; such clips, of more "
                "than %d, are passed over",
                *(index, self._where, offset, self._max_offset),
            )
        return False

    def _clip(self, index):
        clip = self._kept.get(index)
        if clip is None:
            clip = self._corpus[index]
            clip = {name: clip[name] for name in self._fields if name in clip}
            if self._keep:
                self._kept[index] = clip
        return clip


def _drawing(data, split, codes_dir):
    """(clip, index of the clip, rng) -> example or None, for a kind of data."""
    if data.kind == "frames":
        return lambda clip, index, rng: transforms.random_frame(clip, rng)
    if data.kind == "pairs":
        num_candidates = data.get("num_candidates", 1)
        return lambda clip, index, rng: transforms.random_pair(
            clip, rng, num_candidates=num_candidates
        )
    if data.kind == "clips":
        clip_frames = data.clip_frames
        return lambda clip, index, rng: transforms.random_clip(clip, rng, clip_frames=clip_frames)
    if data.kind == "codes":
        if codes_dir is None:
            raise ValueError("data.kind 'codes' takes codes_dir")
        lengths = {"clip_frames": data.clip_frames, "window_frames": data.window_frames}
        return lambda clip, index, rng: transforms.random_codes(
            clip, codes_lib.read_codes(codes_dir, split, index), rng, **lengths
        )
    raise UserError(f"data.kind: found {data.kind!r}, expected one of {', '.join(_FIELDS)}")
