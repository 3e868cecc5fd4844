"""Packages that only some providers need; each is an extra of the wheel."""

from importlib import import_module

from solekey.errors import ExtraMissingError


def require_keyring() -> None:
    """Verify that `solekey[keyring]` is installed. Raises ExtraMissingError."""
    _require("keyring", "keyring")


def require_pkcs11() -> None:
    """Verify that `solekey[pkcs11]` is installed. Raises ExtraMissingError."""
    _require("pkcs11", "pkcs11")


def _require(package: str, extra: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise ExtraMissingError(f"{extra}: needs a package: pip install 'solekey[{extra}]'") from error
