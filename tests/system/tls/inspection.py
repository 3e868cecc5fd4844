"""Looks at a server's TLS from outside, as testssl.sh does, and says what is wrong with it.

``inspect`` measures, ``find_problems`` judges: TLS 1.3 alone with its three main suites, no compression, no
resumption, no early data, a certificate that verifies for the name and lives for at most 398 days, HSTS, and
nothing over plain HTTP.
"""

import re
import socket
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.system.tls.hello import OLD_VERSIONS, SUITES_1_3, SUITES_BEFORE_1_3, TLS_1_3, say_hello

GOOD_SUITES: Final = frozenset(list(SUITES_1_3.values())[:3])
_LONGEST = timedelta(days=398)  # what browsers accept
_ENOUGH_DAYS_S = 180 * 86400
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a server offers."""

    versions: frozenset[str]
    suites: frozenset[str]
    """Of TLS 1.3."""
    compresses: bool
    """Agrees to compress in a version before 1.3."""
    trust: str
    """Why a client that trusts the authority, and nobody else, would not connect; empty: it does."""
    certificate: x509.Certificate
    resumes: bool
    early_data_bytes: int
    answer: str
    """The head of an HTTPS answer."""
    plain: bytes
    """What plain HTTP on the same port is answered."""


def inspect(host: str, port: int, ca: Path, path: str = "/health") -> Report:
    """Measure a server."""
    old = {name: say_hello(host, port, number, SUITES_BEFORE_1_3) for name, number in OLD_VERSIONS.items()}
    versions = {name for name, hello in old.items() if hello and hello.version == OLD_VERSIONS[name]}
    suites = {name for number, name in SUITES_1_3.items() if say_hello(host, port, TLS_1_3, [number])}
    answer, resumes = _ask_twice(host, port, path)
    return Report(
        frozenset(versions | ({"TLSv1.3"} if suites else set())),
        frozenset(suites),
        any(hello.compression for hello in old.values() if hello),
        _find_distrust(host, port, ca),
        x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode()),
        resumes,
        _measure_early_data(host, port, path, ca.parent),
        answer,
        _ask_in_plain(host, port, path),
    )


def find_problems(report: Report) -> list[str]:
    """Say what is wrong. An empty list: all is as it should be."""
    problems = [f"{name} is offered" for name in sorted(report.versions - {"TLSv1.3"})]
    if "TLSv1.3" not in report.versions:
        problems.append("TLSv1.3 is not offered")
    problems += [f"{suite} is offered" for suite in sorted(report.suites - GOOD_SUITES)]
    if report.compresses:
        problems.append("compression is offered")
    if report.trust:
        problems.append(f"not trusted: {report.trust}")
    if report.resumes:
        problems.append("sessions are resumed")
    if report.early_data_bytes:
        problems.append(f"early data: {report.early_data_bytes} bytes")
    problems += _judge_certificate(report.certificate) + _judge_answers(report)
    return problems


def _judge_certificate(certificate: x509.Certificate) -> list[str]:
    problems = []
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        problems.append("the certificate is not valid now")
    if certificate.not_valid_after_utc - certificate.not_valid_before_utc > _LONGEST:
        problems.append("the certificate lives too long")
    if not isinstance(certificate.public_key(), ec.EllipticCurvePublicKey):
        problems.append("the certificate's key is not on an elliptic curve")
    return problems


def _judge_answers(report: Report) -> list[str]:
    problems = []
    found = re.findall(r"(?im)^strict-transport-security: max-age=(\d+)", report.answer)
    if len(found) != 1 or int(found[0]) < _ENOUGH_DAYS_S:
        problems.append("no Strict-Transport-Security for half a year")
    if re.search(r"(?im)^server: .*\d", report.answer):
        problems.append("the server tells its version")
    status = re.match(rb"HTTP/1\.[01] (\d{3})", report.plain)
    if status and status[1] not in (b"301", b"308", b"400", b"421", b"426"):
        problems.append(f"plain HTTP is answered with {status[1].decode()}")
    if re.search(rb"(?im)^location: http:", report.plain):
        problems.append("plain HTTP is redirected to plain HTTP")
    return problems


def _trust_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _find_distrust(host: str, port: int, ca: Path) -> str:
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        _ask(context, host, port, "/health", None)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def _ask_twice(host: str, port: int, path: str) -> tuple[str, bool]:
    """Return the head of an answer, and whether a second connection could resume the first one's session."""
    context = _trust_anybody()
    head, session, _ = _ask(context, host, port, path, None)
    if session is None:
        return head, False
    return head, _ask(context, host, port, path, session)[2]


def _ask(
    context: ssl.SSLContext, host: str, port: int, path: str, session: ssl.SSLSession | None
) -> tuple[str, ssl.SSLSession | None, bool]:
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host, session=session) as tls,
    ):
        tls.sendall(_request(host, path))
        answer = _read_all(tls)
        return answer.partition(b"\r\n\r\n")[0].decode("latin-1"), tls.session, bool(tls.session_reused)


def _ask_in_plain(host: str, port: int, path: str) -> bytes:
    with socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain:
        plain.sendall(_request(host, path))
        return _read_all(plain)


def _request(host: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def _read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except OSError:  # reset: an answer all the same
        return data
    return data


def _measure_early_data(host: str, port: int, path: str, folder: Path) -> int:
    """How many bytes a session ticket allows to be sent before the handshake; Python's ssl does not tell."""
    file = folder / f"session-{port}.pem"
    client = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3", "-ign_eof", "-sess_out", file]
    subprocess.run(client, input=_request(host, path), capture_output=True, check=False, timeout=30)
    if not file.exists():
        return 0
    shown = ["openssl", "sess_id", "-in", file, "-noout", "-text"]
    text = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Max Early Data: (\d+)", text)
    assert found, text
    return int(found[1])
