"""The base of every error of the client."""

from typing import ClassVar


class SolekeyError(Exception):
    """Base of everything that the client refuses."""

    code: ClassVar[str] = "solekey_error"
    ADVICE: ClassVar[str] = "Run it again; if it fails the same way, report it with the error's code."

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return self.ADVICE
