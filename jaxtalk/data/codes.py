"""Style codes of every frame of a corpus, computed once and kept beside the checkpoints.

The encoder and the generator are fixed while a system trains on their codes, so each frame is
encoded once. A clip is one .npy file, float32 [T, num_ws, w_dim], that is memory-mapped: a window
of it costs no more than its bytes.
"""

import collections
import hashlib
import os
import pathlib
import time

import grain
import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import fingerprint, open_corpus
from jaxtalk.media import files
from jaxtalk.media.video import decode_frames, num_frames

_REPORT_S = 10


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
    key,
    codes_root,
    splits,
    batch_size=32,
    shard_index=0,
    shard_count=1,
    say=print,
):
    """Computes the codes that are not there yet. It can be stopped at any time and goes on.

    Args:
      dataset: `name` and `data_dir` of the corpus.
      encode: uint8 [batch_size, H, W, 3] -> [batch_size, num_ws, w_dim]; always full batches, the
        last one padded with its last frame.
      key: see `codes_key`.
      codes_root: folder that holds the codes of all keys.
      splits: names of the splits to encode.
      batch_size: frames that are encoded at once; they may be of several clips.
      shard_index, shard_count: this process encodes the clips shard_index, + shard_count, ...
      say: takes lines of progress.

    Returns:
      The folder of this key, as `make_loader` takes it.
    """
    codes_dir = os.path.join(codes_root, key)
    for split in splits:
        corpus = open_corpus(dataset, split)
        mine = range(shard_index, len(corpus), shard_count)
        missing = [i for i in mine if not os.path.exists(_path(codes_dir, split, i))]
        if not missing:
            continue
        say(f"style codes: {len(missing)} of {len(mine)} clips of {split} to encode")
        clips = grain.MapDataset.source(missing).map(_reader(corpus))
        clips = clips.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
        start_s = said_s = time.monotonic()
        num_done = num_encoded = 0
        for index, codes in _encoded(clips, encode, batch_size):
            _write(_path(codes_dir, split, index), codes)
            num_done, num_encoded = num_done + 1, num_encoded + len(codes)
            now_s = time.monotonic()
            if now_s - said_s > _REPORT_S or num_done == len(missing):
                said_s, spent_s = now_s, now_s - start_s
                left_s = spent_s / num_done * (len(missing) - num_done)
                say(
                    f"style codes: {split} {num_done} of {len(missing)} clips, "
                    f"{num_encoded / spent_s:.0f} frames/s, {left_s:.0f} s left"
                )
    return codes_dir


def read_codes(codes_dir, split, index):
    """Memory-mapped codes of a clip: float32 [T, num_ws, w_dim].

    Raises:
      UserError: they have not been computed.
    """
    try:
        return np.load(_path(codes_dir, split, index), mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(
            f"{codes_dir}: found no style codes of clip {index} of {split}; run the training of "
            "the recipe again, which computes what is missing"
        ) from None


def _path(codes_dir, split, index):
    # A thousand files a folder, for file systems that are slow with more.
    return pathlib.Path(codes_dir, split, f"{index // 1000:05d}", f"{index:08d}.npy")


def _reader(corpus):
    def read(index):
        video = corpus[index]["video"]
        return index, decode_frames(video, range(num_frames(video)))

    return read


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
