"""What was prepared, on disk: a build that was killed goes on from here.

Results are named by the content of the video and all that decides its clips, so that neither a
moved file nor another build makes work twice. Every file is whole or absent.

    <folder>/<digest of the parameters>/sources/<name>.json     which result a source has
                                       /results/<key>.json      clips of it, or its problem
                                       /clips/<key>_<n>.npz     arrays of a clip
"""

import hashlib
import json
import os

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import files

_BLOCK = 1 << 20


class Store:
    """Results under one set of parameters; many processes may use it at once."""

    def __init__(self, folder, parameters):
        self._folder = os.path.join(os.path.abspath(folder), parameters.digest)
        self._digest = parameters.digest

    def key(self, source):
        """Of a source's result: a hash of its files' content, its segments and the parameters.

        Raises:
          UserError: a file cannot be read.
        """
        sha = hashlib.sha256(f"{self._digest} {list(source.segments)}".encode())
        for path in source.files:
            try:
                sha.update(_content(path))
            except UserError:
                if path != source.transcript:  # of which the report tells, as it can do without
                    raise
        return sha.hexdigest()

    def note(self, source, *, key=None, problem=None):
        """Notes which result a source has, or the problem for which it has none."""
        record = {"name": source.name, "files": _stamp(source), "key": key, "problem": problem}
        _write_json(self._source_path(source), record)

    def noted(self, source):
        """The record of `note`, or None: nothing was noted, or its files are others now."""
        record = _read_json(self._source_path(source))
        return record if record and record["files"] == _stamp(source) else None

    def finished(self, source):
        """The result of a source, or None: it must be prepared (again)."""
        record = self.noted(source)
        return self.result(record["key"]) if record and record["key"] else None

    def keep(self, key, result):
        """Keeps the result of a video: dict with `problem`, a pair of reason and detail or None,
        and `clips`, a list of dicts."""
        _write_json(self._path("results", key, ".json"), result)

    def result(self, key):
        """What `keep` has kept, or None."""
        return _read_json(self._path("results", key, ".json"))

    def keep_clip(self, key, number, arrays):
        """Keeps the arrays of a clip."""
        path = self._path("clips", f"{key}_{number}", ".npz")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)

    def clip(self, key, number):
        """dict of the arrays of `keep_clip`."""
        with np.load(self._path("clips", f"{key}_{number}", ".npz"), allow_pickle=False) as arrays:
            return dict(arrays)

    def _source_path(self, source):
        return self._path("sources", hashlib.sha256(source.name.encode()).hexdigest(), ".json")

    def _path(self, kind, name, suffix):
        return os.path.join(self._folder, kind, name[:2], name + suffix)


def _stamp(source):
    """By which a file that was changed is known without reading it, JSON values."""
    stamps = []
    for path in source.files:
        try:
            status = os.stat(path)
        except OSError as error:
            stamps.append(error.errno)
        else:
            stamps.append([status.st_size, status.st_mtime_ns])
    return [*stamps, str(list(source.segments))]


def _content(path):
    sha = hashlib.sha256()
    try:
        with files.open_local(path) as file:
            while block := file.read(_BLOCK):
                sha.update(block)
    except OSError as error:  # a disk that fails half way
        raise UserError(f"{path}: {error.strerror}; expected a readable file") from None
    return sha.digest()


def _write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with files.replacing(path) as temporary, open(temporary, "w") as file:
        json.dump(value, file)


def _read_json(path):
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:
        raise UserError(
            f"{path}: damaged; expected JSON; remove it to have it made again"
        ) from None
