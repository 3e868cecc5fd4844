"""Fuzzes where a request's body ends and how its query is read, in a process of its own: they need eventlet.

Run it with the number of mutants; test_framing.py does.
"""

import sys
from io import BytesIO
from types import SimpleNamespace
from typing import Final

from hypothesis import strategies as st

from solekey_service.http import parse_query
from solekey_service.http_server.body import LengthRequired, open_body
from solekey_service.refusals import BadRequest, TooLarge
from tests.system.fuzz.mutations import mutate_text
from tests.system.fuzz.target import Target, fuzz, take

_LIMIT_BYTES: Final = 4096
_BODY: Final = b"123456789"


def _read_body(fields: list[tuple[str, str]], wire: bytes) -> tuple[bytes, int]:
    stream = BytesIO(wire)
    source = SimpleNamespace(read=stream.read)
    body = open_body({"eventlet.input": source}, fields).read(_LIMIT_BYTES)
    return body, stream.tell()


def _check_framing(text: str) -> None:
    """Header lines, one a line, before a body of 9 bytes."""
    fields = [(name, value) for name, _, value in (line.partition(":") for line in text.split("\n"))]
    body, used = _read_body(fields, _BODY)
    assert body == _BODY[:used]
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    assert len(body) == (int(lengths[0]) if lengths else 0)


def _check_query(text: str) -> None:
    assert len(parse_query(text)) <= 16


TARGETS: Final = (
    Target(
        "body framing",
        st.sampled_from(["Content-Length: 9\nHost: a", "Host: a\nContent-Length:4", "Host: a"]),
        _check_framing,
        (BadRequest, LengthRequired, TooLarge),
        mutate=mutate_text,
        covers=("body.open_body", "body.BodyReader.read"),
    ),
    Target(
        "query",
        st.sampled_from(["limit=5", "limit=100&after=3", "after=%20x", ""]),
        _check_query,
        (BadRequest,),
        mutate=mutate_text,
    ),
)

if __name__ == "__main__":
    for target in TARGETS:
        take(target, int(sys.argv[1]))
        fuzz(target, int(sys.argv[1]))
    print(len(TARGETS), "targets fuzzed")
