"""Refusals: each class's code and status are those of the drawing in its module."""

import re

import pytest

from solekey_eventlog import errors
from solekey_protocol import errors as protocol
from solekey_protocol.statements import EMPTY_HEAD


def test_the_drawing_is_the_tree() -> None:
    drawn = re.findall(r"([A-Z]\w+) +(\d{3})  (\w+)", errors.__doc__ or "")
    classes = [
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.Refusal) and cls is not errors.Refusal
    ]
    assert sorted(drawn) == sorted((cls.__name__, str(cls.status), cls.code) for cls in classes)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (protocol.MalformedError, 400, "malformed"),
        (protocol.SchemaError, 422, "schema_violation"),
        (protocol.UnsupportedError, 400, "unsupported_format"),
        (protocol.SignatureError, 422, "signature_invalid"),
        (protocol.UntrustedDeviceError, 403, "device_not_trusted"),
        (protocol.GapError, 503, "not_yet_applied"),
        (protocol.ForkError, 409, "stale_heads"),
        (protocol.TransitionError, 409, "transition_refused"),
        (protocol.ProtocolError, 422, "unprocessable"),
    ],
)
def test_each_protocol_error_has_its_refusal(
    error: type[protocol.ProtocolError], status: int, code: str
) -> None:
    refusal = errors.derive_refusal(error("why"))
    assert (refusal.status, refusal.code, str(refusal)) == (status, code, "why")


def test_a_stale_position_says_where_the_head_is() -> None:
    refusal = errors.StalePosition(EMPTY_HEAD)
    assert refusal.extras == {"head": {"seq": 0, "digest": "0" * 64}}
    assert refusal.retry_after_s is None
    assert errors.Unavailable("x", retry_after_s=7).retry_after_s == 7
