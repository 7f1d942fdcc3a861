"""The small corpus that the tests of this folder read."""

import pytest
from ml_collections import ConfigDict

from tests import tiny_corpus


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """`dataset` values of a recipe; clips of 40, 44 and 48 frames, 6 to train and 3 to test."""
    return ConfigDict(tiny_corpus.build_tiny_corpus(tmp_path_factory.mktemp("corpus")))
