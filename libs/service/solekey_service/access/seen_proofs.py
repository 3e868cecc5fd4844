"""The DPoP proofs of reads that this process has admitted. Spec: tokens.md §5.

In memory only: a read changes nothing, so that its proof costs no commit. After a restart, or at another
process of the service, a proof of the last minute is good once more. Who can send it again has taken it out
of TLS together with its token, and gets what its first answer said: ciphertext and signed events.
"""

import threading
from collections import deque
from datetime import datetime, timedelta
from typing import Final

from solekey_eventlog.errors import UnavailableError
from solekey_service.access.dpop import MAX_AGE_S
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid

KEPT_FOR: Final = timedelta(seconds=2 * MAX_AGE_S)
"""How long a proof is remembered: by then its age refuses it, whichever way its clock differs."""
_MAX_PROOFS: Final = 500_000
"""About 100 MiB; 4,000 reads a second."""


class SeenProofs:
    """The proofs, each until its age refuses it."""

    def __init__(self, max_proofs: int = _MAX_PROOFS) -> None:
        self._max_proofs = max_proofs
        self._seen: set[str] = set()
        self._in_order: deque[tuple[datetime, str]] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, proof: DpopProof, now: datetime) -> None:
        """Note that a proof was used.

        Raises:
            DpopInvalid: it was used before.
            UnavailableError: so many reads came in the last minutes that no more can be remembered.
        """
        with self._lock:
            while self._in_order and self._in_order[0][0] + KEPT_FOR < now:
                self._seen.discard(self._in_order.popleft()[1])
            if proof.digest in self._seen:
                raise DpopInvalid("DPoP: the proof was used before")
            if len(self._seen) >= self._max_proofs:
                raise UnavailableError("too many requests in the last minutes")
            self._seen.add(proof.digest)
            self._in_order.append((now, proof.digest))
