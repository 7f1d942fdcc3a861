"""What a checkpoint generates from a corpus to be scored: `PROTOCOLS` is the table.

Portraits are first frames; the other clip is the next one of another speaker.
"""

import itertools
import pathlib

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation.clips import NUM_SEEDS, read_source, seed_of
from jaxtalk.media.audio import num_video_frames
from jaxtalk.scoring import command
from jaxtalk.scoring.clips import Clip
from jaxtalk.scoring.summary import read_report
from jaxtalk.talker import Talker


def _reconstruction(talker, own, other, seed):
    """Portrait, speech and motion of one clip, StyleTalker section 4.1: its own ground truth."""
    return talker.generate(own.frames[0], own.audio, motion=own.frames, seed=seed)


def _cross_identity(talker, own, other, seed):
    """A portrait with another person's speech, StyleLipSync section 5.3; motion is made up."""
    return talker.generate(own.frames[0], other.audio, seed=seed)


def _motion(talker, own, other, seed):
    """A portrait with its speech and another person's motion, StyleTalker section 4.2."""
    return talker.generate(own.frames[0], own.audio, motion=other.frames, seed=seed)


# Name -> function (talker, clip, clip of another speaker, seed) that yields frames [n, H, W, 3].
PROTOCOLS = {
    "reconstruction": _reconstruction,
    "cross_identity": _cross_identity,
    "motion": _motion,
}


def protocol_clips(name, talker, corpus, *, seed=0, limit=None):
    """The clips of a protocol, generated when they are read.

    Args:
      name: of `PROTOCOLS`.
      talker: `Talker`.
      corpus: of `open_corpus`.
      seed: of the generated videos, see `seed_of`.
      limit: number of clips, from the first; None = all.

    Returns:
      List of `clips.Clip`.

    Raises:
      UserError: a corpus with one speaker.
    """
    speakers = [corpus[i]["speaker"] for i in range(len(corpus))]
    if len(set(speakers)) < 2:
        raise UserError(
            f"--split: found a single speaker in {len(corpus)} clips, expected several; choose a "
            "larger part"
        )
    count = min(len(corpus), limit or len(corpus))
    return [_clip(name, talker, corpus, i, _other(speakers, i), seed) for i in range(count)]


def _other(speakers, i):
    """Number of the next clip of another speaker."""
    following = [*range(i + 1, len(speakers)), *range(i)]
    return next(j for j in following if speakers[j] != speakers[i])


def _clip(name, talker, corpus, i, j, seed):
    def source(k):
        return read_source(corpus[k], talker.image_size)

    def length(own, audio):
        return min(len(own.frames), num_video_frames(len(audio)))

    def pred(shift=0):
        own, other = source(i), source(j)
        pieces = PROTOCOLS[name](talker, own, other, seed_of(seed, i) + shift)
        frames = itertools.chain.from_iterable(pieces)
        return itertools.islice(frames, length(own, own.audio)) if paired else frames

    def real():
        own = source(i)
        return iter(own.frames[: length(own, own.audio)] if paired else own.frames)

    def audio_of(k):
        return lambda: np.asarray(corpus[k]["audio"])

    paired = name == "reconstruction"
    # Without a motion source, seeds differ.
    shifts = range(1, NUM_SEEDS) if name == "cross_identity" else ()
    return Clip(
        name=f"{i:05d}",
        pred=pred,
        real=real,
        audio=audio_of(j if name == "cross_identity" else i),
        real_audio=audio_of(i),
        wrong_audio=audio_of(j),
        paired=paired,
        seeds=tuple(lambda shift=shift: pred(shift) for shift in shifts),
    )


def chosen(args):
    """Names of the protocols to score: all, unless some, none or single claims are named."""
    if args.protocols is not None:
        return args.protocols
    return [] if args.claims is not None else list(PROTOCOLS)


def score_protocols(args, names, dataset):
    """Scores what a checkpoint generates, into a folder of --out for each protocol."""
    baselines = _baselines(args.baseline, names) if args.baseline else {}
    talker = Talker.load(args.checkpoint)
    corpus = open_corpus(dataset, args.split)
    source = f"{args.split!r} of {dataset.name}"
    with command.observers_of(args) as observers:
        for name in names:
            clips = protocol_clips(name, talker, corpus, seed=args.seed, limit=args.limit)
            command.say(f"{name}: {len(clips)} clips")
            settings = {"protocol": name, "model": talker.name, "seed": args.seed}
            settings |= {"dataset": dataset.name, "split": args.split}
            title = f"{talker.name}, {name} on {source}"
            folder = pathlib.Path(args.out) / name
            baseline = baselines.get(name)
            if baselines and not baseline:
                command.say(f"--baseline: found no report of {name}, which is not compared")
            command.score(args, folder, title, clips, observers, settings, baseline=baseline)


def _baselines(path, names):
    """{protocol: its report}, of a folder as --out, or the report of a single protocol.

    Raises:
      UserError: neither, or of none of these protocols.
    """
    folders = {name: pathlib.Path(path) / name for name in names}
    found = {name: f for name, f in folders.items() if (f / "report.json").is_file()}
    if found:
        return found
    own = read_report(path)["settings"].get("protocol")
    if own not in names:
        raise UserError(
            f"--baseline: found a report of {own or 'folders of videos'} in {path}, expected one "
            f"of {', '.join(names)}, or a folder that has theirs"
        )
    return {own: path}
