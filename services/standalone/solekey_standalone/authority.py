"""A certificate authority for one machine, and the server's certificate. RFC 5280.

The authority is made once, so that a client that pinned it stays connected; the server's certificate is made
again when it nears its end or does not name the host. Both are P-256, which every TLS stack speaks.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from solekey_standalone.folder import write_private

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 397
_RENEW_DAYS = 30
_BACKDATED = timedelta(minutes=5)  # clients whose clocks are a little behind
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the PEM files lie. Clients need ``authority`` only."""

    authority: Path
    server: Path
    server_key: Path


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def load_or_make_certificates(folder: Path, host: str, now: datetime | None = None) -> Certificates:
    """Load what is there and make what is missing, too old, or does not name ``host``.

    Raises:
        OSError, ValueError: a file is there but cannot be read.
    """
    now = now or datetime.now(UTC)
    certificates = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority_key = folder / "ca.key"
    if not certificates.authority.exists():
        made = _make_authority(now)
        write_private(authority_key, _encode_key(made.key))
        write_private(certificates.authority, _encode_certificate(made.certificate))
    authority = _load_authority(certificates.authority, authority_key)
    if not _serves(certificates, authority, host, now):
        key = ec.generate_private_key(ec.SECP256R1())
        chain = _encode_certificate(_make_server(authority, key, host, now))
        write_private(certificates.server_key, _encode_key(key))
        write_private(certificates.server, chain + _encode_certificate(authority.certificate))
    return certificates


def _make_authority(now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Solekey embedded platform")])
    usage = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _begin(name, name, key, now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _make_server(
    authority: _Authority, key: ec.EllipticCurvePrivateKey, host: str, now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Solekey embedded server")])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        _begin(subject, authority.certificate.subject, key, now, _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_list_names(host)), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _list_names(host: str) -> list[x509.GeneralName]:
    """Give every name the form that clients look for: addresses are not DNS names."""
    names: list[x509.GeneralName] = []
    for name in dict.fromkeys((*_LOCAL_NAMES, host)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return names


def _serves(certificates: Certificates, authority: _Authority, host: str, now: datetime) -> bool:
    """Tell whether the server's certificate can be used a while longer under this host's name."""
    if not certificates.server.exists() or not certificates.server_key.exists():
        return False
    certificate = x509.load_pem_x509_certificate(certificates.server.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(_list_names(host)) <= set(names)
        and certificate.issuer == authority.certificate.subject
        and certificate.not_valid_after_utc - now > timedelta(days=_RENEW_DAYS)
        and _matches(certificate, certificates.server_key)
    )


def _matches(certificate: x509.Certificate, key_path: Path) -> bool:
    """Tell whether key and certificate belong together: a crash may have left a new key with an old one."""
    return _load_key(key_path).public_key() == certificate.public_key()


def _load_authority(certificate: Path, key: Path) -> _Authority:
    return _Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), _load_key(key))


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path}: expected a P-256 key")  # noqa: TRY004 - the file is wrong, not the type
    return key


def _encode_certificate(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
