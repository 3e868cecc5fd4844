"""The server's certificate: renewed before it ends, under the authority that clients have pinned."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from solekey_service.authority import AUTHORITY_LIFETIME
from solekey_service.tls import ServerTls
from solekey_standalone.certificates import (
    SERVER_LIFETIME,
    Certificates,
    keep_renewed,
    load_or_make_certificates,
)
from solekey_standalone.folder import write_private

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def make(folder: Path, now: datetime = NOW, host: str = "127.0.0.1") -> Certificates:
    return load_or_make_certificates(folder, host, now)


def test_certificates_are_kept_across_starts(tmp_path: Path) -> None:
    first = make(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make(tmp_path, NOW + SERVER_LIFETIME * 2 / 3 - MINUTE) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_it_is_renewed_under_the_same_authority_when_a_third_of_its_life_is_left(tmp_path: Path) -> None:
    paths = make(tmp_path)
    authority, server = read(paths.authority), read(paths.server)
    later = NOW + SERVER_LIFETIME * 2 / 3
    make(tmp_path, later)
    assert read(paths.authority) == authority
    assert read(paths.server) != server
    assert read(paths.server).public_key() != server.public_key()
    assert read(paths.server).not_valid_after_utc == later + SERVER_LIFETIME


def test_it_does_not_outlive_its_authority_and_is_not_made_again_and_again(tmp_path: Path) -> None:
    paths = make(tmp_path)
    end = read(paths.authority).not_valid_after_utc
    make(tmp_path, end - timedelta(days=10))
    last = read(paths.server)
    assert last.not_valid_after_utc == end
    make(tmp_path, end - timedelta(hours=1))
    assert read(paths.server) == last


def test_one_from_the_future_is_made_again(tmp_path: Path) -> None:
    """The clock was ahead while it was made, and has been set right since."""
    make(tmp_path)
    paths = make(tmp_path, NOW + timedelta(days=1000))
    assert read(paths.server).not_valid_before_utc > NOW
    make(tmp_path, NOW)
    assert read(paths.server).not_valid_before_utc < NOW < read(paths.server).not_valid_after_utc


def test_it_names_the_host_and_this_machine(tmp_path: Path) -> None:
    paths = make(tmp_path, host="keys.example.org")
    names = read(paths.server).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "keys.example.org"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


@pytest.mark.parametrize("name", ["server.pem", "server.key"])
def test_damaged_or_foreign_files_are_made_again(tmp_path: Path, name: str) -> None:
    """A key of a start that was interrupted, half a file, what another authority of the same name signed."""
    paths = make(tmp_path)
    (tmp_path / "other").mkdir()
    for content in (b"", b"-----BEGIN", (make(tmp_path / "other").server.parent / name).read_bytes()):
        write_private(tmp_path / name, content)
        make(tmp_path)
        ServerTls(paths.server, paths.server_key)
        read(paths.server).verify_directly_issued_by(read(paths.authority))


def test_a_key_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    paths = make(tmp_path)
    before = paths.server_key.read_bytes()
    paths.server_key.chmod(0o644)
    make(tmp_path)
    assert paths.server_key.read_bytes() != before
    assert paths.server_key.stat().st_mode & 0o777 == 0o600


@contextmanager
def serve(tls: ServerTls) -> Iterator[int]:
    """Echo one byte after the other on each connection, with the certificate of the moment."""

    def answer(connection: socket.socket) -> None:
        with connection, tls.context.wrap_socket(connection, server_side=True) as secure:
            while data := secure.recv(1):
                secure.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)


def connect(port: int, ca: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=ca)
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def peer(connection: ssl.SSLSocket) -> x509.Certificate:
    raw = connection.getpeercert(binary_form=True)
    assert raw is not None
    return x509.load_der_x509_certificate(raw)


def test_a_running_server_changes_its_certificate_and_breaks_no_connection(tmp_path: Path) -> None:
    """A certificate that lives for three minutes; the clock is ours."""
    start = datetime.now(UTC)
    short = timedelta(minutes=3)
    paths = load_or_make_certificates(tmp_path, "127.0.0.1", start, short)
    tls = ServerTls(paths.server, paths.server_key)
    with serve(tls) as port, connect(port, paths.authority) as old:
        first = peer(old)
        load_or_make_certificates(tmp_path, "127.0.0.1", start + MINUTE, short)
        assert not tls.reload()  # not yet due: nothing has changed
        load_or_make_certificates(tmp_path, "127.0.0.1", start + 2 * MINUTE, short)
        assert tls.reload()
        assert not tls.reload()
        with connect(port, paths.authority) as new:
            assert peer(new) != first
            assert peer(new).not_valid_after_utc > first.not_valid_after_utc
        old.sendall(b"x")
        assert old.recv(1) == b"x"  # what was connected before stays connected


def test_a_broken_renewal_leaves_the_last_good_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = make(tmp_path, datetime.now(UTC))
    tls = ServerTls(paths.server, paths.server_key)
    context, key = tls.context, paths.server_key.read_bytes()
    (tmp_path / "other").mkdir()
    write_private(paths.server_key, make(tmp_path / "other").server_key.read_bytes())
    with caplog.at_level(logging.ERROR):
        assert not tls.reload()
    assert "not used" in caplog.text
    assert tls.context is context
    paths.server_key.unlink()
    assert not tls.reload()
    write_private(paths.server_key, key)
    assert tls.reload()


def test_the_process_renews_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The loop that looks, with a clock that leaps; what it cannot do it says, and tries again."""
    paths = make(tmp_path)
    first, stop = read(paths.server), threading.Event()
    due = NOW + SERVER_LIFETIME - MINUTE
    times = [NOW + AUTHORITY_LIFETIME, NOW - timedelta(days=1), due]  # clocks gone wild, then the truth

    def now() -> datetime:
        if len(times) == 1:
            assert read(paths.server) == first
            stop.set()
        return times.pop(0)

    with caplog.at_level(logging.ERROR):
        keep_renewed(tmp_path, "127.0.0.1", stop, now, look_s=0)
    assert [record.getMessage().count("cannot be renewed") for record in caplog.records] == [1, 1]
    assert read(paths.server).not_valid_after_utc == due + SERVER_LIFETIME
