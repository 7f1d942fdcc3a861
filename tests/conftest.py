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
    """A table of the comparisons that `tests.test_parity` has recorded, in whichever process."""
    results = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for key, value in report.user_properties:
                if key == "parity":
                    name, comparisons = value
                    results[name] = [parity.Comparison(*c) for c in comparisons]
    if results:
        terminalreporter.section("parity with the reference networks")
        for line in parity.table(dict(sorted(results.items()))):
            terminalreporter.write_line(line)
