"""A program that puts or gets a file at the real platform, and may be killed at an exact point.

``transfer_program.py PROFILE put|get FILE [PHASE FRACTION]``: when the phase has come that far, the process
kills itself with SIGKILL: nothing of it runs any more, no handler, no `finally`. Else its last words are what
it has asked the server for, as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from solekey import UserKey
from solekey.account.session import Session
from solekey.progress import Phase
from solekey.transfer.objects import ObjectStore

NAME = "film"


class KillAt:
    """A progress that kills this process."""

    def __init__(self, phase: str, fraction: float) -> None:
        self._wanted = phase
        self._fraction = fraction
        self._phase = ""

    def begin(self, phase: Phase) -> None:
        self._phase = phase.name

    def __call__(self, done: int, total: int) -> None:
        if self._phase == self._wanted and done >= self._fraction * total:
            os.kill(os.getpid(), signal.SIGKILL)


def count(name: str, counts: dict[str, int]) -> None:
    real = getattr(ObjectStore, name)

    def counted(self: ObjectStore, *arguments: object) -> object:
        counts[name] = counts.get(name, 0) + 1
        return real(self, *arguments)

    setattr(ObjectStore, name, counted)


def main() -> None:
    profile, what, file, *rest = sys.argv[1:]
    progress = KillAt(rest[0], float(rest[1])) if rest else KillAt("never", 0)
    counts: dict[str, int] = {}
    for name in ("put", "fetch"):
        count(name, counts)
    phrase = os.environ["SOLEKEY_USER_KEY"]
    with Session.open(Path(profile)) as session, session.unlock(UserKey.from_phrase(phrase)) as vault:
        if what == "put":
            vault.put_file(Path(file), NAME, progress=progress)
        else:
            vault.get_file(NAME, Path(file), progress=progress)
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main()
