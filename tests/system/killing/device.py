"""One device for the time of a cycle: a process of its own, which works until it is done or killed."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from unittest.mock import patch

from solekey import Runtime, UserKey, Vault
from solekey.account.session import Session
from solekey.connection.transport import Transport
from solekey.errors import ItemMissingError, SolekeyError, WrongUserKeyError
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile
from solekey.rotation.rotation import change_user_key, rekey_data, resume_rotation
from solekey.vault.edits import Edits
from solekey.vault.seen import SeenVersions
from tests.system.killing.ledger import GONE, Ledger, digest
from tests.system.killing.points import Points

NAMES = 5
FILE_BYTES = 1_200_000
WHERE = (
    (Transport, "_exchange", "a request"),
    (WholeFile, "publish", "publishing a file"),
    (PrivateFolder, "append", "appending to a file"),
)


def unlock_any(session: Session, phrases: list[str], stack) -> Vault:
    """Unlock with whichever user key is in force."""
    for phrase in reversed(phrases):
        try:
            return stack.enter_context(session.unlock(UserKey.from_phrase(phrase)))
        except WrongUserKeyError as error:
            refused = error
    raise refused


IMPATIENT = Runtime(sleep=lambda pause_s: time.sleep(min(pause_s, 0.3)))
"""Asks a platform that is being started again a little oftener than people's devices do."""


class Device:
    """What a device does in a cycle.

    The controls have a flaw: who is hasty acknowledges what is not committed; who is forgetful takes what it
    was not told of for another device's.
    """

    def __init__(self, folder: Path, name: str, random: Random, flaw: str | None = None) -> None:
        self.folder = folder
        self.name = name
        self.random = random
        self.hasty = flaw == "hasty"
        self.forgetful = flaw == "forgetful"
        self.passes: int | None = None
        self.ledger = Ledger(folder / f"{name}.ledger")

    def run(self, phrases: list[str], passes: int | None) -> None:
        """Do a few things; die after so many points."""
        self.passes = passes
        points = Points(lambda: self.passes, self.folder / "died")
        for owner, method, name in WHERE:
            points.around(owner, method, name)
        with Session.open(self.folder / self.name, IMPATIENT) as session, ExitStack() as stack:
            vault = unlock_any(session, phrases, stack)
            for _ in range(self.random.randint(1, 2)):
                try:
                    self._act(vault, phrases)
                except SolekeyError:
                    continue  # refused, or the platform is dead: nothing was acknowledged

    def _act(self, vault: Vault, phrases: list[str]) -> None:
        if self.hasty:
            self.put(vault, phrases)
        if self.forgetful:
            self._forget(vault)
        act = self.random.choices(
            (self.put, self.put_many, self.put_file, self.remove, self.rekey, self.change_key, self.resume),
            (8, 2, 2, 2, 1, 1, 1),
        )[0]
        act(vault, phrases)

    def _choose(self) -> str:
        return f"{self.name}-{self.random.randrange(NAMES)}"

    def put(self, vault: Vault, _: list[str]) -> None:
        name, content = self._choose(), self.random.randbytes(self.random.choice((20, 900, 70_000)))
        self._intend(name, digest(content))
        vault.put(name, content)
        self._acknowledge(name, digest(content))

    def put_many(self, vault: Vault, _: list[str]) -> None:
        contents = {f"{self.name}-{index}": self.random.randbytes(50) for index in range(NAMES)}
        for name, content in contents.items():
            self._intend(name, digest(content))
        vault.put_many(contents)
        for name, content in contents.items():
            self._acknowledge(name, digest(content))

    def put_file(self, vault: Vault, _: list[str]) -> None:
        name, content = f"{self.name}-file", self.random.randbytes(FILE_BYTES)
        path = self.folder / f"{name}.bin"
        path.write_bytes(content)
        self._intend(name, digest(content))
        vault.put_file(path, name)
        self._acknowledge(name, digest(content))

    def remove(self, vault: Vault, _: list[str]) -> None:
        name = self._choose()
        try:
            item = vault.find(name).id
        except ItemMissingError:
            return
        self._intend(name, GONE)
        vault.remove(item)
        self._acknowledge(name, GONE)

    def rekey(self, vault: Vault, _: list[str]) -> None:
        rekey_data(vault)

    def change_key(self, vault: Vault, phrases: list[str]) -> None:
        new = UserKey.make()
        with (self.folder / "phrases").open("a") as file:
            file.write(new.to_phrase() + "\n")
            file.flush()
            os.fsync(file.fileno())
        phrases.append(new.to_phrase())
        change_user_key(vault, new)

    def resume(self, vault: Vault, phrases: list[str]) -> None:
        resume_rotation(vault, UserKey.from_phrase(self.random.choice(phrases)))

    def _forget(self, vault: Vault) -> None:
        """Put a name three times, with the answer to the second lost, and without the rule."""
        vault.put(f"{self.name}-0", b"first")
        with patch.object(SeenVersions, "note"):
            vault.put(f"{self.name}-0", b"second")
        with patch.object(Edits, "_is_own", return_value=False):
            vault.put(f"{self.name}-0", b"third")

    def _intend(self, name: str, content: str) -> None:
        if self.hasty:  # says that it is done, and dies before the next request
            self.ledger.note("acknowledged", name, content)
            self.passes = 0
        else:
            self.ledger.note("intended", name, content)

    def _acknowledge(self, name: str, content: str) -> None:
        if not self.hasty:
            self.ledger.note("acknowledged", name, content)
