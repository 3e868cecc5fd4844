"""The authority that certifies a server: is it one that this device trusts, and if not, which one is it?

What a server shows of its own authority proves nothing. A person compares the fingerprint with what the
operator says, and only then is the authority pinned. Spec: conventions.md §7.1.
"""

import hashlib
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from solekey.connection.transport import Transport
from solekey.errors import BadAnswerError, InsecureServerError, ServerRefusedError, UnreachableError
from solekey.runtime import Runtime
from solekey.server import Server

_HTTPS_PORT: Final = 443
_CONNECT_S: Final = 10.0
_HEALTH: Final = "/v1/auth/health"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority as a server shows it.

    Attributes:
        pem: its certificate.
        fingerprint: SHA-256 of the certificate, in pairs of hexadecimal digits: what people compare.
        name: what it calls itself.
        ends: until when it is good.
    """

    pem: bytes
    fingerprint: str
    name: str
    ends: datetime


def verify_server(server: Server, runtime: Runtime) -> None:
    """Verify that a Solekey server answers, and that its pinned authority certifies it.

    Raises:
        InsecureServerError: another authority does, or the file is no authority's.
        UnreachableError: nobody answers.
        BadAnswerError: something answers that is no Solekey server.
    """
    transport = Transport(server, runtime)
    with closing(transport):
        try:
            transport.send("GET", _HEALTH, repeatable=False).json()
        except ServerRefusedError as refusal:
            if refusal.code == "http_error":
                raise BadAnswerError(f"no Solekey server answers at {server.origin}") from refusal


def fetch_authority(server: Server) -> Authority | None:
    """Fetch the self-signed authority that a server shows; None when it shows none.

    Raises:
        UnreachableError: nobody answers, or not with TLS.
    """
    parts = urlsplit(server.origin)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        address = (parts.hostname or "", parts.port or _HTTPS_PORT)
        with (
            socket.create_connection(address, timeout=_CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as connected,
        ):
            chain = _read_chain(connected)
    except OSError as error:
        raise UnreachableError(f"the server did not answer: {error}") from error
    return next((_describe(each) for each in chain if _is_authority(each)), None)


def read_authority(pem: bytes) -> Authority:
    """Read a PEM file of an authority. Raises InsecureServerError."""
    try:
        return _describe(x509.load_pem_x509_certificate(pem))
    except ValueError as error:
        raise InsecureServerError("not a PEM file of a certificate authority") from error


def _read_chain(connected: ssl.SSLSocket) -> list[x509.Certificate]:
    """Read the certificates that the server sends; before Python 3.13 only the object inside tells them."""
    inner: Any = connected if hasattr(connected, "get_unverified_chain") else connected._sslobj  # type: ignore[attr-defined]  # noqa: SLF001  # see above
    sent = inner.get_unverified_chain() or []
    encoded = [each if isinstance(each, bytes) else each.public_bytes().encode() for each in sent]
    return [
        x509.load_pem_x509_certificate(each)
        if each.startswith(b"-----")
        else x509.load_der_x509_certificate(each)
        for each in encoded
    ]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        if certificate.subject != certificate.issuer:
            return False
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False


def _describe(certificate: x509.Certificate) -> Authority:
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Authority(
        pem=certificate.public_bytes(Encoding.PEM),
        fingerprint=":".join(digest[at : at + 2] for at in range(0, len(digest), 2)),
        name=str(names[0].value) if names else certificate.subject.rfc4514_string(),
        ends=certificate.not_valid_after_utc,
    )
