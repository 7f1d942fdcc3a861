"""A number without its protocol means nothing: each function says which one it is."""

import pytest

from jaxtalk.metrics import identity, intervals, landmarks, motion, signals, sync

MODULES = [identity, intervals, landmarks, motion, signals, sync]
PROTOCOLS = [item for module in MODULES for item in module.PROTOCOLS.items()]


@pytest.mark.parametrize(("protocol", "function"), PROTOCOLS)
def test_the_docstring_names_the_protocol(protocol, function):
    assert f"`{protocol}`" in function.__doc__


def test_no_name_stands_for_two():
    assert len(dict(PROTOCOLS)) == len(PROTOCOLS)
