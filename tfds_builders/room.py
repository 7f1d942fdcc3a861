"""A disk that is full, or cannot be written, is a user's fault and not the program's."""

import contextlib

from jaxtalk.core.errors import UserError


@contextlib.contextmanager
def told_of_room(data_dir, advice):
    """Within it, what cannot be written raises UserError of one line that ends in the advice."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # ArrayRecord and Beam raise the latter
        reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]
        raise UserError(
            f"--data_dir: cannot build in {data_dir} ({reason}); expected a folder that can be "
            f"written, with room for the corpus; {advice}"
        ) from error
