"""The bodies of requests. Every refusal names the member and repeats nothing of it."""

from collections.abc import Mapping
from typing import TypeVar

from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_service.http import Request, expect_string, parse_json_body
from solekey_service.refusals import BadRequest

MAX_TEXT_CHARS = 256
T = TypeVar("T", AccountId, Digest, PublicKey, SignatureHex)


def parse_body(request: Request, *members: str) -> Mapping[str, Json]:
    """Parse an object of exactly these members. Raises BadRequest."""
    document = parse_object(request)
    if document.keys() != set(members):
        raise BadRequest(f"body: expected exactly the members {', '.join(members)}")
    return document


def parse_object(request: Request) -> Mapping[str, Json]:
    """Parse an object of any members. Raises BadRequest."""
    try:
        return parse_json_body(request)
    except MalformedError:
        raise BadRequest("body: expected a JSON object without floats or duplicate keys") from None


def parse_as(kind: type[T], document: Mapping[str, Json], member: str) -> T:
    """Parse a member as an id or a signature. Raises BadRequest."""
    text = expect_string(document, member, max_chars=MAX_TEXT_CHARS)
    try:
        return kind(text)
    except MalformedError:
        raise BadRequest(f"body.{member}: expected {kind.PATTERN}") from None
