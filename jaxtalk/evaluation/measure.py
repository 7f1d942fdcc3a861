"""From a checkpoint and a corpus to the rows of the report."""

import time

from jaxtalk.data.source import open_corpus
from jaxtalk.evaluation import claims, report
from jaxtalk.evaluation.clips import evaluated_clips
from jaxtalk.evaluation.networks import find_stages, load_networks
from jaxtalk.talker import Talker


def measure(
    checkpoint,
    dataset,
    split,
    *,
    chosen=(),
    landmarks=None,
    no_flow=None,
    no_sync=None,
    seed=0,
    limit=None,
    say=print,
):
    """Measures the claims.

    Args:
      checkpoint: as `Talker.load` takes it.
      dataset: `name` and `data_dir` of the corpus.
      split: of the corpus.
      chosen: keys of `claims.CLAIMS`; none = all.
      landmarks: directory of the stage landmarks, None = that of the checkpoint if it has one.
      no_flow, no_sync: checkpoints of the ablations, or None.
      seed: of the generated videos.
      limit: number of clips, from the first; None = all.
      say: takes lines of progress.

    Returns:
      dict of plain values, see `report.summarise`.

    Raises:
      UserError: anything wrong with what was given.
    """
    start_s = time.monotonic()
    examples = open_corpus(dataset, split)
    named = {"checkpoint": checkpoint, "no_flow": no_flow, "no_sync": no_sync}
    talkers = {name: Talker.load(path) for name, path in named.items() if path}
    directories = find_stages(checkpoint, landmarks)
    networks = load_networks(directories, talkers["checkpoint"].image_size)
    truths = {f"true {name}" for name in ("landmarks", "pose") if name in examples[0]}
    available = {*directories, *talkers, *truths}
    table = {key: claims.CLAIMS[key] for key in chosen or claims.CLAIMS}
    missing = {key: claims.missing_needs(claim, available) for key, claim in table.items()}
    measured = [key for key in table if not missing[key]]
    names = dict.fromkeys(name for key in measured for name in claims.videos_of(table[key]))
    count, clips = evaluated_clips(
        *(dataset, split),
        talkers=talkers,
        networks=networks,
        videos=list(names),
        seed=seed,
        limit=limit,
    )
    say(f"{count} clips, {len(names)} videos of each: {', '.join(names)}")
    values, speakers = {key: [] for key in table}, []
    for number, clip in enumerate(clips, 1):
        speakers.append(clip.speaker)
        for key in measured:
            values[key].append(claims.clip_values(table[key], clip))
        spent_s = time.monotonic() - start_s
        left_s = spent_s / number * (count - number)
        say(f"clip {number} of {count}, {spent_s:.0f} s, about {left_s:.0f} s left")
    return {
        "model": talkers["checkpoint"].name,
        "dataset": dataset.name,
        "split": split,
        "seed": seed,
        "num_clips": count,
        "num_speakers": len(set(speakers)),
        "claims": [
            report.summarise(key, values[key], missing[key], speakers=speakers) for key in table
        ],
        "seconds": time.monotonic() - start_s,
    }
