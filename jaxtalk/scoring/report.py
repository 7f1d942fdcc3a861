"""A report of scores as JSON, as Markdown in the shape of the papers' tables, and as CSV."""

import csv
import json
import math
from pathlib import Path

from jaxtalk.media.files import replacing
from jaxtalk.scoring import published
from jaxtalk.scoring.metrics import METRICS
from jaxtalk.scoring.score import ROWS

ROW_NAMES = {
    "pred": "prediction",
    "real": "ground truth",
    "static": "first frame, still",
    "wrong_audio": "ground truth, wrong audio",
}
BETTER = {"high": "higher", "low": "lower", "zero": "near 0", "truth": "near the truth"}
LISTED = 20  # clips with faults or notes


def number(value):
    """Four digits, or three after the point where they are more; "-" for None."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) >= 1 else f"{value:.3g}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def overview(report):
    """(head, rows of texts) of all metrics that were asked for."""
    head = ["metric", "better", *ROW_NAMES.values(), "95 % interval", "clips", "protocol"]
    rows = []
    for metric in report["metrics"].values():
        cells = [number(metric["rows"][row]["value"]) if metric["rows"] else "-" for row in ROWS]
        pred = metric["rows"].get("pred", {})
        interval = " .. ".join(map(number, pred["interval"])) if pred.get("interval") else "-"
        scored = "not measured"
        if not metric["not_measured"]:
            faults = f" (-{pred['num_faults']})" if pred["num_faults"] else ""
            scored = f"{pred['num_clips'] or report['num_clips']}{faults}"
        rows.append(
            [metric["name"], BETTER[metric["better"]], *cells, interval, scored, metric["protocol"]]
        )
    return head, rows


def terminal(report):
    """Lines of the overview for a terminal, with what was not measured below it."""
    head, rows = overview(report)
    metrics = report["metrics"].values()
    lines = [head, *(row for row, m in zip(rows, metrics) if not m["not_measured"])]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
    return [*text, *_not_measured(report), *_not_scored(report)]


def _not_measured(report):
    """Lines of metrics that have no value, those of one reason together."""
    by_reason = {}
    for metric in report["metrics"].values():
        if metric["not_measured"]:
            names = by_reason.setdefault(metric["not_measured"], [])
            names.append(f"{metric['name']} ({metric['protocol']})")
    for reason, names in by_reason.items():
        yield f"{', '.join(names)}: not measured: {reason}"


def _not_scored(report):
    for clip, reason in list(report["not_scored"].items())[:LISTED]:
        yield f"{clip}: not scored: {reason}"
    if len(report["not_scored"]) > LISTED:
        yield f"... {len(report['not_scored'])} clips not scored in all, see per_clip.csv"


def markdown(report):
    """The report as text in Markdown."""
    speeds = ", ".join(f"{name} {rate:.1f}" for name, rate in report["frames_per_second"].items())
    lines = [
        f"# Scores: {report['title']}",
        "",
        f"`{report['command']}`",
        "",
        f"{report['num_clips']} clips, {report['frames']} frames; {len(report['not_scored'])} "
        "clips not scored. Values are means over clips; intervals are bootstrapped over clips "
        "(`interval/bootstrap-expanded`). Columns beside the prediction tell what each metric "
        "gives at its best and worst: the real video itself, its first frame standing still, the "
        "real video with another clip's speech; of those, pictures and faces are looked at on "
        "every fifth frame. PSNR of equal frames counts as 99 dB.",
        "",
        *_table(*overview(report)),
        "",
        *(f"- {note}" for note in (*_not_measured(report), *_not_scored(report))),
        "",
        f"Frames a second, by what looked: {speeds}.",
    ]
    if report.get("baseline"):
        lines += ["", *_comparison(report["baseline"], report["metrics"])]
    if notes := list(report["notes"].items()):
        lines += ["", "## Clips with notes", ""]
        lines += [f"- {clip}: {'; '.join(texts)}" for clip, texts in notes[:LISTED]]
        if len(notes) > LISTED:
            lines.append(f"- ... {len(notes)} clips in all, see per_clip.csv")
    lines += [
        "",
        "## Beside the papers",
        "",
        "Rows marked *published* are copied from the papers: other data, other tools, other "
        "protocols. They are no comparison with the rows above them.",
    ]
    for table in published.TABLES:
        if any(report["metrics"].get(key, {}).get("rows") for key, _ in table.columns):
            lines += ["", *_beside(table, report)]
    if report.get("pictures"):
        lines += ["", "## Pictures", "", *(f"- [{p}]({p})" for p in report["pictures"])]
    return "\n".join([*lines, ""])


def _beside(table, report):
    columns = [key for key, _ in table.columns]
    metrics = [report["metrics"].get(key) for key in columns]
    rows = []
    for row in ROWS:
        values = [number(m["rows"][row]["value"]) if m and m["rows"] else "-" for m in metrics]
        if set(values) != {"-"}:
            rows.append([f"{ROW_NAMES[row]} (measured here)", *values])
    protocols = [m["protocol"] if m and m["rows"] else "not measured" for m in metrics]
    rows.append(["*protocol here*", *(f"`{protocol}`" for protocol in protocols)])
    for method, values in table.rows:
        rows.append([f"{method} (*published*)", *("-" if v is None else f"{v:g}" for v in values)])
    head = ["", *(name for _, name in table.columns)]
    return [
        f"### {table.title}",
        "",
        *_table(head, rows),
        "",
        f"Protocol of the published rows: {table.protocol}.",
    ]


def _comparison(baseline, metrics):
    rows = []
    for key, found in baseline["metrics"].items():
        if "not_compared" in found:
            cells = ["-", "-", "-", found["not_compared"]]
        else:
            cells = [
                number(found["difference"]),
                " .. ".join(map(number, found["interval"])),
                f"{found['p_value']:.2g}",
                str(found["num_clips"]),
            ]
        rows.append([metrics[key]["name"], *cells])
    return [
        f"## Against {baseline['title']}",
        "",
        "Difference of the means over the clips that both have, this one less the baseline; two-"
        "sided sign-flip test (`test/sign-flip`), not corrected for the number of metrics.",
        "",
        *_table(["metric", "difference", "95 % interval", "p", "clips"], rows),
    ]


def write_csv(path, records, not_scored):
    """One line for each clip and row: frames, each metric's value or why there is none, notes."""
    keys = [
        k for k in METRICS if any(k in values for r in records for values in r["values"].values())
    ]
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "row", "frames", *keys, "notes"])
        for record in records:
            for row, values in record["values"].items():
                cells = [values.get(key, "") for key in keys]
                notes = "; ".join(record["notes"]) if row == "pred" else ""
                writer.writerow([record["clip"], row, record["frames"], *cells, notes])
        for clip, reason in not_scored.items():
            writer.writerow([clip, "pred", 0, *[""] * len(keys), f"not scored: {reason}"])


def write(folder, report):
    """Writes report.json and report.md; each appears complete."""
    texts = {"report.json": json.dumps(report, indent=1) + "\n", "report.md": markdown(report)}
    for name, text in texts.items():
        with replacing(Path(folder) / name) as temporary, open(temporary, "w") as file:
            file.write(text)
