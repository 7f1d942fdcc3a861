"""The one exception for a user's fault: a line that a person can act on."""

import contextlib


class UserError(ValueError):
    """Something that the user gave is wrong.

    The message is one line: the field or file, what was found, what was expected, what to do.
    Entry points print it without a traceback and exit with code 1.
    """


def shortened(name):
    """A name that comes from a file, at most 60 characters of it, for a message."""
    return name if len(name) <= 60 else f"{name[:57]}..."


@contextlib.contextmanager
def config_faults_of(name):
    """Tells of values that do not go together, such as a batch that cannot be split into groups.

    Args:
      name: of the stage that is made, or traced for the first time.

    Raises:
      UserError: in place of any other ValueError, which stays its cause.
    """
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{name}: {error}; change the values of config.{name}") from error
