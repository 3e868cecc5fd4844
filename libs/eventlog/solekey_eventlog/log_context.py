"""What the lines of a log belong to: the request or the event that is being worked on.

It follows the work within a thread, or green thread; who hands work to another passes it on. No value comes
from outside: a request's id is checked or made by the HTTP server, an event's place was verified.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from solekey_protocol.event import Event

Facts = Mapping[str, str]
_NONE: Facts = MappingProxyType({})
_facts: ContextVar[Facts] = ContextVar("solekey_log_facts", default=_NONE)


def find_log_facts() -> Facts:
    """Find what the lines that are logged here belong to."""
    return _facts.get()


@contextmanager
def logging_for(**facts: str) -> Iterator[None]:
    """Have every line of the block say what it belongs to, such as ``request_id``; ``event`` is inside it."""
    token = _facts.set({**_facts.get(), **facts})
    try:
        yield
    finally:
        _facts.reset(token)


def describe_place(event: Event) -> str:
    """Write an event's place as lines of the log have it: account, stream and seq."""
    return f"{event.account}/{event.stream}/{event.seq}"
