"""Secrets that no log line, traceback or pickle may show."""

import hmac
from typing import NoReturn


class Redacted:
    """A base of classes that hold a secret: prints as redacted, refuses pickling."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is secret: it is not pickled")


class Secret(Redacted):
    """A setting that nobody may see, such as a password or the URL of a database that holds one.

    Compares in constant time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one call that needs it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(Secret)
