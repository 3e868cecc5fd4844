"""What a request carries is parsed strictly; answers have one shape."""

import json
from collections.abc import Mapping

import pytest

from solekey_eventlog.errors import NotYetAppliedError, StalePositionError
from solekey_protocol.encoding import encode_cbor
from solekey_protocol.errors import MalformedError, SchemaError, SignatureError
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginFailed, LoginStage
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import EMPTY_HEAD
from solekey_service.http import (
    Headers,
    Request,
    empty_response,
    event_response,
    events_response,
    expect_members,
    expect_string,
    json_response,
    parse_cbor_body,
    parse_json_body,
    parse_query_integer,
    parse_solekey_after,
    problem_response,
)
from solekey_service.refusals import BadRequest, Kind, Refusal, TokenExpired, UnsupportedMediaType
from tests.support.actors import Actor

ACTOR = Actor("ada", "laptop")
NOON = Timestamp("2026-11-23T12:00:00.000Z")


def post(body: bytes, content_type: str = "application/json") -> Request:
    return Request("POST", "/", headers=Headers([("Content-Type", content_type)]), body=body)


def problem_of(error: BaseException) -> tuple[int, dict[str, object], Mapping[str, str]]:
    response = problem_response(error)
    assert response.content_type == "application/problem+json"
    return response.status, json.loads(response.body), response.headers


def test_headers_have_no_case_and_keep_repetitions() -> None:
    headers = Headers([("DPoP", "a"), ("dpop", "b"), ("Accept", "x")])
    assert headers.combined("DPOP") == "a, b"
    assert headers.getlist("dpop") == ["a", "b"]
    assert headers.getlist("authorization") == []
    assert headers.combined("authorization") == ""
    assert "swordfish" not in repr(Headers([("Authorization", "swordfish")]))


def test_a_request_does_not_show_its_body() -> None:
    assert "swordfish" not in repr(post(b"swordfish"))


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_json_object_may_be_spelled_in_any_way(content_type: str) -> None:
    assert parse_json_body(post(b' {"b": 1,\n"a": "\\u00e9"}', content_type)) == {"b": 1, "a": "é"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"a":1,"a":2}', b'{"a":1.5}', b'{"a":NaN}', b"\xff", b"[" * 4000]
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises((BadRequest, MalformedError)) as caught:
        parse_json_body(post(body))
    assert problem_of(caught.value)[0] == 400


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/cbor", "application/jsonl"])
def test_another_media_type_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_json_body(post(b"{}", content_type))
    with pytest.raises(UnsupportedMediaType):
        parse_cbor_body(post(encode_cbor({}), content_type.replace("cbor", "json")))


def test_a_cbor_map_must_be_deterministic() -> None:
    good = encode_cbor({"objects": [b"x"]})
    assert parse_cbor_body(post(good, "application/cbor")) == {"objects": [b"x"]}
    for body in (good + b"\x00", b"\xbf\xff", b"\xa1\x61a\x18\x01", encode_cbor([]), b"", b"\xa1"):
        with pytest.raises((BadRequest, MalformedError)) as caught:
            parse_cbor_body(post(body, "application/cbor"))
        assert problem_of(caught.value)[0] == 400


def test_members_are_closed() -> None:
    document = {"a": "1", "b": "2"}
    assert expect_members(document, ["a"], ["b", "c"]) == document
    with pytest.raises(BadRequest, match="'c' is missing"):
        expect_members(document, ["a", "c"], ["b"])
    with pytest.raises(BadRequest, match="'b' is unknown"):
        expect_members(document, ["a"])


@pytest.mark.parametrize("value", [None, 1, "", "x" * 5, ["x"]])
def test_a_string_has_a_length(value: object) -> None:
    assert expect_string({"name": "xxxx"}, "name", max_chars=4) == "xxxx"
    with pytest.raises(BadRequest):
        expect_string({"name": value}, "name", max_chars=4)  # type: ignore[dict-item]


def test_numbers_in_the_query_have_bounds() -> None:
    def parse(**query: str) -> int:
        return parse_query_integer(Request("GET", "/", query), "limit", default=7, minimum=1, maximum=500)

    assert parse() == 7
    assert parse(limit="500") == 500
    for text in ("0", "501", "-1", "+5", "1_0", "٣", "", "x", "1" * 40):
        with pytest.raises(BadRequest):
            parse(limit=text)


def test_positions_to_wait_for() -> None:
    def parse(*values: str) -> Mapping[Stream, int]:
        return parse_solekey_after(
            Request("GET", "/", headers=Headers([("Solekey-After", v) for v in values]))
        )

    assert parse() == {}
    assert parse("auth=3, devices=4") == {Stream.AUTH: 3, Stream.DEVICES: 4}
    assert parse("auth=3", "devices=4") == {Stream.AUTH: 3, Stream.DEVICES: 4}
    for text in ("auth", "auth=x", "auth=-1", "mail=3", "auth=1, auth=2", "auth=" + "1" * 11, "auth=1," * 60):
        with pytest.raises(BadRequest):
            parse(text)


def test_an_event_is_answered_with_its_exact_bytes() -> None:
    first = encode_event(
        LoginFailed(LoginStage.LOGIN_KEY), account=ACTOR.account, after=EMPTY_HEAD, time=NOON
    )
    second = encode_event(
        LoginFailed(LoginStage.LOGIN_KEY), account=ACTOR.account, after=first.head, time=NOON
    )
    single = event_response(second)
    assert (single.status, single.body) == (201, second.raw)
    assert single.headers["Solekey-Position"] == "auth=2"
    page = events_response(Stream.AUTH, [first.raw], second.seq)
    assert page.body == first.raw + b"\n"
    assert page.content_type == "application/jsonl"
    assert page.headers["Solekey-Position"] == "auth=2"
    assert events_response(Stream.AUTH, [], 0).headers["Solekey-Position"] == "auth=0"
    assert json_response(200, {"b": 1, "a": 2}).body == b'{"a":2,"b":1}'
    assert empty_response() == empty_response(204)


def test_a_refusal_becomes_a_problem_document() -> None:
    status, document, headers = problem_of(StalePositionError(EMPTY_HEAD))
    assert status == 409
    assert document["type"] == "urn:solekey:problem:stale_position"
    assert document["code"] == "stale_position"
    assert document["head"] == {"digest": "0" * 64, "seq": 0}
    assert document["status"] == 409
    assert "Retry-After" not in headers


def test_what_can_be_retried_says_when_and_what_needs_proof_says_which() -> None:
    assert problem_of(NotYetAppliedError("soon"))[2]["Retry-After"] == "1"
    assert problem_of(TokenExpired())[2]["WWW-Authenticate"] == 'DPoP error="invalid_token", algs="EdDSA"'


def test_extras_do_not_overwrite_what_clients_decide_by() -> None:
    class Cheating(Refusal):
        code, kind, title = "cheating", Kind.MALFORMED, "Cheating"

    _, document, _ = problem_of(Cheating(extras={"code": "ok", "status": 200, "more": 1}))
    assert (document["code"], document["status"], document["more"]) == ("cheating", 400, 1)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MalformedError("x"), 400, "malformed"),
        (SchemaError("x"), 422, "schema_violation"),
        (SignatureError("x"), 422, "signature_invalid"),
    ],
)
def test_the_protocols_errors_have_problem_documents(error: Exception, status: int, code: str) -> None:
    assert problem_of(error)[0] == status
    assert problem_of(error)[1]["code"] == code


def test_an_unexpected_error_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    status, document, _ = problem_of(RuntimeError("swordfish"))
    assert status == 500
    assert "swordfish" not in json.dumps(document)
    assert "swordfish" in caplog.text  # the operator's log


def test_a_detail_that_quotes_nonsense_can_be_answered() -> None:
    _, document, _ = problem_of(BadRequest("\ud800" + "x" * 5000))
    assert str(document["detail"]).startswith("?x")
    assert len(str(document["detail"])) == 500
