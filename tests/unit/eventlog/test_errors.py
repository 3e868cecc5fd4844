"""The event log's errors: the tree is as it is drawn, and none of it knows HTTP."""

import re

import pytest

from solekey_eventlog import errors
from solekey_eventlog.bus import errors as bus
from solekey_protocol.statements import EMPTY_HEAD

CLASSES = [
    cls
    for module in (errors, bus)
    for cls in vars(module).values()
    if isinstance(cls, type) and issubclass(cls, errors.EventLogError) and cls.__module__ == module.__name__
]


def test_the_drawing_is_the_tree() -> None:
    drawn = re.findall(r"([A-Z]\w+Error) +([a-z_]+)\b", errors.__doc__ or "")
    assert sorted(drawn) == sorted((cls.__name__, cls.code) for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_has_a_code_and_no_status(cls: type[errors.EventLogError]) -> None:
    assert re.fullmatch(r"[a-z_]+", cls.code)
    assert not {"status", "title", "headers"} & set(dir(cls))


def test_a_stale_position_says_where_the_head_is() -> None:
    error = errors.StalePositionError(EMPTY_HEAD)
    assert error.extras == {"head": {"seq": 0, "digest": "0" * 64}}
    assert error.retry_after_s is None
    assert errors.UnavailableError("x", retry_after_s=7).retry_after_s == 7
