"""Values of clips to the numbers of a report: means, intervals, the test against another report."""

import json
import math
import pathlib

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.frechet import frechet_distance
from jaxtalk.metrics.intervals import bootstrap, paired_test
from jaxtalk.scoring.metrics import METRICS
from jaxtalk.scoring.observers import NEEDS
from jaxtalk.scoring.score import ROWS

LISTED = 5  # faults that a report lists; per_clip.csv has all


def summarise(records, not_scored, statistics, protocols, observers, *, paired, more_seeds):
    """The report of scored clips.

    Args:
      records: of `score.score_clip`, at least one.
      not_scored: {clip: reason}.
      statistics: {row: FeatureStatistics}, for FID.
      protocols: {metric: protocol id}, of the metrics that were asked for.
      observers: {family: Observer} that were there.
      paired: whether the clips have a ground truth frame by frame.
      more_seeds: whether there were videos of other seeds.

    Returns:
      dict of plain values: `num_clips`, `frames`, `not_scored`, `notes`, `frames_per_second` by
      family, `metrics` {key: name, protocol, better, not_measured, rows {row: value, interval,
      num_clips, faults}}, `clips` {clip: {metric: value}} of the predictions, and `targets` {clip:
      SHA-256 of the file of the real video, None where it is of a corpus}.
    """
    found = {}
    for key, protocol in protocols.items():
        metric = METRICS[key]
        lacking = ""
        if metric.family and metric.family not in observers:
            lacking = f"needs {NEEDS[metric.family]}"
        elif metric.paired and not paired:
            lacking = "these videos have no ground truth of each frame"
        elif key == "diversity" and not more_seeds:
            lacking = "needs videos of other seeds, --more_seeds DIR ..."
        rows = {}
        if not lacking:
            rows = _frechet(statistics, records) if key == "fid" else _means(key, records)
            if rows["pred"]["value"] is None:
                faults = rows["pred"]["faults"] or {"": "found no value"}
                lacking = next(iter(faults.values()))
        found[key] = {
            **{"name": metric.name, "protocol": protocol, "better": metric.better},
            **{"not_measured": lacking, "rows": rows},
        }
    return {
        "num_clips": len(records),
        "frames": sum(record["frames"] for record in records),
        "not_scored": not_scored,
        "notes": {r["clip"]: r["notes"] for r in records if r["notes"]},
        "frames_per_second": _rates(records),
        "metrics": found,
        "clips": {
            r["clip"]: {k: v for k, v in r["values"]["pred"].items() if not isinstance(v, str)}
            for r in records
        },
        "targets": {r["clip"]: r["files"].get("target") for r in records},
    }


def _means(key, records):
    rows = {}
    for row in ROWS:
        values = {r["clip"]: r["values"][row][key] for r in records if key in r["values"][row]}
        scored = [v for v in values.values() if not isinstance(v, str)]
        faults = {clip: v for clip, v in values.items() if isinstance(v, str)}
        rows[row] = {
            **{"value": None, "interval": None, "num_clips": len(scored)},
            **{"num_faults": len(faults), "faults": dict(list(faults.items())[:LISTED])},
        }
        if scored:
            estimate, low, high = bootstrap(np.array(scored))
            rows[row]["value"] = estimate
            rows[row]["interval"] = [low, high] if math.isfinite(low) else None
    return rows


def _frechet(statistics, records):
    """Distances of all frames; no mean over clips, hence without an interval."""
    rows = {}
    clips = {r["clip"]: r["values"]["pred"]["fid"] for r in records if "fid" in r["values"]["pred"]}
    for row in ROWS:
        empty = {"interval": None, "num_clips": 0, "num_faults": 0, "faults": {}}
        rows[row] = {"value": None, **empty}
        if row in statistics:
            try:
                rows[row]["value"] = frechet_distance(statistics[row], statistics["real"])
            except UserError as error:
                rows[row] |= {"num_faults": 1, "faults": {"all": str(error)}}
    if clips:
        listed = dict(list(clips.items())[:LISTED])
        rows["pred"] |= {"num_faults": len(clips), "faults": listed | rows["pred"]["faults"]}
    return rows


def _rates(records):
    """Frames a second, by family of metrics and of all together."""
    seconds = {}
    for record in records:
        for family, spent in record["seconds"].items():
            seconds[family] = seconds.get(family, 0.0) + spent
    frames = sum(record["frames"] for record in records)
    return {family: frames / spent for family, spent in seconds.items() if spent}


def read_report(path, option="--baseline"):
    """A report.json of this command.

    Raises:
      UserError: no such file, or something else.
    """
    path = pathlib.Path(path)
    path = path / "report.json" if path.is_dir() else path
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{option}: {path} cannot be read ({error}); expected a report.json of this command"
        ) from None
    if not _is_report(found):
        raise UserError(
            f"{option}: {path} has no metrics of clips, or not in the form that this version "
            "writes; expected a report.json of scores; score those videos again"
        )
    return found


def _is_report(found):
    """Whether there is all that is read of a report: `compare`, `side_by_side`."""

    def is_number(x):
        return type(x) in (int, float) and math.isfinite(x)

    def is_metric(metric):
        if not isinstance(metric, dict) or not isinstance(metric.get("rows"), dict):
            return False
        texts = all(isinstance(metric.get(key), str) for key in ("name", "protocol", "better"))
        row = metric["rows"].get("pred") if metric["rows"] else {"value": None, "interval": None}
        if not texts or not isinstance(row, dict) or not {"value", "interval"} <= row.keys():
            return False
        ends = [] if row["interval"] is None else row["interval"]
        return (row["value"] is None or is_number(row["value"])) and (
            isinstance(ends, list) and len(ends) in (0, 2) and all(map(is_number, ends))
        )

    parts = ("metrics", "clips", "targets", "settings")
    return (
        isinstance(found, dict)
        and all(isinstance(found.get(part), dict) for part in parts)
        and all(map(is_metric, found["metrics"].values()))
        and all(
            isinstance(clip, dict) and all(map(is_number, clip.values()))
            for clip in found["clips"].values()
        )
    )


def check_comparable(report, baseline, option="--baseline"):
    """Whether two reports are of the same clips and have a metric in common.

    Args:
      report: has `metrics`, `settings` and `targets`, as `baseline`, of `read_report`.
      option: that names the baseline.

    Raises:
      UserError: another protocol, dataset or split; clips of one name with other real videos; no
        metric of the same protocol.
    """
    for key in ("protocol", "dataset", "split"):
        own, other = (side["settings"].get(key) for side in (report, baseline))
        if own != other:
            raise UserError(
                f"{option}: found a report whose {key} is {other or 'that of folders'}, expected "
                f"{own or 'one of folders'}; only reports of the same clips are compared"
            )
    common = report["targets"].keys() & baseline["targets"].keys()
    others = sorted(k for k in common if report["targets"][k] != baseline["targets"][k])
    if others:
        raise UserError(
            f"{option}: found another real video in {len(others)} of {len(common)} clips of one "
            f"name, such as {others[0]}; only reports of the same clips are compared"
        )
    protocols = ({k: m["protocol"] for k, m in r["metrics"].items()} for r in (report, baseline))
    own, other = (side.items() for side in protocols)
    if not own & other:
        raise UserError(
            f"{option}: found no metric of the same protocol in both reports, expected one or more "
            f"of {', '.join(value for _, value in own)}"
        )


def compare(report, baseline):
    """Paired test of each metric on the clips that both reports have.

    Returns:
      {metric: {difference, interval, p_value, num_clips}, or {not_compared: reason}}.
    """
    found = {}
    for key, metric in report["metrics"].items():
        other = baseline["metrics"].get(key)
        pairs = [
            (own[key], baseline["clips"][clip][key])
            for clip, own in report["clips"].items()
            if key in own and key in baseline["clips"].get(clip, {})
        ]
        if not metric["rows"] or other is None or not other["rows"]:
            found[key] = {"not_compared": "not measured in both"}
        elif other["protocol"] != metric["protocol"]:
            found[key] = {"not_compared": f"the baseline's protocol is {other['protocol']}"}
        elif len(pairs) < 2:
            found[key] = {"not_compared": f"found {len(pairs)} clips in both, expected 2 or more"}
        else:
            test = paired_test(*np.array(pairs).T)
            found[key] = {
                **{"difference": test.difference.estimate, "p_value": test.p_value},
                **{"interval": list(test.difference[1:]), "num_clips": len(pairs)},
            }
    return found
