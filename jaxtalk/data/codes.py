"""Style codes of every frame of a corpus, computed once and kept on disk.

The encoder and the generator are fixed while a system trains on their codes, so each frame is
encoded once. A folder of codes has

  codes.json                     what they are of: digests of the weights and of the corpus
  <split>/00000/00000012.npy     clip 12: float32 [T, num_ws, w_dim], memory-mapped by who reads: a
                                 window of it costs no more than its bytes
  <split>/00000/00000013.json    clip 13 cannot be read, and why; it is tried again by each run
"""

import collections
import hashlib
import json
import os
import pathlib
import threading
import time

import grain
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import fingerprint, open_corpus
from jaxtalk.media import files
from jaxtalk.media.video import decode_frames, num_frames

NOTE = "codes.json"
_REPORT_S = 10
# numpy reads a file's header with Python's parser, and CPython 3.11 counts the depth of all threads
# that parse in one number: two at once may raise SystemError.
_PARSING = threading.Lock()


def codes_key(dataset, weights_digest):
    """Name of the codes that certain weights give for a certain corpus: 16 hexadecimal digits.

    Args:
      dataset: `name` and `data_dir` of the corpus.
      weights_digest: text that changes when the encoder's weights do.
    """
    return hashlib.sha256(f"{weights_digest} {fingerprint(dataset)}".encode()).hexdigest()[:16]


def encode_corpus(
    dataset,
    encode,
    *,
    weights_digest,
    codes_dir,
    splits,
    batch_size=32,
    shard_index=0,
    shard_count=1,
    say=print,
):
    """Computes the codes that are not there yet. It can be stopped at any time and goes on.

    A clip that cannot be read is told, noted and left out.

    Args:
      dataset: `name` and `data_dir` of the corpus.
      encode: uint8 [batch_size, H, W, 3] -> [batch_size, num_ws, w_dim]; always full batches, the
        last one padded with its last frame.
      weights_digest: see `codes_key`.
      codes_dir: folder of the codes, which several processes may write to at once.
      splits: names of the splits to encode.
      batch_size: frames that are encoded at once; they may be of several clips.
      shard_index, shard_count: this process encodes the clips shard_index, + shard_count, ...
      say: takes lines of progress.

    Raises:
      UserError: no such corpus or split; the folder holds codes of another corpus or of other
        weights, or something else; no clip of a split can be read.
    """
    check_note(codes_dir, dataset, weights_digest)
    _write_note(codes_dir, dataset, weights_digest)
    for split in splits:
        corpus = open_corpus(dataset, split)
        mine = range(shard_index, len(corpus), shard_count)
        done = _done(codes_dir, split)
        missing = [index for index in mine if index not in done]
        if not missing:
            continue
        say(f"style codes: {len(missing)} of {len(mine)} clips of {split} to encode")
        num_left_out = _encode_clips(corpus, split, missing, encode, codes_dir, batch_size, say)
        if num_left_out == len(mine):
            raise UserError(
                f"{dataset.name}: found no clip of {split!r} that can be read, see the files "
                f"{os.path.join(codes_dir, split)}/*/*.json; build the corpus again"
            )


def _encode_clips(corpus, split, indices, encode, codes_dir, batch_size, say):
    """Writes the codes of some clips of a split; returns how many clips cannot be read."""
    clips = grain.MapDataset.source(indices).map(_reader(corpus))
    clips = clips.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
    left_out = []

    def leave_out(index, reason):
        left_out.append(index)
        say(f"style codes: clip {index} of {split} is left out: {reason}")
        _write_fault(_path(codes_dir, split, index), index, reason)

    start_s = said_s = time.monotonic()
    num_done = num_encoded = 0
    for index, codes in _encoded(_readable(clips, leave_out), encode, batch_size):
        _write(_path(codes_dir, split, index), codes)
        num_done, num_encoded = num_done + 1, num_encoded + len(codes)
        now_s, num_left = time.monotonic(), len(indices) - num_done - len(left_out)
        if now_s - said_s > _REPORT_S or not num_left:
            said_s, spent_s = now_s, now_s - start_s
            say(
                f"style codes: {split} {num_done} of {len(indices)} clips, "
                f"{num_done / spent_s:.2f} clips/s, {num_encoded / spent_s:.0f} frames/s, "
                f"{spent_s / num_done * num_left:.0f} s left"
            )
    if left_out:
        say(f"style codes: {split} {num_done} clips encoded, {len(left_out)} left out")
    return len(left_out)


def check_note(codes_dir, dataset, weights_digest):
    """Raises UserError where a folder has other codes than those of this corpus and these weights.

    Arguments are those of `encode_corpus`. A folder that is empty or absent is as good as any.
    """
    folder = pathlib.Path(codes_dir)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: found a file, expected a folder of style codes")
    # Listed first: another process may write its note meanwhile.
    used = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
    expected = _note(dataset, weights_digest)
    try:
        found = json.loads((folder / NOTE).read_text())
        found = {key: found[key] for key in expected}
    except FileNotFoundError:
        if used and folder.name != codes_key(dataset, weights_digest):
            raise UserError(
                f"{folder}: found a folder of something else (no {NOTE}), expected one of style "
                "codes, or none; give another"
            ) from None
        return
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / NOTE} cannot be read ({type(error).__name__}: {error}); give another "
            "folder, or delete this one"
        ) from None
    differing = [
        f"{key} {found[key]!s:.16}, expected {expected[key]:.16}"
        for key in ("weights", "corpus")
        if found[key] != expected[key]
    ]
    if differing:
        raise UserError(
            f"{folder}: found style codes of other {' and '.join(differing)} (digests; the codes "
            f"there are of {found['dataset']}); give another folder, or the checkpoint and the "
            "corpus that they were made with"
        )


def read_codes(codes_dir, split, index):
    """Memory-mapped codes of a clip: float32 [T, num_ws, w_dim]; T = 0 if it was left out.

    Raises:
      UserError: they have not been computed.
    """
    path = _path(codes_dir, split, index)
    try:
        with _PARSING:
            return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        if path.with_suffix(".json").exists():
            return np.zeros((0, 0, 0), np.float32)
        raise UserError(
            f"{codes_dir}: found no style codes of clip {index} of {split}; run the training of "
            "the recipe again, which computes what is missing"
        ) from None


def _path(codes_dir, split, index):
    # A thousand files a folder, for file systems that are slow with more.
    return pathlib.Path(codes_dir, split, f"{index // 1000:05d}", f"{index:08d}.npy")


def _done(codes_dir, split):
    """Numbers of the clips whose codes are there; a listing for a thousand of them."""
    return {int(path.stem) for path in pathlib.Path(codes_dir, split).glob("*/[0-9]*.npy")}


def _note(dataset, weights_digest):
    return {
        "dataset": dataset.name,
        "corpus": fingerprint(dataset),
        "weights": weights_digest,
    }


def _reader(corpus):
    def read(index):
        """(index, frames, None), or (index, None, why there are none)."""
        try:
            video = corpus[index]["video"]
            return index, decode_frames(video, range(num_frames(video))), None
        except Exception as error:  # readers and decoders raise what they like on damaged data
            return index, None, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"

    return read


def _readable(clips, leave_out):
    """Triples of `_reader` -> pairs (index, frames), all of one size."""
    size = None
    for index, frames, fault in clips:
        if fault is None:
            size = size or frames.shape[1:]
            if frames.shape[1:] == size:
                yield index, frames
                continue
            fault = f"found frames {list(frames.shape[1:])}, expected {list(size)} as before"
        leave_out(index, fault)


def _encoded(clips, encode, batch_size):
    """Pairs (index, frames) -> pairs (index, codes), through batches of a fixed size."""
    frames, codes, waiting = [], [], collections.deque()

    def encode_first(count):
        padded = frames[:count] + frames[count - 1 : count] * (batch_size - count)
        codes.extend(np.asarray(encode(np.stack(padded)), np.float32)[:count])
        del frames[:count]

    def complete():
        while waiting and len(codes) >= waiting[0][1]:
            index, length = waiting.popleft()
            yield index, np.stack(codes[:length])
            del codes[:length]

    for index, clip in clips:
        waiting.append((index, len(clip)))
        frames.extend(clip)
        while len(frames) >= batch_size:
            encode_first(batch_size)
        yield from complete()
    if frames:
        encode_first(len(frames))
    yield from complete()


def _write(path, codes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, codes, allow_pickle=False)
    path.with_suffix(".json").unlink(missing_ok=True)


def _write_fault(path, index, reason):
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_json(path.with_suffix(".json"), {"clip": index, "reason": reason})


def _write_note(codes_dir, dataset, weights_digest):
    folder = pathlib.Path(codes_dir)
    if not (folder / NOTE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / NOTE, _note(dataset, weights_digest))


def _write_json(path, value):
    with files.replacing(path) as temporary:
        pathlib.Path(temporary).write_text(json.dumps(value, indent=1) + "\n")
