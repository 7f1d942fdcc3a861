"""Flags of `jaxtalk.train`, and faults of the user told in one line."""

import difflib
import errno
import itertools
import os
import pathlib
import re
import sys
import traceback

from absl import app, flags, logging
from ml_collections import config_flags

from jaxtalk.core.errors import UserError

# What the machine refuses is for the person to mend, too.
_REFUSALS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS)


def define_flags(values=flags.FLAGS, argv=None):
    """The flags; --config.a.b=value, which is looked for in `argv`, changes a value of the config.

    Args:
      values: gets the flags.
      argv: the command line, if not that of this process.
    """
    config_flags.DEFINE_config_file(
        "config", None, "File of the recipe, as path[:preset].", values, sys_argv=argv
    )
    strings = {
        "workdir": (None, "All is written here; runs/<config>[_<preset>] if unset."),
        "stage": (None, "Train this stage alone; those that it needs are finished."),
        "compilation_cache": ("~/.cache/jaxtalk", "Directory of compiled programs; '': none."),
        "coordinator_address": (None, "With --distributed: host:port, where JAX cannot tell."),
    }
    bools = {
        "dry_run": "Print the plan; train nothing.",
        "accept_changes": "Go on although values of the config have changed.",
        "distributed": "This is one of several processes.",
        "debug": "Show the traceback of a fault.",
    }
    for name, (default, text) in strings.items():
        flags.DEFINE_string(name, default, text, flag_values=values)
    for name, text in bools.items():
        flags.DEFINE_bool(name, False, text, flag_values=values)
    for name in ("num_processes", "process_id"):
        text = "With --distributed, where JAX cannot tell."
        flags.DEFINE_integer(name, None, text, flag_values=values)
    text = "With --distributed: the devices of this process, by number, if not all."
    flags.DEFINE_list("local_device_ids", [], text, flag_values=values)
    flags.mark_flag_as_required("config", flag_values=values)


def workdir():
    """--workdir, or its default, once the flags are parsed."""
    path, _, preset = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")
    default = os.path.join("runs", pathlib.Path(path).stem + (f"_{preset}" if preset else ""))
    return flags.FLAGS.workdir or default


def run(main):
    """Parses the command line and calls `main(argv)`.

    A `UserError` becomes one line and exit code 1; --debug shows where it comes from.
    """

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # else orbax tells about each step of a save
        try:
            return main(argv)
        except UserError as error:
            return _fail(error)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            return _fail(error)

    def parsed(argv):
        try:
            return parse(argv)
        except UserError as error:
            return _fail(error)

    app.run(guarded, flags_parser=parsed)


def _fail(error):
    # Not the parsed flag: the fault may be one of parsing.
    if any(re.fullmatch("--?debug(=(true|t|yes|y|1))?", arg.lower()) for arg in sys.argv):
        traceback.print_exception(error)
    sys.exit(f"error: {' '.join(str(error).split())}")


def parse(argv, values=flags.FLAGS):
    """Parses the flags, config included.

    Raises:
      UserError: what is wrong with them, with the nearest choice.
    """
    try:
        rest = values(argv)
        _ = values.config.stages  # a file that is missing shows only when it is used
    except (AttributeError, KeyError, OSError, TypeError, ValueError, flags.Error) as error:
        raise UserError(_explain(argv, error)) from error
    if len(rest) > 1:
        raise UserError(f"arguments: found {rest[1]!r}, expected only flags (--name=value)")
    return rest


def _explain(argv, error):
    """What is wrong with the flags, given what the parser made of it."""
    pairs = [*itertools.pairwise(argv), (argv[-1], "")]
    found = [
        arg.partition("=")[2] or after for arg, after in pairs if re.match("--?config(=|$)", arg)
    ]
    if not found:
        return str(error)
    path = found[-1]
    try:
        known = _keys(_load(path))
    except (TypeError, ValueError, flags.Error) as config_error:
        reason = re.sub(r"^\w+: ", "", str(config_error).strip().splitlines()[-1])
        choices = re.findall("'([^']+)'", reason.partition("expected")[2])
        near = difflib.get_close_matches(path.partition(":")[2], choices, 1, 0.0)
        return f"--config={path}: {reason}" + (f"; did you mean {near[0]!r}?" if near else "")
    except OSError:
        return f"--config={path}: found no such file, expected configs/<name>.py[:<preset>]"
    for argument in argv:
        match = re.match(r"--?(?:no)?config\.([^=]+)", argument)
        if match and match[1] not in known:
            near = difflib.get_close_matches(match[1], known, 1, 0.0)[0]
            return f"--config.{match[1]}: no such value; did you mean --config.{near}?"
    return str(error)


def _load(path):
    """The values of a file as they stand, without the changes on the command line."""
    values, argv = flags.FlagValues(), ["", f"--config={path}"]
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    return values.config.to_dict()


def _keys(tree, prefix=""):
    """Dotted names of all values and groups."""
    keys = []
    for key, value in tree.items():
        keys.append(prefix + key)
        if isinstance(value, dict):
            keys += _keys(value, f"{prefix}{key}.")
    return keys
