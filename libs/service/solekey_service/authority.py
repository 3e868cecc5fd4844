"""A certificate authority, and what it issues: P-256, which every TLS stack speaks. RFC 5280.

The embedded platform keeps one in its data folder (``solekey_standalone.authority``);
``deploy/make_secrets.py`` makes one for an installation and throws its key away. This module imports nothing
of ours, so that the script needs ``cryptography`` alone.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
BACKDATED: Final = timedelta(minutes=5)  # clients whose clocks are a little behind
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate and key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    def issue(
        self,
        subject: str,
        names: Iterable[str],
        now: datetime,
        lifetime: timedelta,
        *purposes: x509.ObjectIdentifier,
    ) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        """Make a key and a certificate, which does not outlive the authority.

        Args:
            subject: the common name.
            names: of hosts, or addresses.
            now: when it is made.
            lifetime: how long it is good for.
            purposes: SERVER, CLIENT, or both; none: SERVER.
        """
        key = generate_private_key(SECP256R1())
        end = min(now + lifetime, self.certificate.not_valid_after_utc)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _begin(subject, self.certificate.subject, key, now, end, signs_certificates=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(list_names(names)), critical=False)
            .add_extension(x509.ExtendedKeyUsage(purposes or [SERVER]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return key, certificate


def make_authority(subject: str, now: datetime, vouches_for: Sequence[str] = ()) -> Authority:
    """Make a self-signed authority.

    Args:
        subject: its common name.
        now: when it is made.
        vouches_for: the only names that it can issue certificates for, and only to servers; none: any name.
    """
    key = generate_private_key(SECP256R1())
    builder = _begin(subject, None, key, now, now + AUTHORITY_LIFETIME, signs_certificates=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    if vouches_for:
        constraints = x509.NameConstraints(list_subtrees(vouches_for), excluded_subtrees=None)
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([SERVER]), critical=False)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def list_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Give every name the form that clients look for: addresses are not DNS names."""
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def list_subtrees(names: Iterable[str]) -> list[x509.GeneralName]:
    """Give every name the form of a constraint: an address is the network that holds it alone."""
    return [
        x509.IPAddress(ipaddress.ip_network(name.value)) if isinstance(name, x509.IPAddress) else name
        for name in list_names(names)
    ]


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """Encode as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def encode_key(key: EllipticCurvePrivateKey) -> bytes:
    """Encode as PEM, without a passphrase: a server starts unattended."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _begin(
    subject: str,
    issuer: x509.Name | None,
    key: EllipticCurvePrivateKey,
    now: datetime,
    end: datetime,
    *,
    signs_certificates: bool,
) -> x509.CertificateBuilder:
    """Begin a certificate with what all have in common; no issuer: its own."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    usage = x509.KeyUsage(
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
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
