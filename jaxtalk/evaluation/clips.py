"""The clips of a split with the videos that are made of them.

Each video is made and looked at once, and serves all that is measured; one clip is held at a time.
`VIDEOS` is the table of them.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation.networks import Track, embed_speech, in_batches, still, track
from jaxtalk.media.video import decode_frames, num_frames
from jaxtalk.metrics.sync import WINDOW_FRAMES

NUM_SEEDS = 3


class Clip(NamedTuple):
    """What is measured of one clip.

    speaker: its name in the corpus. landmarks: true ones, [T, 68, 2] px, or None. audio: int16 [S].
    speech: embeddings [T - 4, D] or None. source_pose: true head pose [T', 3] rad of the motion
    source, or None. portrait: [D], identity of the first frame, or None. others: [K, D], those of
    other speakers' first frames. videos: name of `VIDEOS` -> Track.
    """

    speaker: str
    landmarks: np.ndarray | None
    audio: np.ndarray
    speech: np.ndarray | None
    source_pose: np.ndarray | None
    portrait: np.ndarray | None
    others: np.ndarray | None
    videos: dict[str, Track]


class Source(NamedTuple):
    """A clip of the corpus at the size of the frames; see `Clip`."""

    frames: np.ndarray
    audio: np.ndarray
    landmarks: np.ndarray | None
    pose: np.ndarray | None


def read_source(example, size):
    """`Source` of a corpus' example."""
    video = example["video"]
    frames = decode_frames(video, range(num_frames(video)), size=size)
    landmarks, pose = example.get("landmarks"), example.get("pose")
    if landmarks is not None:
        height, width = decode_frames(video, [0])[0].shape[:2]
        side = min(height, width)
        corner = np.array([(width - side) // 2, (height - side) // 2])
        landmarks = (np.asarray(landmarks) - corner) * size / side
    return Source(frames, example["audio"], landmarks, None if pose is None else pose[:, :3])


def speech_driven(model, seed_shift=0):
    """Maker of the video of portrait and speech, eq. 19, by one of the checkpoints."""

    def make(talkers, clip, other, seed):
        return talkers[model].generate(clip.frames[0], clip.audio, seed=seed + seed_shift)

    return make


def _other_speech(talkers, clip, other, seed):
    return talkers["checkpoint"].generate(clip.frames[0], other.audio, seed=seed)


def _motion(talkers, clip, other, seed):
    talker = talkers["checkpoint"]
    return talker.generate(clip.frames[0], clip.audio, motion=other.frames, seed=seed)


# Video -> function of (talkers, the clip, a clip of another speaker, seed) that yields its frames.
# There is also "static", the portrait all the time.
VIDEOS = {
    "real": lambda talkers, clip, other, seed: [clip.frames],
    "source": lambda talkers, clip, other, seed: [other.frames],
    "reconstructed": lambda talkers, clip, other, seed: [
        talkers["checkpoint"].reconstruct(clip.frames)
    ],
    "speech": speech_driven("checkpoint"),
    "other_speech": _other_speech,
    "motion": _motion,
    **{f"seed_{i}": speech_driven("checkpoint", i) for i in range(1, NUM_SEEDS)},
    "no_flow": speech_driven("no_flow"),
    **{f"no_flow_seed_{i}": speech_driven("no_flow", i) for i in range(1, NUM_SEEDS)},
    "no_sync": speech_driven("no_sync"),
}


def seed_of(seed, index):
    """The first seed of a clip, from that of all: no two clips share one.

    With the same noise for all of them people would blink at the same moments in each clip, and an
    interval over clips would not know that this is chance. Seeds end at 2^32 - 1: those beyond
    begin again from 0. That of the first clip is taken as it is, for its talker to refuse or not.
    """
    return (seed + NUM_SEEDS * index) % (2**32 - NUM_SEEDS) if index else seed


def evaluated_clips(dataset, split, *, talkers, networks, videos, seed=0, limit=None):
    """The clips of a split, one at a time, with their videos.

    The other clip, whose speech or motion some videos take, is the next one of another speaker.

    Args:
      dataset: `name` and `data_dir` of the corpus.
      split: of the corpus.
      talkers: {"checkpoint": Talker, maybe "no_flow", "no_sync"}.
      networks: of `load_networks`.
      videos: names of `VIDEOS`, or "static".
      seed: of the generated videos, see `seed_of`.
      limit: number of clips, from the first; None = all.

    Returns:
      (number of clips, iterator of `Clip`).

    Raises:
      UserError: no such corpus or split; a split with one speaker.
    """
    corpus, size = open_corpus(dataset, split), talkers["checkpoint"].image_size
    speakers = np.array([corpus[i]["speaker"] for i in range(len(corpus))])
    if len(set(speakers)) < 2:
        raise UserError(
            f"--split: found a single speaker in {split!r} of {dataset.name}, expected several; "
            "choose a larger part"
        )
    count = min(len(corpus), limit or len(corpus))
    portraits = None
    if "identity" in networks:
        portraits = np.concatenate([
            in_batches(networks["identity"], decode_frames(corpus[i]["video"], [0], size=size))
            for i in range(len(corpus))
        ])  # fmt: skip

    def other_than(i):
        following = [*range(i + 1, len(corpus)), *range(i)]
        return next(j for j in following if speakers[j] != speakers[i])

    def clips():
        # Blocks of a few small frames leave CPU cores idle: several videos are made at a time.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for i in range(count):
                source = read_source(corpus[i], size)
                if len(source.frames) < WINDOW_FRAMES:
                    raise UserError(
                        f"{dataset.name}: found {len(source.frames)} frames in clip {i} of "
                        f"{split!r}, expected at least {WINDOW_FRAMES}; build it without such clips"
                    )
                yield clip_of(pool, i, source, read_source(corpus[other_than(i)], size))

    def clip_of(pool, i, source, other):
        length = len(source.frames)

        def track_of(name):
            if name == "static":
                return still(networks, source.frames[0], length)
            made = VIDEOS[name](talkers, source, other, seed_of(seed, i))
            return track(networks, np.concatenate(list(made)))

        return Clip(
            speaker=speakers[i],
            landmarks=source.landmarks,
            audio=source.audio,
            speech=embed_speech(networks, source.audio, length),
            source_pose=other.pose,
            portrait=None if portraits is None else portraits[i],
            others=None if portraits is None else portraits[speakers != speakers[i]],
            videos=dict(zip(videos, pool.map(track_of, videos))),
        )

    return count, clips()
