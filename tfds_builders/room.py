"""A disk that is full, or cannot be written, is a user's fault and not the program's."""

import contextlib
import errno
import os

from jaxtalk.core.errors import UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # only writing meets these
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.ENOTDIR)


@contextlib.contextmanager
def told_of_room(data_dir, advice):
    """Within it, what cannot be written raises UserError of one line that ends in the advice.

    Any other OSError or RuntimeError passes.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = _reason(error, data_dir)
        if reason is None:
            raise
        raise UserError(
            f"--data_dir: cannot build in {data_dir} ({reason}); expected a folder that can be "
            f"written, with room for the corpus; {advice}"
        ) from error


def _reason(error, data_dir):
    """Why `data_dir` cannot be written, or None: the error is about something else."""
    if isinstance(error, OSError) and error.errno is not None:
        placed = error.errno in _NO_PLACE and _is_of(error.filename, data_dir)
        return error.strerror if placed or error.errno in _NO_ROOM else None
    # ArrayRecord and Beam have nothing but a text.
    reasons = map(os.strerror, (*_NO_ROOM, *_NO_PLACE))
    return next((reason for reason in reasons if reason.lower() in str(error).lower()), None)


def _is_of(path, folder):
    """Whether the file name of an OSError, if it has one, is a folder, above it or below."""
    if path is None or isinstance(path, int):  # a descriptor
        return True
    path, folder = (os.path.abspath(os.fsdecode(p)) for p in (path, folder))
    return os.path.commonpath([path, folder]) in (path, folder)
