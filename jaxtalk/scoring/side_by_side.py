"""Several reports as one table, a system a row: how papers compare systems, and ablations."""

import json
import pathlib

from jaxtalk.core.command_line import named_folders
from jaxtalk.core.errors import UserError
from jaxtalk.media.files import replacing
from jaxtalk.scoring import published
from jaxtalk.scoring.report import number
from jaxtalk.scoring.summary import check_comparable, compare, read_report


def tabulate(args):
    """Writes <out>/table.json and table.md of the reports NAME=DIR in --table, the first of which
    is what the others are tested against."""
    folders = named_folders("table", args.table)
    reports = {name: read_report(path, "--table") for name, path in folders}
    if len(reports) < 2:
        raise UserError(f"--table: found {len(reports)} report, expected 2 or more, NAME=DIR each")
    rows = rows_of(reports)
    text = markdown(rows)
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("table.json", json.dumps(rows, indent=1) + "\n"), ("table.md", text)):
        with replacing(folder / name) as temporary, open(temporary, "w") as file:
            file.write(content)
    print(text)
    print(f"wrote {folder / 'table.json'} and table.md")


def rows_of(reports):
    """The values of several reports.

    Args:
      reports: {name: report of `summary.read_report`}; the first is the baseline.

    Returns:
      {metric: {name, protocol, systems {name: {value, interval, p_value}}}} of what the first has
      measured; a system whose protocol is another one, or that has no value, is left out.

    Raises:
      UserError: reports of other clips than the first, or without a metric in common with it.
    """
    first = next(iter(reports))
    for name, report in reports.items():
        check_comparable(reports[first], report, f"--table {name}")
    tests = {name: compare(report, reports[first]) for name, report in reports.items()}
    found = {}
    for key, metric in reports[first]["metrics"].items():
        if not metric["rows"]:
            continue
        systems = {}
        for name, report in reports.items():
            own = report["metrics"].get(key)
            if own and own["rows"] and own["protocol"] == metric["protocol"]:
                row = own["rows"]["pred"]
                p_value = None if name == first else tests[name][key].get("p_value")
                systems[name] = {
                    "value": row["value"], "interval": row["interval"], "p_value": p_value,
                }  # fmt: skip
        found[key] = {**{n: metric[n] for n in ("name", "protocol", "better")}, "systems": systems}
    if not any(len(row["systems"]) > 1 for row in found.values()):
        raise UserError(
            f"--table: found no metric that {first} and another report have measured by the same "
            "protocol; score them with the same --metrics and --weights"
        )
    return found


def markdown(rows):
    """The rows as text in Markdown, with the ablation that StyleTalker's paper has published."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row["systems"]))

    def cell(found):
        if found is None or found["value"] is None:
            return "-"
        text = number(found["value"])
        if found["interval"]:
            text += " ({} .. {})".format(*map(number, found["interval"]))
        return text if found["p_value"] is None else f"{text}, p = {found['p_value']:.2g}"

    lines = [
        "# Side by side",
        "",
        "Means over clips with 95 % intervals (`interval/bootstrap-expanded`); p: sign-flip test "
        f"against {names[0]} on the clips that both have (`test/sign-flip`), not corrected for the "
        "number of metrics.",
        "",
        *_table(
            ["metric", *names, "protocol"],
            (
                [row["name"], *(cell(row["systems"].get(name)) for name in names), row["protocol"]]
                for row in rows.values()
            ),
        ),
    ]
    table = published.ABLATION
    if any(key in rows for key, _ in table.columns):
        lines += [
            "",
            f"## Published: {table.title}",
            "",
            *_table(
                ["", *(name for _, name in table.columns)],
                ([f"{method} (*published*)", *map(str, values)] for method, values in table.rows),
            ),
            "",
            f"Protocol of the published rows: {table.protocol}. They are no comparison with the "
            "rows above them.",
        ]
    return "\n".join([*lines, ""])


def _table(head, rows):
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]
