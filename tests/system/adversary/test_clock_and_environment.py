"""A clock that is wrong, and an environment that wants a say: neither is taken for something else."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from solekey import Runtime, Server
from solekey.connection.clock import verify_clock
from solekey.errors import (
    ClockWrongError,
    InsecureServerError,
    ProofRefusedError,
    ServerRefusedError,
    TransportError,
)
from tests.system.adversary.hostile_server import Hostile, answer, serve
from tests.system.adversary.test_hostile_network import GOOD, call

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def make_chain(folder: Path, begins: datetime, ends: datetime) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1, its own authority: (certificate, key)."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clock test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    pem, key_file = folder / "own.pem", folder / "own.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, key_file


@pytest.mark.parametrize(
    ("begins", "ends", "word"),
    [(NOW + DAY, NOW + 30 * DAY, "not yet valid"), (NOW - 30 * DAY, NOW - DAY, "expired")],
    ids=["not yet valid", "expired"],
)
def test_a_certificate_of_another_time_is_told_as_a_clock(tmp_path, begins, ends, word):
    pem, key = make_chain(tmp_path / "own", begins, ends)

    def change(context: ssl.SSLContext) -> None:
        context.load_cert_chain(pem, key)

    with serve(tmp_path, GOOD, change=change) as hostile:
        with pytest.raises(ClockWrongError, match=word) as refusal:
            call(hostile, pem)
        assert refusal.value.code == "clock_wrong"
        assert f"{NOW:%Y-%m-%d}" in str(refusal.value)
        assert "CA" not in str(refusal.value)
        assert hostile.heard == []


def test_control_a_certificate_of_this_time_is_taken(tmp_path):
    pem, key = make_chain(tmp_path / "own", NOW - DAY, NOW + DAY)
    with serve(tmp_path, GOOD, change=lambda context: context.load_cert_chain(pem, key)) as hostile:
        assert call(hostile, pem).json() == {"ok": True}


@pytest.mark.parametrize(
    ("ahead", "word"), [(-2.5 * DAY, "2 days behind"), (timedelta(hours=5.5), "5 hours ahead of")]
)
def test_a_refused_proof_names_the_clock_by_the_answer_s_date(tmp_path, ahead, word):
    date = f"{NOW:%a, %d %b %Y %H:%M:%S} GMT"
    body = b'{"code":"dpop_invalid","title":"no"}'
    refused = answer(f"HTTP/1.1 401 Unauthorized\nDate: {date}\nContent-Length: {len(body)}", body)
    with serve(tmp_path, refused) as hostile:
        with pytest.raises(ClockWrongError, match=word):
            call(hostile, runtime=Runtime(now=lambda: NOW + ahead))
        with pytest.raises(ProofRefusedError):  # a clock that is right: another reason
            call(hostile, runtime=Runtime(now=lambda: NOW + timedelta(seconds=20)))


@pytest.mark.parametrize(
    "date",
    [
        *("", "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT", "\x00", "1e999"),
        *("Thu, 01 Jan 9999999999 00:00:00 GMT", f"Thu, 01 Jan 2026 00:00:00 +{10**20}"),
    ],
)
def test_a_date_that_is_none_says_nothing(date):
    refusal = ServerRefusedError.build(401, {"code": "dpop_invalid"})
    assert isinstance(refusal, ProofRefusedError)
    verify_clock(date, NOW, refusal)


def test_the_environment_names_no_authority_and_gets_no_keys(tmp_path, monkeypatch):
    log = tmp_path / "tls.log"
    with serve(tmp_path / "server", GOOD) as hostile:
        monkeypatch.setenv("SSL_CERT_FILE", str(hostile.ca))
        monkeypatch.setenv("SSL_CERT_DIR", str(hostile.ca.parent))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hostile.ca))
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        context = ssl.create_default_context()  # control: what the variables do elsewhere
        assert context.keylog_filename == str(log)
        assert any("CA" in str(each) or each for each in context.get_ca_certs())
        log.unlink(missing_ok=True)
        with pytest.raises(InsecureServerError):
            call_without_ca(hostile)
        assert call(hostile).json() == {"ok": True}
    assert not log.exists()


def call_without_ca(hostile: Hostile):
    from solekey.connection.transport import Transport

    transport = Transport(Server(hostile.origin), Runtime())
    try:
        return transport.send("GET", "/v1/auth/health", repeatable=False)
    finally:
        transport.close()


@pytest.mark.parametrize(
    "origin",
    [
        "https://:pw@host", "https://user@host", "https://user:pw@host", "https://@host", "https://:@host:8443",
        "https://host\\@evil", "https://host:pw@evil:443", "https://ho st", "https://host%40evil", "https://host,evil",
        "https://host:80:90", "https://host:99999", "https://[::1", "https://[::1]x", "https://", "https://:443",
    ],
)  # fmt: skip
def test_more_than_an_origin_is_refused(origin):
    with pytest.raises(InsecureServerError):
        Server(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://host",
        "https://host:8443",
        "https://a.b-c.example/",
        "https://[::1]:8443",
        "https://127.0.0.1:1",
    ],
)
def test_an_origin_is_taken(origin):
    assert Server(origin).origin == origin.rstrip("/")
    assert issubclass(InsecureServerError, TransportError)
