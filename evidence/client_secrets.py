"""Notes every secret that the client makes or derives while it works: nothing is left to a list by hand.

Two places of the client's cryptography see all of them: each key is a `SecretBytes`, and each derivation is
one HKDF. What HKDF gives beside a key is public (commitments) and not noted. The client is not changed
otherwise; only the process of this evidence does this.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from solekey.crypto import hkdf
from solekey.crypto.secrets import SecretBytes

_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_PUBLIC_LABELS: Final = (hkdf.Label.KEY_ID,)


@dataclass
class ClientSecrets:
    """The secrets so far, each under a name that tells its kind; ``names`` by their bytes."""

    names: dict[bytes, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, secret: bytes) -> None:
        """Note a secret, unless it is known."""
        if secret not in self.names:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.names[secret] = f"{kind} {self.counts[kind]}"

    def by_name(self) -> dict[str, bytes]:
        """List them by name."""
        return {name: secret for secret, name in self.names.items()}

    def find(self, kind: str) -> list[bytes]:
        """Find all of a kind, in the order in which they were made."""
        return [secret for secret, name in self.names.items() if name.rpartition(" ")[0] == kind]

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what the client makes until the end of the block."""
        make, compute = SecretBytes.__init__, hkdf._compute_hkdf  # noqa: SLF001  # the one place of all derivations

        def noted_make(self_: SecretBytes, secret: bytes | bytearray | memoryview) -> None:
            make(self_, secret)
            self.add(_name_class(type(self_)), bytes(secret))

        def noted_compute(secret: Any, salt: bytes, info: bytes, size: int) -> bytes:
            derived = compute(secret, salt, info, size)
            label = info.partition(b"\x00")[0]
            self.add("input of HKDF", bytes(secret))
            if label not in _PUBLIC_LABELS:
                self.add(_name_label(label), derived[: hkdf.KEY_BYTES])
            return derived

        SecretBytes.__init__ = noted_make  # type: ignore[method-assign,assignment]  # as above
        hkdf._compute_hkdf = noted_compute  # noqa: SLF001  # see above
        try:
            yield
        finally:
            SecretBytes.__init__ = make  # type: ignore[method-assign]  # as it was
            hkdf._compute_hkdf = compute  # noqa: SLF001  # see above


def _name_class(kind: type[SecretBytes]) -> str:
    """Name the secrets of a class: ``UserKey`` holds a user key."""
    return _WORD.sub(" ", kind.__name__).lower()


def _name_label(label: bytes) -> str:
    """Name what is derived with a label: ``solekey/v1/login-key`` gives a login key."""
    name = label.decode().rpartition("/")[2].replace("-", " ")
    return name if name.endswith("key") else f"{name} key"
