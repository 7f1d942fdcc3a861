"""Which errors say that there is no room, and which say something else."""

import errno
import os

import pytest

from jaxtalk.core.errors import UserError
from tfds_builders.room import told_of_room


def os_error(code, *name):
    return OSError(code, os.strerror(code), *name)


@pytest.mark.parametrize(
    "error",
    [
        os_error(errno.ENOSPC),
        os_error(errno.EDQUOT, "/elsewhere/file"),
        os_error(errno.EFBIG),
        os_error(errno.EROFS, "/data/corpus/file"),
        os_error(errno.EACCES, "/data/corpus/file"),
        os_error(errno.EACCES, "/data"),
        os_error(errno.ENOTDIR, "/"),
        RuntimeError("UNKNOWN: File too large; writing file"),
        RuntimeError("a worker's traceback\nOSError: [Errno 28] No space left on device"),
    ],
    ids=str,
)
def test_no_room(error):
    with pytest.raises(UserError) as raised, told_of_room("/data/corpus", "make room"):
        raise error
    line = str(raised.value)
    assert line.startswith("--data_dir: cannot build in /data/corpus (") and "\n" not in line
    assert line.endswith("make room") and raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        os_error(errno.EIO, "/data/corpus/file"),
        os_error(errno.ENOENT, "/data/corpus/file"),
        os_error(errno.EACCES, "/data/corpora/file"),
        os_error(errno.EACCES, "/videos/vox2_meta.csv"),
        RuntimeError("Unable to initialize backend"),
    ],
    ids=str,
)
def test_another_fault_keeps_its_name(error):
    with pytest.raises(type(error)) as raised, told_of_room("/data/corpus", "make room"):
        raise error
    assert raised.value is error
