"""The positive controls: what the inspection must find at servers that are set up badly on purpose."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509

from solekey_service.authority import encode_certificate, encode_key
from solekey_standalone.authority import LOCAL_NAMES, load_or_make_authority
from solekey_standalone.certificates import Certificates, load_or_make_certificates
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until
from tests.system.tls.inspection import _measure_early_data, find_problems, inspect

pytestmark = pytest.mark.slow

HSTS = ("Strict-Transport-Security", "max-age=31536000")
OLD_TLS = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
Change = Callable[[ssl.SSLContext], None]


class Answering(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    server_version = sys_version = ""
    headers_sent: tuple[tuple[str, str], ...] = (HSTS,)

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Serving(HTTPServer):
    """One connection after the other, each over TLS; with ``takes_plain`` also without."""

    tls: ssl.SSLContext
    takes_plain = False

    def finish_request(self, request: object, client_address: object) -> None:
        first = request.recv(1, 2)  # type: ignore[attr-defined]  # MSG_PEEK
        if self.takes_plain and first == b"G":
            super().finish_request(request, client_address)  # type: ignore[arg-type]
            return
        with self.tls.wrap_socket(request, server_side=True) as secure:  # type: ignore[arg-type]
            super().finish_request(secure, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Refused handshakes are expected here."""


@contextmanager
def serve(
    certificates: Certificates,
    change: Change = lambda _: None,
    handler: type = Answering,
    *,
    plain: bool = False,
) -> Iterator[int]:
    with Serving(("127.0.0.1", 0), handler) as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(certificates.server, certificates.server_key)
        server.tls.minimum_version = ssl.TLSVersion.TLSv1_3
        server.tls.num_tickets = 0
        server.takes_plain = plain
        change(server.tls)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return load_or_make_certificates(tmp_path, "127.0.0.1")


def judge(
    certificates: Certificates, *changes: Change, plain: bool = False, handler: type = Answering
) -> list[str]:
    def change(context: ssl.SSLContext) -> None:
        for each in changes:
            each(context)

    with serve(certificates, change, handler, plain=plain) as port:
        return find_problems(inspect("127.0.0.1", port, certificates.authority))


def test_a_server_without_fault_has_none(certificates: Certificates) -> None:
    assert judge(certificates) == []


@OLD_TLS
@pytest.mark.parametrize(
    ("version", "name"), [("TLSv1", "TLSv1"), ("TLSv1_1", "TLSv1.1"), ("TLSv1_2", "TLSv1.2")]
)
def test_old_versions_are_found(certificates: Certificates, version: str, name: str) -> None:
    def allow(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion[version]

    problems = judge(certificates, allow)
    assert f"{name} is offered" in problems
    assert all(problem.endswith("is offered") for problem in problems)


@OLD_TLS
def test_a_server_that_knows_only_old_versions_is_found(certificates: Certificates) -> None:
    def only_old(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert {"TLSv1.2 is offered", "TLSv1.3 is not offered"} <= set(judge(certificates, only_old))


def test_resumption_is_found(certificates: Certificates) -> None:
    def give_tickets(context: ssl.SSLContext) -> None:
        context.num_tickets = 2

    assert judge(certificates, give_tickets) == ["sessions are resumed"]


def test_plain_http_is_found(certificates: Certificates) -> None:
    assert judge(certificates, plain=True) == ["plain HTTP is answered with 200"]


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ((), "no Strict-Transport-Security for half a year"),
        ((("Strict-Transport-Security", "max-age=3600"),), "no Strict-Transport-Security for half a year"),
        ((HSTS, HSTS), "no Strict-Transport-Security for half a year"),
        ((HSTS, ("Server", "nginx/1.22.1")), "the server tells its version"),
    ],
)
def test_headers_that_are_missing_or_too_talkative_are_found(
    certificates: Certificates, headers: tuple[tuple[str, str], ...], problem: str
) -> None:
    handler = type("Handler", (Answering,), {"headers_sent": headers, "send_header_server": None})
    assert judge(certificates, handler=handler) == [problem]


def test_an_unknown_authority_and_another_name_are_found(certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = load_or_make_certificates(tmp_path / "other", "127.0.0.1")
    with serve(certificates) as port:
        (problem,) = find_problems(inspect("127.0.0.1", port, other.authority))
        assert problem.startswith("not trusted: self")
    swap(certificates, names=["keys.example.org"])
    (problem,) = judge(certificates)
    assert "not trusted" in problem


@pytest.mark.parametrize(
    ("begins", "days", "problem"),
    [
        (-100, 90, "the certificate is not valid now"),
        (10, 90, "the certificate is not valid now"),
        (0, 500, "the certificate lives too long"),
    ],
)
def test_a_certificate_out_of_its_time_is_found(
    certificates: Certificates, begins: int, days: int, problem: str
) -> None:
    swap(certificates, begins=timedelta(days=begins), lifetime=timedelta(days=days))
    assert problem in judge(certificates)


def swap(
    certificates: Certificates,
    *,
    begins: timedelta = timedelta(0),
    lifetime: timedelta = timedelta(days=90),
    names: list[str] | None = None,
) -> None:
    """Replace the server's certificate by another one of the same authority."""
    folder, now = certificates.authority.parent, datetime.now(UTC)
    authority = load_or_make_authority(certificates.authority, folder / "ca.key", "127.0.0.1", now)
    host = names[0] if names else "127.0.0.1"
    key, certificate = authority.issue("a server", (*LOCAL_NAMES, host), now + begins, lifetime)
    if names:
        assert (
            x509.DNSName(host)
            in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    certificates.server_key.write_bytes(encode_key(key))
    certificates.server.write_bytes(encode_certificate(certificate))


def test_early_data_is_found(certificates: Certificates) -> None:
    """OpenSSL's own test server, which offers it; nothing else in reach does."""
    (port,) = find_free_ports(1)
    server = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-early_data"]
    files = ["-cert", certificates.server, "-key", certificates.server_key]
    with subprocess.Popen([*server, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        wait_until(lambda: b"ACCEPT" in process.stdout.readline())
        answering = threading.Thread(target=close_after_request, args=(process,))
        answering.start()
        assert _measure_early_data("127.0.0.1", port, "/", certificates.authority.parent) == 16384
        answering.join()


def close_after_request(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    while b"Host:" not in process.stdout.readline():
        pass
    process.stdin.write(b"Q\n")
    process.stdin.close()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"early_data_bytes": 16384}, "early data: 16384 bytes"),
        ({"compresses": True}, "compression is offered"),
        ({"suites": frozenset({"TLS_AES_128_CCM_8_SHA256"})}, "TLS_AES_128_CCM_8_SHA256 is offered"),
    ],
)
def test_what_no_server_in_reach_does_is_judged_all_the_same(
    certificates: Certificates, change: dict[str, object], problem: str
) -> None:
    with serve(certificates) as port:
        report = inspect("127.0.0.1", port, certificates.authority)
    assert find_problems(replace(report, **change)) == [problem]  # type: ignore[arg-type]
