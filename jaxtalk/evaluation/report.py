"""The table of claims: summed up over clips, as text, Markdown and JSON."""

import json
import math

import numpy as np

from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.evaluation.clips import NUM_SEEDS
from jaxtalk.media.files import replacing
from jaxtalk.metrics.intervals import bootstrap

# Of the clips: fewer could be those that happen to do well.
MIN_SCORED_SHARE = 0.5
UNSURE = (
    "`reached` goes by the measured value; it is `unsure` where a part of the interval lies on the "
    "other side of the bar, or where there is no interval."
)


def summarise(key, values, not_measured="", *, speakers=None):
    """A row of the report.

    Args:
      key: of `CLAIMS`.
      values: list of what `clip_values` returned, of each clip.
      not_measured: why there are no values; "" if there are.
      speakers: of each clip; None = each has its own. Intervals are over speakers, as clips of one
        are alike.

    Returns:
      dict of plain values: `claim`, `name`, `protocol`, `low` and `high` of the bar (None = none),
      `value`, `interval` of two (None for a single speaker), `num_clips`, `not_scored`, `reached`
      (whether the value is within the bar), `interval_agrees` (whether the whole interval is on the
      value's side of the bar), `comparisons` (video -> value), `note`. Of a claim that is not
      measured, as where less than half of the clips could be scored, `value`, `interval`, `reached`
      and `interval_agrees` are None.
    """
    claim = CLAIMS[key]
    row = {
        **{"claim": key, "name": claim.name, "protocol": claim.protocol},
        **{"low": _finite(claim.low), "high": _finite(claim.high)},
        **{"value": None, "interval": None, "num_clips": 0, "not_scored": 0},
        **{"reached": None, "interval_agrees": None, "comparisons": {}, "note": ""},
    }
    if not_measured:
        return row | {"note": f"not measured: needs {not_measured}"}
    judged = [v[claim.video] for v in values]
    scored, errors = _split(judged)
    row |= {"num_clips": len(scored), "not_scored": len(errors)}
    if errors:
        row["note"] = f"{len(errors)} of {len(values)} clips not scored: {errors[0]}"
    if len(scored) < max(1, MIN_SCORED_SHARE * len(values)):
        reason = row["note"] or "there are none"
        return row | {"note": f"not measured: at least half of the clips are needed; {reason}"}
    groups = speakers and [s for s, v in zip(speakers, judged) if not isinstance(v, Exception)]
    found = bootstrap(scored, groups=groups, statistic=claim.statistic)
    if not math.isfinite(found.estimate):
        return row | {"note": "not measured: there is nothing to compare with"}
    row["value"] = found.estimate
    row["reached"] = claim.low <= found.estimate <= claim.high
    if math.isfinite(found.low):  # not of a single speaker
        row["interval"] = [found.low, found.high]
        within = claim.low <= found.low and found.high <= claim.high
        beyond = found.high < claim.low or claim.high < found.low
        row["interval_agrees"] = within if row["reached"] else beyond
    for video in claim.comparisons:
        compared, _ = _split([v[video] for v in values])
        if len(compared):
            row["comparisons"][video] = _finite(float(claim.statistic(compared)))
    truth = row["comparisons"].get("real")
    if truth is not None and not claim.low <= truth <= claim.high:
        row["note"] += f"{'; ' if row['note'] else ''}real videos do not reach this bar either"
    return row


def _split(values):
    """(array of the values, list of the errors among them)."""
    scored = [v for v in values if not isinstance(v, Exception)]
    return np.array(scored), [v for v in values if isinstance(v, Exception)]


def _finite(value):
    return value if math.isfinite(value) else None


def bar(row):
    """The bar of a row as text."""
    low, high = row["low"], row["high"]
    if low is None:
        return f"<= {high:.3g}"
    if low == math.ulp(0.0):  # `claims.ABOVE_ZERO`
        return "> 0"
    return f">= {low:.3g}" if high is None else f"{low:.2f} .. {high:.2f}"


COLUMNS = (
    *("claim", "bar", "measured", "95 % interval", "clips", "reached"),
    *("real", "codes", "static", "protocol"),
)


def cells(row):
    """The texts of a row, in the order of `COLUMNS`."""

    def number(value):
        return "-" if value is None else f"{value:.3g}"

    interval = " .. ".join(map(number, row["interval"])) if row["interval"] else "-"
    reached = {True: "yes", False: "NO", None: "-"}[row["reached"]]
    if row["reached"] is not None and not row["interval_agrees"]:
        reached += ", unsure"
    found = row["comparisons"]
    compared = [found.get("real", found.get("source")), found.get("reconstructed")]
    return [
        *(row["name"], bar(row), number(row["value"]), interval, str(row["num_clips"]), reached),
        *map(number, [*compared, found.get("static")]),
        row["protocol"],
    ]


def table(report):
    """Lines of the table for a terminal, with its legend and notes below it."""
    lines = [COLUMNS, *(cells(row) for row in report["claims"])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
    return [*text, UNSURE, *_notes(report)]


def markdown(report):
    """The report as text in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row) for row in report["claims"])]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    head = [
        f"# Claims of StyleTalker: {report['model']}",
        "",
        f"`{report['command']}`",
        "",
        f"{report['num_clips']} clips of {report['num_speakers']} speakers, {report['split']!r} of "
        f"{report['dataset']}, seed {report['seed']}, {report['seconds']:.0f} s. `real`, `codes` "
        "and `static` judge other videos in the place of the generated one: the real one (for head "
        "motion its source), the real one through encoder and generator, and the portrait standing "
        "still. Intervals are over speakers, each with all clips (`interval/bootstrap-expanded`). "
        f"Head motion and blinks that are drawn are means over {NUM_SEEDS} seeds. {UNSURE}",
        "",
    ]
    return "\n".join([*head, *rows, "", *(f"- {note}" for note in _notes(report)), ""])


def _notes(report):
    return [f"{row['name']}: {row['note']}" for row in report["claims"] if row["note"]]


def write(folder, report):
    """Writes report.json and report.md; each appears complete."""
    texts = {"report.json": json.dumps(report, indent=1) + "\n", "report.md": markdown(report)}
    for name, text in texts.items():
        with replacing(folder / name) as temporary, open(temporary, "w") as file:
            file.write(text)
