"""The one exception for a user's fault: a line that a person can act on."""


class UserError(ValueError):
    """Something that the user gave is wrong.

    The message is one line: the field or file, what was found, what was expected, what to do.
    Entry points print it without a traceback and exit with code 1.
    """
