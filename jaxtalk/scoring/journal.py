"""What is finished is kept: a run that was killed goes on with the next clip.

`clips.jsonl` has a line of settings and one for each clip. Of FID, whose features are not kept, the
statistics of the first clips are in `fid.npz`; lines beyond those are measured again.
"""

import json
import os
import pathlib
import time

import numpy as np

from jaxtalk.core.errors import UserError
from jaxtalk.media.files import replacing
from jaxtalk.metrics.frechet import FeatureStatistics, merge

SAVE_EVERY_S = 60


class Journal:
    """The records of a run; a context, leaving it writes what is left.

    Attributes:
      records: list of dicts, in the order of scoring.
      statistics: row -> `FeatureStatistics` of all records.

    Args:
      folder: of the report.
      settings: plain dict of what the values depend on.
      files: {clip: its `files` in the record} of the clips to score. What is kept of those whose
        files were others is dropped; with statistics, which cannot be taken apart, all is.
      has_statistics: whether records come with statistics.

    Raises:
      UserError: the folder has the clips of other settings; or statistics of more clips.
    """

    def __init__(self, folder, settings, files, *, has_statistics=False):
        folder = pathlib.Path(folder)
        self._path, self._statistics_path = folder / "clips.jsonl", folder / "fid.npz"
        self._has_statistics, self._saved_s = has_statistics, time.monotonic()
        self.records, self.statistics = [], {}
        settings = json.loads(json.dumps(settings))
        if self._path.exists():
            self._read(settings)
            self._drop_changed(files)
        lines = [settings, *self.records]
        with replacing(self._path) as temporary, open(temporary, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        self._file = open(self._path, "a")

    def _read(self, settings):
        lines = []
        with open(self._path) as file:
            for line in file:
                try:
                    lines.append(json.loads(line))
                except json.JSONDecodeError:  # cut off by the kill
                    break
        if not lines or lines[0] != settings:
            found = lines[0] if lines and isinstance(lines[0], dict) else {}
            keys = found.keys() | settings.keys()
            differing = sorted(k for k in keys if found.get(k) != settings.get(k))
            raise UserError(
                f"--out: {self._path} has the clips of a run with another {', '.join(differing)}; "
                "choose another folder, or remove that file to start anew"
            )
        self.records = lines[1:]
        if self._has_statistics:
            count = self._read_statistics()
            self.records = self.records[:count]

    def _drop_changed(self, files):
        if self._has_statistics:
            others = sorted({record["clip"] for record in self.records} - files.keys())
            if others:
                raise UserError(
                    f"--out: {self._path} has {len(others)} clips that are not among these "
                    f"{len(files)}, such as {others[0]}, and FID would be of all of them; choose "
                    "another folder or --limit, remove that file to start anew, or measure others "
                    "by --metrics"
                )
        same = [r for r in self.records if files.get(r["clip"], r["files"]) == r["files"]]
        if self._has_statistics and len(same) < len(self.records):
            same, self.statistics = [], {}
            self._statistics_path.unlink(missing_ok=True)
        self.records = same

    def _read_statistics(self):
        """Number of clips in the statistics on disk."""
        if not self._statistics_path.exists():
            return 0
        with np.load(self._statistics_path, allow_pickle=False) as file:
            count = int(file["num_clips"])
            if count > len(self.records):
                return 0
            for row in {name.partition("/")[0] for name in file.files} - {"num_clips"}:
                parts = (int(file[f"{row}/count"]), file[f"{row}/mean"], file[f"{row}/scatter"])
                self.statistics[row] = FeatureStatistics(*parts)
        return count

    def add(self, record, statistics=None):
        """The next clip's record and {row: FeatureStatistics}."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        self.records.append(record)
        for row, found in (statistics or {}).items():
            own = self.statistics.get(row)
            self.statistics[row] = found if own is None else merge(own, found)
        if self._has_statistics and time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self._save()

    def _save(self):
        arrays = {"num_clips": len(self.records)}
        for row, found in self.statistics.items():
            arrays |= {f"{row}/{name}": value for name, value in vars(found).items()}
        os.fsync(self._file.fileno())
        with replacing(self._statistics_path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
        self._saved_s = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._has_statistics:
            self._save()
        self._file.close()
