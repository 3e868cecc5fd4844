"""Reads recorded connections as HTTP/1.1: requests, and what each was answered with (RFC 9112).

It reads what Solekey's client and server send, no more: a length or chunks, no trailers, no upgrades.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from evidence.recorder import Line

_BODILESS: Final = frozenset({"204", "304"})
_CRLF: Final = b"\r\n"


class UnreadableTranscriptError(Exception):
    """What was recorded is not HTTP/1.1 as this reads it, so nothing may be concluded from it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its first line, its fields in their order, its body."""

    start: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def find(self, name: str) -> str:
        """Find a field's value, or an empty text."""
        return next((value for known, value in self.fields if known.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, when its first bytes passed (monotonic seconds), and its answer; None: there was none."""

    at_s: float
    request: Message
    response: Message | None

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.start.split(" ")[0]

    @property
    def target(self) -> str:
        """The request's target: path and query."""
        return self.request.start.split(" ")[1]

    @property
    def status(self) -> str:
        """The answer's status, or an empty text."""
        return self.response.start.split(" ")[1] if self.response else ""


def read_exchanges(lines: Iterable[Line]) -> list[Exchange]:
    """Read all exchanges, in the order in which they began. Raises UnreadableTranscriptError."""
    return sorted((each for line in lines for each in _read_line(line)), key=lambda each: each.at_s)


def _read_line(line: Line) -> Iterator[Exchange]:
    up, down = bytes(line.up), bytes(line.down)
    at = answered = 0
    while at < len(up):
        request, after = _read_message(up, at, bodiless=False)
        if answered < len(down):
            response, answered = _read_response(down, answered, head=request.start.startswith("HEAD "))
        else:
            response = None
        yield Exchange(line.find_moment(at), request, response)
        at = after
    if answered < len(down):
        raise UnreadableTranscriptError("an answer without a request")


def _read_response(data: bytes, at: int, *, head: bool) -> tuple[Message, int]:
    while True:
        message, at = _read_message(data, at, bodiless=head)
        if not message.start.split(" ")[1].startswith("1"):
            return message, at


def _read_message(data: bytes, at: int, *, bodiless: bool) -> tuple[Message, int]:
    stop = data.find(_CRLF * 2, at)
    if stop < 0:
        raise UnreadableTranscriptError(f"a message without end: {data[at : at + 40]!r}")
    start, *rest = data[at:stop].decode("latin-1").split("\r\n")
    fields = tuple((name, value.strip()) for name, _, value in (field.partition(":") for field in rest))
    message = Message(start, fields, b"")
    after = stop + 4
    status = start.split(" ")[1]
    if bodiless or status in _BODILESS or status.startswith("1"):
        return message, after
    if message.find("Transfer-Encoding").lower() == "chunked":
        body, after = _read_chunks(data, after)
    else:
        size = int(message.find("Content-Length") or 0)
        body, after = data[after : after + size], after + size
    return Message(start, fields, body), after


def _read_chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        stop = data.index(_CRLF, at)
        size = int(data[at:stop].split(b";")[0], 16)
        at = stop + 2
        body += data[at : at + size]
        at += size + 2
        if size == 0:
            return body, at
