"""Command lines of plain flags, with faults of the user told in one line.

(`jaxtalk.train`, whose flags change values of a config, has `jaxtalk.training.command_line`.)
"""

import argparse
import sys

from jaxtalk.core.errors import UserError


class Parser(argparse.ArgumentParser):
    """Of `python -m <module>`, with --debug; tells of a fault by UserError, without the usage."""

    def __init__(self, module, description):
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(f"python -m {module}", description=description, formatter_class=layout)
        self.add_argument("--debug", action="store_true", help="show where an error comes from")

    def error(self, message):
        raise UserError(message.removeprefix("argument "))


def run(main, parse, argv):
    """Calls `main(parse(argv))`.

    A `UserError`, or an OSError such as that of a disk that is full, becomes one line and exit
    status 1; with --debug it is raised.

    Args:
      main: takes the namespace.
      parse: takes a list of strings.
      argv: the command line, None for that of this process.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        main(parse(argv))
    except (UserError, OSError) as error:
        if "--debug" in argv:
            raise
        sys.exit(f"error: {' '.join(str(error).split())}")


def named_folders(option, texts, kind="NAME"):
    """NAME=DIR texts -> pairs.

    Raises:
      UserError: one is none.
    """
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise UserError(f"--{option}: found {text!r}, expected {kind}=DIR")
        yield name, folder
