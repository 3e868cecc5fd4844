"""What loops of a library's own, those of kafka-python's clients and psycopg's, need of eventlet, made cheap.

eventlet has ``SelectSelector`` alone: each ``select`` gives every socket to the hub and takes it back, and a
call that does not wait at all still goes through the hub, twice. A client of kafka-python calls it some ten
times for each request to the broker, and looks up as often which thread it is in, for which eventlet goes
through all threads. Decision: docs/decisions/0161. psycopg waits in C, which eventlet cannot see, or by a
``select`` for each round trip to PostgreSQL, which costs as much as the query. Decision: docs/decisions/0185.
"""

import select
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary, ref

import eventlet
from eventlet.hubs import trampoline
from psycopg import OperationalError, waiting
from psycopg.abc import PQGen

_select: Final = eventlet.patcher.original("select")
RV = TypeVar("RV")
_LOOKS_IN_A_ROW: Final = 16
"""After so many looks that did not wait, other green threads have a turn."""


class _NothingCameError(Exception):
    """The time is over."""


class HubSelector(selectors.SelectSelector):
    """Keeps its sockets in an epoll object, and has the hub wait for that, where none of them is ready."""

    def __init__(self) -> None:
        super().__init__()
        self._polled: Any = _select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._looks = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.register`."""
        key = super().register(fileobj, events, data)
        self._polled.register(key.fd, _encode(events))
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.unregister`."""
        key = super().unregister(fileobj)
        del self._keys[key.fd]
        with suppress(OSError):  # it is closed: the kernel has taken it out
            self._polled.unregister(key.fd)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.get_key`, which describes the socket in full where there is no key."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return self._keys[fd] if fd >= 0 else super().get_key(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; where nothing is, wait for it. See `selectors.BaseSelector.select`."""
        ready = self._look()
        if ready or (timeout is not None and timeout <= 0):
            self._looks += 1
            if self._looks >= _LOOKS_IN_A_ROW:
                self._looks = 0
                eventlet.sleep()
            return ready
        self._looks = 0
        try:
            trampoline(self._polled, read=True, timeout=timeout, timeout_exc=_NothingCameError)
        except _NothingCameError:
            return []
        return self._look()

    def close(self) -> None:
        """See `selectors.BaseSelector.close`."""
        self._polled.close()
        self._keys.clear()
        super().close()

    def _look(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = ((self._keys.get(fd), _decode(flags)) for fd, flags in self._polled.poll(0))
        return [
            (key, events & key.events) for key, events in found if key is not None and events & key.events
        ]


def _encode(events: int) -> int:
    read = _select.EPOLLIN if events & selectors.EVENT_READ else 0
    return int(read | (_select.EPOLLOUT if events & selectors.EVENT_WRITE else 0))


def _decode(flags: int) -> int:
    """An error or a hang-up is both: who reads or writes finds out."""
    read = selectors.EVENT_READ if flags & ~_select.EPOLLOUT else 0
    return read | (selectors.EVENT_WRITE if flags & ~_select.EPOLLIN else 0)


def remember_threads(find: Callable[[], threading.Thread]) -> Callable[[], threading.Thread]:
    """Make a `threading.current_thread` that goes through all threads once for each green one."""
    known: WeakKeyDictionary[Any, ref[threading.Thread]] = WeakKeyDictionary()

    def current_thread() -> threading.Thread:
        current = eventlet.getcurrent()
        remembered = known.get(current)
        thread = None if remembered is None else remembered()
        if thread is None:
            thread = find()
            known[current] = ref(thread)  # eventlet's own refers to its green thread
        return thread

    return current_thread


def wait_in_hub(gen: PQGen[RV], fileno: int, interval: float = 0.0, timeout: float | None = None) -> RV:
    """Run what psycopg does on a connection, and have the hub wait for the answer. See `psycopg.waiting`.

    What waits with a timeout, or until it can go on sending, is rare: psycopg's own ``select`` waits for it.
    """
    if timeout is not None:
        return waiting.wait_select(gen, fileno, interval, timeout)
    try:
        wanted = next(gen)
        while True:
            if wanted == waiting.WAIT_R:
                trampoline(fileno, read=True)
                wanted = gen.send(waiting.READY_R)
            else:
                wanted = gen.send(_select_ready(wanted, fileno))
    except OSError as error:
        raise OperationalError("connection socket closed") from error
    except StopIteration as finished:
        return cast("RV", finished.value)


def _select_ready(wanted: int, descriptor: int) -> int:
    asked = [descriptor] if wanted & waiting.WAIT_R else []
    readable, writable, _ = select.select(asked, [descriptor], [])
    return (waiting.READY_R if readable else 0) | (waiting.READY_W if writable else 0)


def install() -> None:
    """Let whoever asks for a selector, or for the current thread, have these. eventlet has patched before.

    The selector is of Linux, where services are deployed: elsewhere eventlet's stays.
    """
    if hasattr(_select, "epoll"):
        selectors.DefaultSelector = HubSelector  # type: ignore[assignment,misc]  # as eventlet does
    threading.current_thread = remember_threads(threading.current_thread)
    waiting.wait = wait_in_hub
