"""Flags of `python -m jaxtalk.bench`."""

import argparse

from jaxtalk.benchmarks import decoding
from jaxtalk.benchmarks.parts import PARTS
from jaxtalk.core.command_line import Parser

CHOICES = (*PARTS, decoding.PART)


def one_of(choices):
    """A type of argument."""

    def check(text):
        if text not in choices:
            expected = ", ".join(choices)
            raise argparse.ArgumentTypeError(f"found {text!r}, expected one of {expected}")
        return text

    return check


def positive(text):
    """A type of argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of 1 or more")
    return int(text)


def rate(text):
    """A type of argument."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0")
    return value


def parse(argv, description):
    """Command line -> namespace.

    Raises:
      UserError: anything wrong with it.
    """
    parser = Parser("jaxtalk.bench", description)
    parser.add_argument("--part", action="append", type=one_of(CHOICES), help=", ".join(CHOICES))
    parser.add_argument("--batch", type=positive, default=1)
    parser.add_argument("--preset", type=one_of(("demo", "paper")), help="demo or paper")
    parser.add_argument("--dtype", type=one_of(("float32", "bfloat16")), default="float32")
    parser.add_argument("--repeats", type=positive, default=5, help="runs of which to take ms")
    parser.add_argument(
        "--steps_per_s", type=rate, help="of your training, for decoding; else as train_step is"
    )
    parser.add_argument("--json", metavar="FILE", help="write the rows to this file, too")
    return parser.parse_args(argv)
