"""Secrets as types: they print ``<redacted>``, refuse pickling, compare in constant time, and can be wiped.

`SecretBytes` is a key. `Confidential` is the base of what holds plaintext, tokens or phrases beside other
things: it prints no content and refuses copying and pickling.

What Python cannot promise: `wipe` overwrites the one buffer that a SecretBytes owns. It cannot reach copies
that the interpreter, the C libraries, the operating system (swap, hibernation, core dumps) or the caller
made on the way, such as the `bytes` that a key was built from or the `str` of a phrase. Nor does a secret
wipe itself when it is forgotten: a view that is still in use would turn to zeros without a word. Keep secrets
short-lived and inside a ``with`` block; do not rely on zeroisation. What is left is measured, not promised:
``tests/system/memory/test_process_memory.py``, docs/decisions/0023-memory-and-disk.md.
"""

import hmac
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, NoReturn, Self

from solekey.errors import WipedSecretError

RandomSource = Callable[[int], bytes]
"""Returns as many cryptographically random bytes as asked for; `os.urandom` outside of tests."""


class Confidential:
    """The base of what holds secrets or plaintext: prints ``<redacted>``, is neither copied nor pickled.

    A dataclass takes it as base with ``repr=False``, or writes a `__repr__` of its own that shows ids only.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} can be neither copied nor pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} can be neither copied nor pickled")


class SecretBytes(Confidential):
    """A secret of fixed size.

    Use it as a context manager to wipe it at the end of the block.

    Raises:
        ValueError: another size than SIZE; the message does not hold the secret.
    """

    __slots__ = ("_buffer", "_wiped")
    __hash__: ClassVar[None]  # type: ignore[assignment]  # a secret is no dictionary key
    SIZE: ClassVar[int] = 32

    def __init__(self, secret: bytes | bytearray | memoryview) -> None:
        if len(secret) != self.SIZE:
            raise ValueError(f"{type(self).__name__} needs {self.SIZE} bytes, got {len(secret)}")
        self._buffer = bytearray(secret)
        self._wiped = False

    def expose(self) -> memoryview:
        """Return a read-only view of the secret, without a copy. A wipe empties the view too.

        Raises:
            WipedSecretError: after `wipe`.
        """
        if self._wiped:
            raise WipedSecretError(f"this {type(self).__name__} was wiped")
        return memoryview(self._buffer).toreadonly()

    def wipe(self) -> None:
        """Overwrite the secret with zeros; every later use raises. Best effort: see the module."""
        self._buffer[:] = bytes(self.SIZE)
        self._wiped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.expose(), other.expose())
