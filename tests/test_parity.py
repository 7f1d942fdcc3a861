"""Every golden file of a folder against our networks, and a table of how well they agree.

  pytest tests/test_parity.py                   what is kept in tests/golden
  pytest tests/test_parity.py --golden DIR      every file of DIR

A network joins by an entry in `golden` of its kind (`jaxtalk.pretrained.kinds`), or in the table
`CHECKS` of `tests.parity_checks`.
"""

import dataclasses

import numpy as np
import pytest

from jaxtalk.core.errors import UserError
from jaxtalk.pretrained import parity
from tests import golden_files
from tests.parity_checks import CHECKS


def pytest_generate_tests(metafunc):
    if "golden_name" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--golden")
        metafunc.parametrize("golden_name", sorted(file.stem for file in folder.glob("*.npz")))


def test_agrees_with_the_reference(golden_name, record_property):
    if golden_name not in CHECKS:
        pytest.skip(f"{golden_name}: no network of it yet")
    comparisons = list(CHECKS[golden_name](*parity.load(golden_files.folder, golden_name)))
    record_property("parity", [golden_name, [dataclasses.astuple(c) for c in comparisons]])
    wrong = [c for c in comparisons if not c.ratio <= 1]
    assert comparisons and not wrong


def test_the_files_that_are_kept_have_a_check():
    assert {file.stem for file in golden_files.FOLDER.glob("*.npz")} <= CHECKS.keys()


def test_a_comparison_tells_right_from_wrong():
    noise = {"max_abs_over_rms": 1e-3, "rms_ref": 2.0}
    good = parity.compare("a", [1.0, 2.0], [1.0, 2.01], noise)
    bad = parity.compare("b", [1.0, 2.0], [1.0, 2.03], noise)
    assert good.ratio == pytest.approx(0.5) and bad.ratio == pytest.approx(1.5)
    for found in ([1.0], [1.0, np.nan], [[1.0, 2.0]]):
        assert parity.compare("c", found, [1.0, 2.0], noise).ratio == np.inf
    lines = parity.table({"net": [good, bad], "other": [good]})
    assert lines[1].split() == ["net", "b", "3.00e-02", "2.00e-02", "WRONG"]
    assert lines[2].split() == ["other", "a", "1.00e-02", "2.00e-02"]


def test_folders_without_the_files(tmp_path):
    with pytest.raises(UserError, match="found none of lpips_vgg in"):
        parity.verify("lpips", {"lpips_vgg": None}, tmp_path)
    with pytest.raises(UserError, match=r"found no .*lpips_vgg\.npz"):
        parity.load(tmp_path, "lpips_vgg")
