"""Reads the body of a request, after it was decided that it may be read, and never more than allowed.

RFC 9112 §6 and §7.1. A length that is contradicted, signed, spelled twice or hidden in another transfer
coding is refused, so that a proxy and this server can never disagree about where a request ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import eventlet

from solekey_service.http_server.connection import CONNECTION_KEY
from solekey_service.refusals import BadRequest, Refusal, TooLarge

_MAX_CHUNK_LINE_BYTES = 128
_MAX_LENGTH_DIGITS = 15
_PIECE_BYTES = 128 * 1024
_BASE_DEADLINE_S = 30.0
_MIN_BYTES_PER_S = 16 * 1024
MAX_DISCARD_BYTES = 8 * 1024 * 1024
"""A refused body up to this size is read and dropped so that the connection can be kept."""


class RequestTimeout(Refusal):
    """The client sends too slowly."""

    code, status, title = "request_timeout", 408, "The request came too slowly"


@dataclass(slots=True)
class BodyReader:
    """The body that a connection is about to deliver; ``must_close``: nothing may follow it there."""

    stream: BinaryIO
    declared_bytes: int
    chunked: bool
    announce: Any = field(repr=False)
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
            TooLarge: it exceeds the limit. BadRequest: it ended early, or the chunks are malformed.
            RequestTimeout: slower than 16 KiB/s on top of 30 s.
        """
        self.verify_declared(limit)
        deadline_s = _BASE_DEADLINE_S + (limit if self.chunked else self.declared_bytes) / _MIN_BYTES_PER_S
        complete = False
        try:
            with eventlet.Timeout(deadline_s, RequestTimeout("the body did not arrive in time")):
                data = self._read_chunks(limit) if self.chunked else self._read_declared()
            complete = not self.chunked
            self.on_complete()
        except OSError as error:
            raise BadRequest("the body ended early") from error
        finally:
            self.must_close = self.must_close or not complete
        return data

    def drop(self) -> None:
        """Decide what becomes of a body that nobody read: small ones are dropped, others end it all."""
        if self.chunked or self.declared_bytes > MAX_DISCARD_BYTES:
            self.must_close = True

    def _read_declared(self) -> bytes:
        data = bytearray()
        while left := self.declared_bytes - len(data):
            piece = self.announce.read(min(left, _PIECE_BYTES))
            if not piece:
                raise BadRequest("the body ended early")
            data += piece
            eventlet.sleep()  # what has come already is read without any: let others go on
        return bytes(data)

    def _read_chunks(self, limit: int) -> bytes:
        if self.announce.should_send_hundred_continue:
            self.announce.send_hundred_continue_response()
            self.announce.is_hundred_continue_response_sent = True
        data = bytearray()
        while size := self._read_chunk_size():
            if len(data) + size > limit:
                raise _too_large(limit)
            chunk = self.stream.read(size + 2)
            if len(chunk) != size + 2 or not chunk.endswith(b"\r\n"):
                raise BadRequest("a chunk is malformed or ended early")
            data += chunk[:-2]
        return bytes(data)  # trailers are left unread: the connection is closed

    def _read_chunk_size(self) -> int:
        line = self.stream.readline(_MAX_CHUNK_LINE_BYTES)
        digits = line.partition(b";")[0].rstrip()
        if not line.endswith(b"\r\n") or not 0 < len(digits) <= 8 or digits.strip(b"0123456789abcdefABCDEF"):
            raise BadRequest("a chunk size is malformed")
        return int(digits, 16)


def open_body(environ: dict[str, Any], fields: list[tuple[str, str]]) -> BodyReader:
    """Find out how a body is delimited.

    Raises:
        BadRequest: the header fields contradict each other; close the connection.
    """
    lengths = [value.strip() for name, value in fields if name.lower() == "content-length"]
    codings = [value.strip().lower() for name, value in fields if name.lower() == "transfer-encoding"]
    if codings not in ([], ["chunked"]) or len(lengths) > 1 or (codings and lengths):
        raise BadRequest("Content-Length and Transfer-Encoding do not say where the body ends")
    declared = lengths[0] if lengths else "0"
    if not (declared.isascii() and declared.isdigit() and len(declared) <= _MAX_LENGTH_DIGITS):
        raise BadRequest("Content-Length: expected a number")
    source = environ["eventlet.input"]
    reader = BodyReader(source.rfile, int(declared), bool(codings), source)
    if CONNECTION_KEY in environ:
        reader.on_complete = environ[CONNECTION_KEY].end_wait
        reader.on_admitted = environ[CONNECTION_KEY].vouch
    return reader


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"this entry point takes at most {limit} bytes", extras={"max_bytes": limit})
