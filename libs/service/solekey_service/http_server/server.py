"""One listen socket for all containers of the process, over TLS 1.3 or behind a proxy that speaks it.

nameko's own WebServer is one a container and knows neither TLS nor limits. This one belongs to the runner:
entry points add their routes while their containers start; it accepts once all have started, and stops
accepting before the first one stops.
"""

import logging
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import eventlet
from eventlet import wsgi
from eventlet.greenio import GreenSocket
from eventlet.greenio.base import socket_accept
from eventlet.hubs import trampoline

from solekey_service.http.source import Network
from solekey_service.http_server.application import Application, Observer, observe_nothing
from solekey_service.http_server.connection import Connection, shut_down
from solekey_service.http_server.routes import Routes
from solekey_service.tls import ServerTls

_log = logging.getLogger(__name__)

_BACKLOG = 256
_SOCKET_TIMEOUT_S = 30.0
_IDLE_TIMEOUT_S = 75.0
_HANDSHAKE_TIMEOUT_S = 10.0
_HELLO_BYTES = 64
"""Less than any TLS 1.3 ClientHello: sockets that trickle less than this do not wake the process."""
_ACCEPT_PAUSE_S = 0.1
_ACCEPT_FULL_PAUSE_S = 0.005
"""Between two connections while others have to end for them: at most 200 a second."""
_LOOK_FOR_CERTIFICATE_S = 1.0
_FIRST_REQUEST_S = 1.0
"""How long a server that stops waits for the first request of a connection."""
_LOOK_S = 0.01
_STATE_NEW = "new"  # beside eventlet's states: no request has begun on it


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections there may be; ``connections_per_source`` 0: as many from one source as in all."""

    connections: int
    connections_per_source: int


DEFAULT_ROOM: Final = Room(1000, 0)


class HttpServer:
    """Accepts connections for the routes of every container in the process."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ServerTls | None,
        room: Room = DEFAULT_ROOM,
        *,
        observe: Observer = observe_nothing,
        proxies: Sequence[Network] = (),
        is_logged: bool = True,
    ) -> None:
        """Make a server that listens nowhere yet.

        Args:
            host: where to listen.
            port: the same; 0: any that is free.
            tls: without it, plain HTTP.
            room: how many connections there may be.
            observe: told of every request that was answered.
            proxies: whose ids of requests are taken.
            is_logged: whether each of them is a line of the log.
        """
        self.routes = Routes()
        self._address = (host, port)
        self._tls = tls
        self._room = room
        self._observe = observe
        self._proxies = proxies
        self._is_logged = is_logged
        self._pool = eventlet.GreenPool(room.connections)
        self._states: dict[int, list[Any]] = {}
        """Each connection as eventlet keeps it: address, socket (plain or TLS), what it is doing; and since
        when its client is waited for, or None while this server works for it; and whether an account was
        admitted on it."""
        self._socket: socket.socket | None = None
        self._server: wsgi.Server | None = None
        self._threads: list[eventlet.greenthread.GreenThread] = []

    def listen(self) -> int:
        """Take the address, so that a second process fails at once, and return the port. Accepts nothing yet.

        Raises:
            OSError: the address is taken or not this machine's.
        """
        self._socket = open_listener(*self._address)
        return int(self._socket.getsockname()[1])

    def adopt(self, descriptor: int) -> int:
        """Take over a listen socket that other processes accept on, too, and return its port."""
        self._socket = socket.socket(fileno=descriptor)
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to accept."""
        if self._socket is None:
            raise RuntimeError("listen first")
        self._server = server = wsgi.Server(
            self._socket,
            self._socket.getsockname(),
            Application(self.routes, self._observe, proxies=self._proxies, is_logged=self._is_logged),
            protocol=Connection,
            keepalive=_IDLE_TIMEOUT_S,
            socket_timeout=_SOCKET_TIMEOUT_S,
            log_output=False,
            debug=False,
        )
        self._threads.append(eventlet.spawn(self._accept, server, self._socket))
        if self._tls is not None:
            self._threads.append(eventlet.spawn(self._watch_certificate, self._tls))

    def stop(self, timeout_s: float) -> None:
        """Accept nothing more, let the requests that have begun finish, close the idle connections.

        A connection whose first request is on its way is served, also one that the kernel alone has accepted:
        closing the socket would reset it. Behind a proxy every request comes on a connection of its own.
        """
        for thread in self._threads:
            thread.kill()
        if self._socket is not None:
            if self._server is not None:
                self._server.is_stopping = True
                self._accept_waiting(self._server, self._socket)
            self._socket.close()
        self._end_connections(wsgi.STATE_IDLE)
        with eventlet.Timeout(_FIRST_REQUEST_S, False):
            while any(state[2] == _STATE_NEW for state in self._states.values()):
                eventlet.sleep(_LOOK_S)
        self._end_connections(_STATE_NEW)
        with eventlet.Timeout(timeout_s, False):
            self._pool.waitall()
        for state in list(self._states.values()):
            shut_down(state[1], socket.SHUT_RDWR)

    def _end_connections(self, waiting: str) -> None:
        """End the connections in one state, and all others after the request that is being worked on."""
        for state in list(self._states.values()):
            if state[2] == waiting:
                shut_down(state[1], socket.SHUT_RDWR)
            if state[2] != _STATE_NEW:
                state[2] = wsgi.STATE_CLOSE

    def _watch_certificate(self, tls: ServerTls) -> None:
        while True:
            eventlet.sleep(_LOOK_FOR_CERTIFICATE_S)
            tls.reload()

    def _accept(self, server: wsgi.Server, listener: socket.socket) -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError as error:
                # Out of file descriptors, or a client that went before it was accepted.
                _log.warning("accept: %s", error)
                eventlet.sleep(_ACCEPT_PAUSE_S)
                continue
            full = self._is_full()
            self._admit(server, client, address)
            # A flood of connections waits in the kernel, not in front of the requests.
            eventlet.sleep(_ACCEPT_FULL_PAUSE_S if full else 0)

    def _accept_waiting(self, server: wsgi.Server, listener: Any) -> None:
        """Accept what waits in the kernel, without waiting for more."""
        with suppress(OSError):  # one that has gone since
            while (accepted := socket_accept(listener.fd)) is not None:
                self._admit(server, GreenSocket(accepted[0]), accepted[1])

    def _admit(self, server: wsgi.Server, client: socket.socket, address: Any) -> None:
        if not self._make_room(str(address[0])):
            client.close()
            return
        # The state stands before the thread runs: connections that come at once are counted.
        state: list[Any] = [address, client, _STATE_NEW, time.monotonic(), False]
        self._states[id(state)] = state
        self._pool.spawn_n(self._serve, server, state)

    def _is_full(self) -> bool:
        most = self._room.connections_per_source or self._room.connections
        return len(self._states) >= min(most, self._room.connections)

    def _make_room(self, source: str) -> bool:
        """End the connection that has been waited for the longest, if there is no room for another.

        A source with too many loses one of its own; otherwise the source with the most does. So sockets that
        trickle keep nobody out: whoever sends a whole request is not waited for any more. One on which an
        account was admitted before ends after all others. False: every
        connection of this source is being worked for.
        """
        states = list(self._states.values())
        own = [state for state in states if str(state[0][0]) == source]
        if 0 < self._room.connections_per_source <= len(own):
            return self._end_longest(own)
        if len(states) < self._room.connections:
            return True
        (busiest, _), *_ = Counter(str(state[0][0]) for state in states).most_common(1)
        return self._end_longest([state for state in states if str(state[0][0]) == busiest]) or (
            self._end_longest(states)
        )

    def _end_longest(self, states: Sequence[list[Any]]) -> bool:
        waiting = [state for state in states if state[3] is not None]
        if not waiting:
            return False
        longest = min(waiting, key=lambda state: (bool(state[4]), float(state[3])))
        self._states.pop(id(longest), None)
        longest[2] = wsgi.STATE_CLOSE
        shut_down(longest[1], socket.SHUT_RDWR)
        return True

    def _serve(self, server: wsgi.Server, state: list[Any]) -> None:
        address, client = state[:2]
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            client.settimeout(_SOCKET_TIMEOUT_S)
            if self._tls is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _HELLO_BYTES)
                with eventlet.Timeout(_HANDSHAKE_TIMEOUT_S, TimeoutError("TLS handshake")):
                    trampoline(client, read=True)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                    client = state[1] = self._tls.context.wrap_socket(client, server_side=True)
            server.process_request(state)
        except OSError as error:
            _log.debug("connection from %s: %s", address[0], error)
        except Exception:  # noqa: BLE001 - one connection must not end the others
            _log.exception("connection from %s", address[0])
        finally:
            self._states.pop(id(state), None)
            client.close()


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listen socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener: socket.socket = eventlet.listen((host, port), family=family, backlog=_BACKLOG, reuse_port=False)
    return listener
