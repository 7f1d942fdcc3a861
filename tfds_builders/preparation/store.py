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
import zipfile

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media import files

_BLOCK = 1 << 20


class Store:
    """Results under one set of parameters; many processes may use it at once."""

    def __init__(self, folder, parameters):
        self._folder = os.path.join(os.path.abspath(folder), parameters.digest)
        self._digest = parameters.digest

    def key(self, source, beat=lambda: None):
        """Of a source's result: a hash of its files' content, its segments and the parameters.

        Args:
          source: `Source`.
          beat: called for each block that is read, to show that the video makes progress.

        Raises:
          UserError: a file cannot be read.
        """
        sha = hashlib.sha256(f"{self._digest} {list(source.segments)}".encode())
        for path in source.files:
            try:
                sha.update(_content(path, beat))
            except UserError:
                if path != source.transcript:  # of which the report tells, as it can do without
                    raise
        return sha.hexdigest()

    def note(self, source, *, key=None, problem=None):
        """Notes which result a source has, or the problem for which it has none."""
        record = {"name": source.name, "files": stamp(source), "key": key, "problem": problem}
        _write_json(self._source_path(source), record)

    def noted(self, source):
        """The record of `note`, or None: nothing was noted, or its files are others now."""
        record = _read_json(self._source_path(source), ("files", "key", "problem"))
        return record if record and record["files"] == stamp(source) else None

    def finished(self, source):
        """The result of a source, or None: it must be prepared (again)."""
        record = self.noted(source)
        return self.result(record["key"]) if record and record["key"] else None

    def keep(self, key, result):
        """Keeps the result of a video: dict with `problem`, a pair of reason and detail or None,
        and `clips`, a list of dicts."""
        _write_json(self._path("results", key, ".json"), result)

    def result(self, key):
        """What `keep` has kept, or None: nothing, or it is damaged, or a clip of it is gone."""
        result = _read_json(self._path("results", key, ".json"), ("problem", "clips", "seconds"))
        if not result:
            return None
        numbers = [clip["number"] for clip in result["clips"] if "number" in clip]
        return result if all(_has_content(self._clip_path(key, n)) for n in numbers) else None

    def keep_clip(self, key, number, arrays):
        """Keeps the arrays of a clip."""
        path = self._clip_path(key, number)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)

    def clip(self, key, number):
        """dict of the arrays of `keep_clip`.

        Raises:
          UserError: the file is gone or damaged.
        """
        path = self._clip_path(key, number)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or "damaged"
            raise UserError(
                f"{path}: {reason.lower()}; expected the arrays of a clip; remove the file and "
                "start again: its video is prepared once more"
            ) from error

    def _clip_path(self, key, number):
        return self._path("clips", f"{key}_{number}", ".npz")

    def _source_path(self, source):
        return self._path("sources", hashlib.sha256(source.name.encode()).hexdigest(), ".json")

    def _path(self, kind, name, suffix):
        return os.path.join(self._folder, kind, name[:2], name + suffix)


def stamp(source):
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


def _has_content(path):
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _content(path, beat):
    sha = hashlib.sha256()
    try:
        with files.open_local(path) as file:
            while block := file.read(_BLOCK):
                sha.update(block)
                beat()
    except OSError as error:  # a disk that fails half way
        raise UserError(f"{path}: {error.strerror}; expected a readable file") from None
    return sha.digest()


def _write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with files.replacing(path) as temporary, open(temporary, "w") as file:
        json.dump(value, file)


def _read_json(path, names):
    """The dict in a file, or None: there is no such file, or it is damaged."""
    try:
        with open(path) as file:
            value = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) and set(names) <= set(value) else None
