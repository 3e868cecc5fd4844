"""The base of every error of the client."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class SolekeyError(Exception):
    """Base of everything that the client refuses."""

    code: ClassVar[str] = "solekey_error"
    ADVICE: ClassVar[str] = "Run it again; if it fails the same way, report it with the error's code."
    about: Mapping[str, object] = MappingProxyType({})
    """What it concerns, for scripts, such as the item that does not open."""

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return self.ADVICE
