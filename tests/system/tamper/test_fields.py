"""Each field of each event, stated otherwise, is found or listed as free. Spec: audit.md §5.1."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import pytest

from solekey.audit import verify_log
from solekey_protocol.errors import SchemaError
from solekey_protocol.ids import DeviceId, RotationId, SessionId, Timestamp
from tamper.stories import tell_whole
from tamper.tampering import BOUNDS, honest, vouch
from tamper.writing import Step, write
from tests.support.keys import derive_raw
from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # 20 s of one processor

_ROW: Final = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
Field = tuple[str, str]


def read_free() -> set[Field]:
    """The fields that the page lists as free."""
    text = (ROOT / "spec" / "audit.md").read_text()
    section = text[text.index("### 5.1") : text.index("## 6.")]
    return {
        (name, field) for name, listed in _ROW.findall(section) for field in re.findall(r"`([\w.]+)`", listed)
    }


def find_others(value: Any) -> list[Any]:
    """Other values that the schema takes."""
    match value:
        case StrEnum():
            return [each for each in type(value) if each is not value]
        case int():
            return [value - 1, value + 1, value + 1000]
        case Timestamp():
            return [Timestamp.from_datetime(value.datetime + timedelta(seconds=s)) for s in (-600, 600)]
        case tuple():
            return [(*value, value[-1] if value else 1)]
        case DeviceId() | SessionId() | RotationId():
            return [type(value).from_raw(derive_raw(value))]
        case str():
            return [type(value)(sha256(value.encode()).hexdigest()[: len(value)])]
    return []


def find_leaves(body: Any) -> Iterator[tuple[str, Any]]:
    """The body with one field stated otherwise, under the field's name."""
    for field in fields(body):
        value = getattr(body, field.name)
        if is_dataclass(value):
            for name, changed in find_leaves(value):
                yield f"{field.name}.{name}", replace(body, **{field.name: changed})
        else:
            for other in find_others(value):
                yield field.name, replace(body, **{field.name: other})


def is_found(story: list[Step], step: Step, body: Any) -> bool:
    """Whether an audit finds something where a step states this."""
    try:
        written = write([each.but(body=body) if each is step else each for each in story])
    except (SchemaError, KeyError):
        return True  # it cannot be written, or nobody has the key to sign it with
    return bool(verify_log(written.records, vouch(honest()), BOUNDS).findings)


def test_every_field_is_tied_or_listed():
    free, story = read_free(), tell_whole()
    assert len(free) > 20
    tried: dict[Field, list[tuple[Step, Any]]] = defaultdict(list)
    for step in story:
        name = step.body.TYPE.split(".")[-2]
        for field, body in find_leaves(step.body):
            tried[name, field].append((step, body))
    assert free <= tried.keys()
    untied, stale = [], []
    for field, statements in tried.items():
        if field in free:
            if all(is_found(story, *each) for each in statements):
                stale.append(field)
            continue
        first = statements[0][0]
        if not all(is_found(story, *each) for each in statements if each[0] is first):
            untied.append(field)
    assert (untied, stale) == ([], [])
