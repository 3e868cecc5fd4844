"""A client whose first bytes come in pieces is served; one that trickles wakes nobody and is cut off."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow
WAIT_S = 30


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    platform = PlatformProcess(tmp_path_factory.mktemp("platform") / "data")
    platform.start()
    yield platform
    platform.stop()


@pytest.mark.parametrize("first", [1, 5, 63, 64, 65])
def test_a_hello_in_pieces_is_answered(platform: PlatformProcess, first: int) -> None:
    context = ssl.create_default_context(cafile=str(platform.ca))
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, sent, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = sent.read()
    with socket.create_connection(("127.0.0.1", platform.port), timeout=WAIT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection.sendall(hello[:first])
        connection.sendall(hello[first:])
        while not _is_done(tls):
            received.write(connection.recv(65536))
        connection.sendall(sent.read())
        tls.write(b"GET /v1/auth/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.sendall(sent.read())
        assert _read(tls, received, connection).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_sends_a_byte_and_no_more_is_cut_off(platform: PlatformProcess) -> None:
    with socket.create_connection(("127.0.0.1", platform.port), timeout=WAIT_S) as connection:
        connection.sendall(b"\x16")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""  # after the handshake's 10 s


def test_a_client_that_leaves_at_once_leaves_nothing(platform: PlatformProcess) -> None:
    for _ in range(50):
        socket.create_connection(("127.0.0.1", platform.port), timeout=WAIT_S).close()
    test_a_hello_in_pieces_is_answered(platform, 64)


def _is_done(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _read(tls: ssl.SSLObject, received: ssl.MemoryBIO, connection: socket.socket) -> bytes:
    while True:
        try:
            return tls.read(1000)
        except ssl.SSLWantReadError:
            received.write(connection.recv(65536))
