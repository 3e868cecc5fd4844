"""Reads the body of a request, after it was decided that it may be read, and never more than allowed.

RFC 9112 §6. A body has a Content-Length: a length that is contradicted, signed or spelled twice, and every
transfer coding, is refused, so that a proxy and this server can never disagree about where a request ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import eventlet

from solekey_service.http_server.connection import CONNECTION_KEY
from solekey_service.refusals import BadRequest, Kind, Refusal, TooLarge

_MAX_LENGTH_DIGITS = 15
_PIECE_BYTES = 128 * 1024
_BASE_DEADLINE_S = 30.0
_MIN_BYTES_PER_S = 16 * 1024
MAX_DISCARD_BYTES = 8 * 1024 * 1024
"""A refused body up to this size is read and dropped so that the connection can be kept."""


class RequestTimeout(Refusal):
    """The client sends too slowly."""

    code, kind, title = "request_timeout", Kind.TOO_SLOW, "The request came too slowly"


class LengthRequired(Refusal):
    """The body comes in chunks: how long it is would be known only at its end."""

    code, kind, title = "length_required", Kind.LENGTH_UNKNOWN, "The body needs a Content-Length"


@dataclass(slots=True)
class BodyReader:
    """The body that a connection is about to deliver; ``must_close``: nothing may follow it there."""

    declared_bytes: int
    source: Any = field(repr=False)
    """eventlet's input: sends ``100 Continue`` and keeps count for the next request on the connection."""
    must_close: bool = False
    on_complete: Callable[[], None] = field(default=lambda: None, repr=False)
    """Told when the whole body has come."""
    on_admitted: Callable[[], None] = field(default=lambda: None, repr=False)
    """Told when the sender's account was admitted."""

    def verify_declared(self, limit: int) -> int:
        """Return the declared length. Raises TooLarge when it exceeds the limit; nothing was read then."""
        if self.declared_bytes > limit:
            self.must_close = self.declared_bytes > MAX_DISCARD_BYTES
            raise _too_large(limit)
        return self.declared_bytes

    def read(self, limit: int) -> bytes:
        """Read the whole body.

        Raises:
            TooLarge: it exceeds the limit. BadRequest: it ended early.
            RequestTimeout: slower than 16 KiB/s on top of 30 s.
        """
        self.verify_declared(limit)
        deadline_s = _BASE_DEADLINE_S + self.declared_bytes / _MIN_BYTES_PER_S
        complete = False
        try:
            with eventlet.Timeout(deadline_s, RequestTimeout("the body did not arrive in time")):
                data = self._read_declared()
            complete = True
            self.on_complete()
        except OSError as error:
            raise BadRequest("the body ended early") from error
        finally:
            self.must_close = self.must_close or not complete
        return data

    def drop(self) -> None:
        """Drop a body that was not read; a large one ends the connection."""
        if self.declared_bytes > MAX_DISCARD_BYTES:
            self.must_close = True

    def _read_declared(self) -> bytes:
        data = bytearray()
        while left := self.declared_bytes - len(data):
            piece = self.source.read(min(left, _PIECE_BYTES))
            if not piece:
                raise BadRequest("the body ended early")
            data += piece
            eventlet.sleep()  # what has come already is read without any: let others go on
        return bytes(data)


def open_body(environ: dict[str, Any], fields: list[tuple[str, str]]) -> BodyReader:
    """Find out how a body is delimited.

    Raises:
        BadRequest: the header fields contradict each other; close the connection.
        LengthRequired: the body comes in chunks; close the connection.
    """
    lengths = [value.strip() for name, value in fields if name.lower() == "content-length"]
    codings = [value.strip().lower() for name, value in fields if name.lower() == "transfer-encoding"]
    if codings not in ([], ["chunked"]) or len(lengths) > 1 or (codings and lengths):
        raise BadRequest("Content-Length and Transfer-Encoding do not say where the body ends")
    if codings:
        raise LengthRequired("send the body with a Content-Length, not in chunks (Transfer-Encoding)")
    declared = lengths[0] if lengths else "0"
    if not (declared.isascii() and declared.isdigit() and len(declared) <= _MAX_LENGTH_DIGITS):
        raise BadRequest("Content-Length: expected a number")
    source = environ["eventlet.input"]
    reader = BodyReader(int(declared), source)
    if CONNECTION_KEY in environ:
        reader.on_complete = environ[CONNECTION_KEY].end_wait
        reader.on_admitted = environ[CONNECTION_KEY].vouch
    return reader


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"this entry point takes at most {limit} bytes", extras={"max_bytes": limit})
