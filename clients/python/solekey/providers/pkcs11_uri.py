"""PKCS#11 URIs (RFC 7512): which token, which object, which module. Spec: key-providers.md §4.1."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from solekey.errors import SpecError

_SCHEME: Final = "pkcs11:"
_PATH_MEMBERS: Final = frozenset({"token", "serial", "manufacturer", "model", "slot-id", "object"})
_QUERY_MEMBERS: Final = frozenset({"module-path", "pin-source"})
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|&-]|%[0-9A-Fa-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """A parsed URI; an attribute that is None was not given.

    Attributes:
        token, serial, manufacturer, model: as the token describes itself.
        slot_id: the slot's number, which may change when tokens come and go.
        object: the label of the objects on the token.
        module_path: the maker's library.
        pin_source: a file whose first line is the PIN.
    """

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    object: str | None = None
    module_path: Path | None = None
    pin_source: Path | None = None

    @property
    def name(self) -> str:
        """What to call the token when speaking to a person."""
        named = (self.token, self.serial, self.model, self.manufacturer)
        return next((text for text in named if text), "the only one")


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """Parse a PKCS#11 URI.

    Raises:
        SpecError: malformed, an attribute twice, one that is not used here, or a PIN inside.
    """
    if not uri.startswith(_SCHEME):
        raise SpecError("a PKCS#11 URI starts with pkcs11:")
    path, _, query = uri[len(_SCHEME) :].partition("?")
    members = {
        **_parse_members(path, ";", _PATH_MEMBERS),
        **_parse_members(query, "&", _QUERY_MEMBERS),
    }
    slot = members.get("slot-id")
    if slot is not None and not (slot.isascii() and slot.isdecimal() and len(slot) < 20):
        raise SpecError("pkcs11: slot-id is a number")
    module = members.get("module-path")
    if module is not None and not Path(module).is_absolute():
        raise SpecError("pkcs11: module-path is an absolute path")
    return Pkcs11Uri(
        token=members.get("token"),
        serial=members.get("serial"),
        manufacturer=members.get("manufacturer"),
        model=members.get("model"),
        slot_id=int(slot) if slot is not None else None,
        object=members.get("object"),
        module_path=Path(module) if module is not None else None,
        pin_source=_parse_pin_source(members.get("pin-source")),
    )


def _parse_members(text: str, separator: str, known: frozenset[str]) -> dict[str, str]:
    members: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise SpecError("pkcs11: a PIN does not belong into a spec: leave pin-value out, you are asked")
        if not equals or name not in known:
            shown = f" {name}" if name.replace("-", "").isalpha() and len(name) <= 32 else ""
            raise SpecError(f"pkcs11: unknown attribute{shown}; known are {', '.join(sorted(known))}")
        if name in members:
            raise SpecError(f"pkcs11: {name} is there twice")
        members[name] = _decode(name, value)
    return members


def _decode(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise SpecError(f"pkcs11: {name} has a character that must be percent-encoded")
    try:
        decoded = unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"pkcs11: {name} is not UTF-8") from error
    if not decoded or "\x00" in decoded:
        raise SpecError(f"pkcs11: {name} is empty or has a zero byte")
    return decoded


def _parse_pin_source(value: str | None) -> Path | None:
    if value is None:
        return None
    path = value.removeprefix("file://") if value.startswith("file:///") else value.removeprefix("file:")
    if value.startswith("|") or not Path(path).is_absolute():
        raise SpecError("pkcs11: pin-source is the absolute path of a file; commands are not run")
    return Path(path)
