"""A run that was killed goes on with what is missing."""

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.metrics.frechet import statistics
from jaxtalk.scoring.journal import Journal


def features(seed):
    return {"pred": statistics(np.random.default_rng(seed).standard_normal((7, 3)))}


def test_records_are_kept_and_a_torn_line_is_not(tmp_path):
    with Journal(tmp_path, {"seed": 0}, {}) as journal:
        for name in "abc":
            journal.add({"clip": name, "files": {}})
    path = tmp_path / "clips.jsonl"
    path.write_text(path.read_text()[:-4])
    with Journal(tmp_path, {"seed": 0}, {}) as journal:
        assert [record["clip"] for record in journal.records] == ["a", "b"]
        journal.add({"clip": "c", "files": {}})
    with Journal(tmp_path, {"seed": 0}, {}) as journal:
        assert [record["clip"] for record in journal.records] == ["a", "b", "c"]


def test_other_settings_are_refused(tmp_path):
    with Journal(tmp_path, {"seed": 0, "pred": "x"}, {}):
        pass
    with pytest.raises(UserError, match="a run with another pred, seed; choose another folder"):
        Journal(tmp_path, {"seed": 1, "pred": "y"}, {})


def test_statistics_are_of_the_records_that_are_kept(tmp_path):
    both = {"a": {}, "b": {}}
    with Journal(tmp_path, {}, both, has_statistics=True) as journal:
        journal.add({"clip": "a", "files": {}}, features(0))
    journal = Journal(tmp_path, {}, both, has_statistics=True)
    journal.add({"clip": "b", "files": {}}, features(1))  # killed: its statistics were not written
    journal._file.close()
    with Journal(tmp_path, {}, both, has_statistics=True) as journal:
        assert [record["clip"] for record in journal.records] == ["a"]
        journal.add({"clip": "b", "files": {}}, features(1))
        rows = [np.random.default_rng(seed).standard_normal((7, 3)) for seed in (0, 1)]
        expected = statistics(np.concatenate(rows))
        assert journal.statistics["pred"].count == 14
        np.testing.assert_allclose(journal.statistics["pred"].scatter, expected.scatter)


def test_clips_of_other_files_are_dropped(tmp_path):
    old, new = {"pred": "1"}, {"pred": "2"}
    with Journal(tmp_path, {}, {"a": old, "b": old, "c": old}) as journal:
        for name in "abc":
            journal.add({"clip": name, "files": old})
    # The second has changed, the third cannot be read now, the first is beyond --limit.
    with Journal(tmp_path, {}, {"b": new, "c": None}) as journal:
        assert [record["clip"] for record in journal.records] == ["a"]


def test_statistics_are_of_no_clip_beyond_these(tmp_path):
    old, new = {"pred": "1"}, {"pred": "2"}
    with Journal(tmp_path, {}, {"a": old, "b": old}, has_statistics=True) as journal:
        for seed, name in enumerate("ab"):
            journal.add({"clip": name, "files": old}, features(seed))
    with pytest.raises(UserError, match="has 1 clips that are not among these 1, such as b, and"):
        Journal(tmp_path, {}, {"a": old}, has_statistics=True)
    # A clip's part cannot be taken out of them.
    journal = Journal(tmp_path, {}, {"a": old, "b": new}, has_statistics=True)
    assert journal.records == [] and journal.statistics == {}
    for seed, name in enumerate("ab"):  # killed before they are written
        journal.add({"clip": name, "files": new}, features(seed))
    journal._file.close()
    journal = Journal(tmp_path, {}, {"a": new, "b": new}, has_statistics=True)
    assert journal.records == [] and journal.statistics == {}
    journal._file.close()
