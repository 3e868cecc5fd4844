"""Names of places that keep keys: ``scheme:rest``. A name never holds a secret. Spec: key-providers.md §1."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solekey.errors import SpecError

PROMPT: Final = "prompt"
FILE: Final = "file"
KEYRING: Final = "keyring"
PKCS11: Final = "pkcs11"
SCHEMES: Final = (PROMPT, FILE, KEYRING, PKCS11)
KNOWN: Final = "prompt:, file:PATH, keyring:[NAME], pkcs11:…"

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,15}", re.ASCII)
_KEYRING_NAME: Final = re.compile(r"[A-Za-z0-9._-]{0,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A parsed spec: which provider, and what it is told."""

    scheme: str
    rest: str

    @property
    def path(self) -> Path:
        """The path of ``file:``, with ``~`` resolved."""
        return Path(self.rest).expanduser()


def parse_spec(spec: str) -> ProviderSpec:
    """Parse a spec as far as its scheme; `pkcs11_uri` parses the rest of that one.

    Raises:
        SpecError: an unknown scheme, or a rest that the scheme does not take. What was given is not repeated
            unless it looks like a scheme: somebody may have pasted their words.
    """
    scheme, colon, rest = spec.partition(":")
    if not colon or scheme not in SCHEMES:
        named = f" {scheme}:" if colon and _SCHEME.fullmatch(scheme) else ""
        raise SpecError(f"there is no key provider{named}; known are {KNOWN}")
    if scheme == PROMPT and rest:
        raise SpecError("prompt: takes nothing after the colon")
    if scheme == FILE:
        _verify_path(rest)
    if scheme == KEYRING and not _KEYRING_NAME.fullmatch(rest):
        raise SpecError("the name in keyring:NAME has up to 64 letters, digits, dots, hyphens, underscores")
    return ProviderSpec(scheme, rest)


def make_absolute(spec: str) -> str:
    """Make a spec that means the same in every folder, to be remembered. Raises SpecError."""
    parsed = parse_spec(spec)
    return f"{FILE}:{parsed.path.absolute()}" if parsed.scheme == FILE else spec


def _verify_path(rest: str) -> None:
    if not rest or "\x00" in rest or rest.endswith("/"):
        raise SpecError("file: needs the path of a file, as in file:/media/stick/solekey.key")
    if rest.startswith("//") and not rest.startswith("///"):
        raise SpecError("file://HOST/… is not known: write file:/path, or file:///path")
