"""All clips to a report: scored one after another, each kept when it is done."""

import time

from jaxtalk.core.errors import UserError
from jaxtalk.scoring import summary
from jaxtalk.scoring.journal import Journal
from jaxtalk.scoring.metrics import protocol
from jaxtalk.scoring.score import score_clip


def run(
    clips, keys, observers, folder, *, settings, unreadable=None, allow_mismatch=False, say=print
):
    """Scores clips; those that an earlier run has finished in this folder are not scored again.

    Args:
      clips: list of `clips.Clip`.
      keys: of `metrics.METRICS`.
      observers: of `observers.load_observers`.
      folder: where finished clips are kept, and the report will be.
      settings: plain dict of what the values depend on beside the metrics, networks and files.
      unreadable: {clip: reason} of files that cannot be read.
      allow_mismatch: as `score_clip` takes it.
      say: takes lines of progress.

    Returns:
      (report, see `summary.summarise`; records of the clips that were scored).

    Raises:
      UserError: not one clip could be scored, or the folder belongs to other settings.
    """
    settings = {
        **settings,
        "allow_mismatch": allow_mismatch,
        "metrics": {key: protocol(key, observers) for key in keys},
        "weights": {family: observer.weights for family, observer in observers.items()},
    }
    files = {clip.name: clip.files for clip in clips} | dict.fromkeys(unreadable or {})
    has_statistics = "fid" in keys and "inception" in observers
    with Journal(folder, settings, files, has_statistics=has_statistics) as journal:
        done = {record["clip"] for record in journal.records}
        left = [clip for clip in clips if clip.name not in done]
        if done:
            say(f"{len(done)} of {len(clips)} clips are scored already")
        start_s, frames, not_scored = time.monotonic(), 0, dict(unreadable or {})
        for number, clip in enumerate(left, 1):
            fault = ""
            try:
                record, found = score_clip(clip, keys, observers, allow_mismatch=allow_mismatch)
            except Exception as error:  # one bad clip is no reason to lose the others
                kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
                not_scored[clip.name] = f"{kind}{' '.join(str(error).split())}"
                fault = f"; {clip.name} not scored: {not_scored[clip.name]}"
            else:
                journal.add(record, found)
                frames += record["frames"]
            spent_s = time.monotonic() - start_s
            say(
                f"clip {len(done) + number} of {len(clips)}, {frames / spent_s:.1f} frames/s, "
                f"about {spent_s / number * (len(left) - number):.0f} s left{fault}"
            )
        by_name = {record["clip"]: record for record in journal.records}
        scored = [by_name[clip.name] for clip in clips if clip.name in by_name]
        statistics = journal.statistics
    if not scored:
        name, reason = next(iter(not_scored.items()))
        raise UserError(f"none of {len(not_scored)} clips could be scored: {name}: {reason}")
    report = summary.summarise(
        *(scored, not_scored, statistics, settings["metrics"], observers),
        paired=any(clip.paired for clip in clips),
        more_seeds=any(clip.seeds for clip in clips),
    )
    return report, scored
