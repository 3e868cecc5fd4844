"""Refusals: each class's code and status are those of the drawing in its module."""

import re

import pytest

from solekey_eventlog import errors as event_log
from solekey_eventlog.bus import BusUnavailableError
from solekey_protocol import errors as protocol
from solekey_protocol.statements import EMPTY_HEAD
from solekey_service import refusals
from solekey_service.http.problems import STATUS


def test_the_drawing_is_the_tree() -> None:
    drawn = re.findall(r"([A-Z]\w+) +(\d{3})  (\w+)", refusals.__doc__ or "")
    classes = [
        cls
        for cls in vars(refusals).values()
        if isinstance(cls, type) and issubclass(cls, refusals.Refusal) and cls is not refusals.Refusal
    ]
    assert sorted(drawn) == sorted((cls.__name__, str(STATUS[cls.kind]), cls.code) for cls in classes)


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
    refusal = refusals.derive_refusal(error("why"))
    assert refusal is not None
    assert (STATUS[refusal.kind], refusal.code, str(refusal)) == (status, code, "why")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (event_log.StalePositionError(EMPTY_HEAD), 409),
        (event_log.UnavailableError("why"), 503),
        (event_log.NotYetAppliedError("why"), 503),
        (event_log.TrustStaleError("why"), 503),
        (event_log.AccountParkedError("why"), 503),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_each_error_of_the_event_log_that_a_request_can_meet_has_its_refusal(
    error: event_log.EventLogError, status: int
) -> None:
    refusal = refusals.derive_refusal(error)
    assert refusal is not None
    assert (STATUS[refusal.kind], refusal.code, str(refusal)) == (status, error.code, str(error))
    assert (refusal.extras, refusal.retry_after_s) == (error.extras, error.retry_after_s)


@pytest.mark.parametrize("error", [event_log.ConfigError(["bus_url"]), BusUnavailableError("down")])
def test_what_no_request_should_meet_has_no_refusal(error: event_log.EventLogError) -> None:
    assert refusals.derive_refusal(error) is None


NO_OTHERS = {  # RFC 9110, 6585 and 4918: programs and proxies act on these numbers
    "MALFORMED": 400, "UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405,
    "TOO_SLOW": 408, "CONFLICT": 409, "LENGTH_UNKNOWN": 411, "TOO_LARGE": 413, "MEDIA_TYPE": 415,
    "RANGE": 416, "UNPROCESSABLE": 422, "TOO_MANY": 429, "UNAVAILABLE": 503, "NO_ROOM": 507,
}  # fmt: skip


def test_each_kind_has_the_status_that_the_standards_give_it() -> None:
    assert {kind.name: status for kind, status in STATUS.items()} == NO_OTHERS


def test_every_kind_has_its_status() -> None:
    assert set(STATUS) == set(refusals.Kind)
    assert len(set(STATUS.values())) == len(STATUS)
