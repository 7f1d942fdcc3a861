"""Options of the suite."""

from pathlib import Path

from jaxtalk.pretrained import parity
from tests import golden_files


def pytest_addoption(parser):
    parser.addoption(
        "--golden",
        type=Path,
        default=golden_files.FOLDER,
        metavar="DIR",
        help="directory of golden files; those too large for the repository are tested only then",
    )


def pytest_configure(config):
    golden_files.folder = config.getoption("--golden")


def pytest_terminal_summary(terminalreporter):
    """Tables of what `tests.test_parity` and `tests.metrics.test_references` have recorded, in
    whichever process."""
    results, errors = {}, []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for key, value in report.user_properties:
                if key == "parity":
                    name, comparisons = value
                    results[name] = [parity.Comparison(*c) for c in comparisons]
                elif key == "metric_error":
                    errors.append(value)
    if results:
        terminalreporter.section("parity with the reference networks")
        for line in parity.table(dict(sorted(results.items()))):
            terminalreporter.write_line(line)
    if errors:
        terminalreporter.section("metrics against their references")
        row = "{:16} {:20} {:40} {:>18} {:>8}"
        head = ("metric", "protocol", "reference", "max relative error", "allowed")
        terminalreporter.write_line(row.format(*head))
        for metric, protocol, reference, error, allowed in errors:
            cells = (metric, protocol, reference, f"{error:.1e}", f"{allowed:.0e}")
            terminalreporter.write_line(row.format(*cells))
