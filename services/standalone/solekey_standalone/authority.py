"""The certificate authority of one machine, in its data folder. RFC 5280.

It is made once, so that a client that pinned it stays connected. It can vouch for servers of the names that
it was made for and for nothing else (name constraints): who steals its key gains no more, and a browser that
trusts it risks no more.
"""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from solekey_service.authority import (
    Authority,
    encode_certificate,
    encode_key,
    list_subtrees,
    make_authority,
)
from solekey_standalone.folder import write_private

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_OTHERS = 0o077


class AuthorityError(ValueError):
    """The authority in the data folder cannot be used; says what a person must do about it."""


def load_or_make_authority(certificate: Path, key: Path, host: str, now: datetime) -> Authority:
    """Load the authority, or make one for ``host`` and this machine's own names when there is none.

    Raises:
        AuthorityError: damaged, over, not begun by this clock, readable by others, or not for this host.
        OSError: a file is there but cannot be read.
    """
    if not certificate.exists():
        made = make_authority("Solekey embedded platform", now, vouches_for=(*LOCAL_NAMES, host))
        write_private(key, encode_key(made.key))
        write_private(certificate, encode_certificate(made.certificate))
    authority = Authority(_load_certificate(certificate), _load_key(key, certificate))
    if authority.key.public_key() != authority.certificate.public_key():
        raise AuthorityError(f"{key} is not the key of {certificate}: {_renewing(certificate)}")
    _check_time(authority.certificate, certificate, now)
    _check_host(authority.certificate, certificate, host)
    return authority


def is_private(path: Path) -> bool:
    """Tell whether only its owner may read a file."""
    return not path.stat().st_mode & _OTHERS


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
    missing = set(list_subtrees((*LOCAL_NAMES, host))) - set(constraints.permitted_subtrees or ())
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


def _load_key(path: Path, certificate: Path) -> EllipticCurvePrivateKey:
    if not path.exists():
        raise AuthorityError(f"{path} is missing: {_renewing(certificate)}")
    if not is_private(path):
        ways = f"chmod 600 it if nobody has read it; otherwise {_renewing(certificate)}"
        raise AuthorityError(f"{path} can be read by others: {ways}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is damaged: {_renewing(certificate)}") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is not a P-256 key: {_renewing(certificate)}")
    return key


def _renewing(path: Path) -> str:
    return (
        f"restore the folder {path.parent} from a backup, or move it away; "
        "the next start makes a new authority, which every client must be given as --ca"
    )
