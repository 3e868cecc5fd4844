"""A small application of the client, started by a test: it unlocks, works, locks, and waits at each step.

It reads the profile's folder, and then the 24 words, from standard input, as a program of its user would.
"""

import gc
import os
import sys
from pathlib import Path

from solekey import UserKey
from solekey.account.session import Session


def wait_at(step: str) -> None:
    """Say where the program is, and go on when it is told to."""
    os.write(1, f"{step}\n".encode())
    os.read(0, 1)


def main() -> None:
    """Unlock, use the vault, lock again."""
    profile = Path(sys.argv[1])
    words = os.read(0, 1024)
    with Session.open(profile) as session:
        wait_at("before")
        with session.unlock(UserKey.from_phrase(words.decode().strip())) as vault:
            del words
            vault.put("scratch", b"abc")
            vault.get("scratch")
            vault.list()
            kept = bytes(vault.unlocked.keyring.data_key(1).expose()) if "--keep-a-copy" in sys.argv else b""
            wait_at("inside")
        del vault
        gc.collect()
        wait_at("after")
        del kept


main()
