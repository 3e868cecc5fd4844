"""A certificate authority for one machine. RFC 5280.

It is made once, so that a client that pinned it stays connected. It can vouch for servers of the names that
it was made for and for nothing else (name constraints): who steals its key gains no more, and a browser that
trusts it risks no more. P-256, which every TLS stack speaks.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from solekey_standalone.folder import write_private

AUTHORITY_LIFETIME = timedelta(days=3650)
BACKDATED = timedelta(minutes=5)  # clients whose clocks are a little behind
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_OTHERS = 0o077


class AuthorityError(ValueError):
    """The authority in the data folder cannot be used; says what a person must do about it."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def load_or_make_authority(certificate: Path, key: Path, host: str, now: datetime) -> Authority:
    """Load the authority, or make one for ``host`` and this machine's own names when there is none.

    Raises:
        AuthorityError: damaged, over, not begun by this clock, readable by others, or not for this host.
        OSError: a file is there but cannot be read.
    """
    if not certificate.exists():
        made = _make(host, now)
        write_private(key, encode_key(made.key))
        write_private(certificate, encode_certificate(made.certificate))
    authority = Authority(_load_certificate(certificate), _load_key(key, certificate))
    if authority.key.public_key() != authority.certificate.public_key():
        raise AuthorityError(f"{key} is not the key of {certificate}: {_renewing(certificate)}")
    _check_time(authority.certificate, certificate, now)
    _check_host(authority.certificate, certificate, host)
    return authority


def begin_certificate(
    subject: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    """Begin a certificate with what authority and server have in common; no issuer: its own."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def make_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Say what a key is for: to sign certificates, or to sign handshakes."""
    return x509.KeyUsage(
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def list_names(host: str) -> list[x509.GeneralName]:
    """Give every name the form that clients look for: addresses are not DNS names."""
    names: list[x509.GeneralName] = []
    for name in dict.fromkeys((*LOCAL_NAMES, host)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return names


def is_private(path: Path) -> bool:
    """Tell whether only its owner may read a file."""
    return not path.stat().st_mode & _OTHERS


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """Encode as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Encode as PEM, without a passphrase: the server starts without anybody."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _make(host: str, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    permitted = [_as_subtree(name) for name in list_names(host)]
    certificate = (
        begin_certificate("Solekey embedded platform", None, key, now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(make_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _as_subtree(name: x509.GeneralName) -> x509.GeneralName:
    """Write a name as a constraint: an address as the network that holds it alone."""
    if isinstance(name, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(name.value))
    return name


def _check_time(authority: x509.Certificate, path: Path, now: datetime) -> None:
    if now >= authority.not_valid_after_utc:
        ended = f"{authority.not_valid_after_utc:%Y-%m-%d}"
        raise AuthorityError(f"{path} was good until {ended}: {_renewing(path)}")
    if now < authority.not_valid_before_utc:
        begins = f"{authority.not_valid_before_utc:%Y-%m-%d %H:%M}"
        raise AuthorityError(
            f"{path} begins at {begins} UTC, but it is {now:%Y-%m-%d %H:%M}: set the "
            f"clock; if it was ahead when the authority was made, {_renewing(path)}"
        )


def _check_host(authority: x509.Certificate, path: Path, host: str) -> None:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    missing = {_as_subtree(name) for name in list_names(host)} - set(constraints.permitted_subtrees or ())
    if missing:
        raise AuthorityError(f"{path} may not vouch for {host}, for which it was not made: {_renewing(path)}")


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except ValueError as error:
        raise AuthorityError(f"{path} is damaged: {_renewing(path)}") from error
    except x509.ExtensionNotFound as error:
        raise AuthorityError(f"{path} may vouch for any name: {_renewing(path)}") from error
    return certificate


def _load_key(path: Path, certificate: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        raise AuthorityError(f"{path} is missing: {_renewing(certificate)}")
    if not is_private(path):
        ways = f"chmod 600 it if nobody has read it; otherwise {_renewing(certificate)}"
        raise AuthorityError(f"{path} can be read by others: {ways}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is damaged: {_renewing(certificate)}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is not a P-256 key: {_renewing(certificate)}")
    return key


def _renewing(path: Path) -> str:
    return (
        f"restore the folder {path.parent} from a backup, or move it away; "
        "the next start makes a new authority, which every client must be given as --ca"
    )
