"""The server's certificate: signed by the local authority, made again before it ends.

It is made again when two thirds of its life are over, when the clock says that it has not begun, when it does
not name the host, or when it is damaged. A running server loads what is new for its next connection
(``solekey_service.tls``), so no connection breaks and no restart is needed.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

from solekey_service.authority import BACKDATED, Authority, encode_certificate, encode_key, list_names
from solekey_standalone.authority import LOCAL_NAMES, is_private, load_or_make_authority
from solekey_standalone.folder import write_private

_log = logging.getLogger(__name__)

SERVER_LIFETIME = timedelta(days=90)
LOOK_S = 600.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the PEM files lie. Clients need ``authority`` only."""

    authority: Path
    server: Path
    server_key: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Name the files in a folder, whether or not they are there."""
        return cls(folder / "ca.pem", folder / "server.pem", folder / "server.key")

    def read_fingerprint(self) -> str:
        """Read the authority's fingerprint, which users compare: SHA-256 in pairs of hexadecimal digits."""
        certificate = x509.load_pem_x509_certificate(self.authority.read_bytes())
        digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def load_or_make_certificates(
    folder: Path, host: str, now: datetime | None = None, lifetime: timedelta = SERVER_LIFETIME
) -> Certificates:
    """Load what is there and make what is missing, nears its end, or does not name ``host``.

    Raises:
        AuthorityError: the authority cannot be used; the server's own files are made again whatever they are.
        OSError: a file cannot be read or written.
    """
    now = now or _now()
    certificates = Certificates.in_folder(folder)
    authority = load_or_make_authority(certificates.authority, folder / "ca.key", host, now)
    if not _serves(certificates, authority, host, now):
        names = (*LOCAL_NAMES, host)
        key, server = authority.issue("Solekey embedded server", names, now, lifetime)
        write_private(certificates.server_key, encode_key(key))
        write_private(
            certificates.server, encode_certificate(server) + encode_certificate(authority.certificate)
        )
        _log.info("a new server certificate, good until %s", server.not_valid_after_utc)
    return certificates


def keep_renewed(
    folder: Path, host: str, stop: threading.Event, now: Callable[[], datetime] = _now, look_s: float = LOOK_S
) -> None:
    """Make the certificate again in time, until ``stop`` is set.

    What cannot be renewed is logged and tried again: the server goes on with what it has.
    """
    while not stop.wait(look_s):
        try:
            load_or_make_certificates(folder, host, now())
        except (OSError, ValueError) as error:
            _log.error("the server's certificate cannot be renewed: %s", error)


def _serves(certificates: Certificates, authority: Authority, host: str, now: datetime) -> bool:
    """Tell whether the server's certificate can be used a while longer under this host's name."""
    if not certificates.server.exists() or not certificates.server_key.exists():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(certificates.server.read_bytes())
        key = serialization.load_pem_private_key(certificates.server_key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        _log.warning("%s is made again: %s", certificates.server, error or type(error).__name__)
        return False
    return (
        set(list_names((*LOCAL_NAMES, host))) <= set(names)
        and key.public_key() == certificate.public_key()  # a crash may leave a new key with an old one
        and is_private(certificates.server_key)
        and _is_fresh(certificate, authority.certificate, now)
    )


def _is_fresh(certificate: x509.Certificate, authority: x509.Certificate, now: datetime) -> bool:
    begin, end = certificate.not_valid_before_utc + BACKDATED, certificate.not_valid_after_utc
    if now < certificate.not_valid_before_utc:
        return False  # made while the clock was ahead
    return now - begin < (end - begin) * 2 / 3 or (end == authority.not_valid_after_utc and now < end)
