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
    if golden_files.parity:
        terminalreporter.section("parity with the reference networks")
        for line in parity.table(golden_files.parity):
            terminalreporter.write_line(line)
