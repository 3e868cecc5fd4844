"""``file:PATH``: a key file on a disk or a USB stick. Spec: key-providers.md §2.

The file is 0600 where the file system knows modes; FAT does not, and there the passphrase alone guards it.
Symbolic links are not followed at its last step, and no folder is made: an empty mount point is no USB stick.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solekey.crypto import RandomSource, UserKey
from solekey.errors import (
    ForeignUserKeyError,
    KeyFileError,
    OutputExistsError,
    ProviderEmptyError,
    ProviderOccupiedError,
    TargetError,
)
from solekey.files.whole_file import write_whole
from solekey.providers.key_file import (
    KEY_FILE_BYTES,
    KeyFileHeader,
    open_key_file,
    parse_key_file,
    seal_key_file,
)
from solekey.providers.question import Ask, Question, QuestionKind
from solekey_protocol.ids import AccountId

_OTHERS: Final = 0o077
_PRIVATE: Final = 0o600
_READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class FileProvider:
    """The key file at a path, for one account."""

    spec: str
    path: Path
    account: AccountId
    ask: Ask
    random: RandomSource

    def load(self) -> UserKey:
        """Ask for the passphrase and open the file; a file that cannot be ours asks for nothing."""
        data = self._read()
        if data is None:
            raise ProviderEmptyError(f"there is no file {self.path}")
        self._parse_ours(data)
        question = Question(f"Passphrase of {self.path}", QuestionKind.PASSPHRASE, str(self.path))
        return open_key_file(data, self.account, self.ask(question))

    def store(self, user_key: UserKey, *, replace: bool = False) -> None:
        """Ask for a new passphrase, seal, write, read back and compare."""
        present = self._read()
        if present is not None:
            header = self._parse_ours(present)
            if header.key_id != user_key.derive_key_id(self.account) and not replace:
                raise ProviderOccupiedError(f"{self.path} has another user key of this account")
        question = Question(f"New passphrase for {self.path}", QuestionKind.NEW_PASSPHRASE, str(self.path))
        passphrase = self.ask(question)
        sealed = seal_key_file(user_key, self.account, passphrase, self.random)
        self._write(sealed, new=present is None)
        with open_key_file(self._read() or b"", self.account, passphrase) as stored:
            if stored != user_key:
                raise KeyFileError(f"{self.path}: what was read back is not what was written")

    def delete(self) -> None:
        """Delete the file if it is this account's. What a medium keeps of deleted files, it keeps."""
        data = self._read()
        if data is not None:
            self._parse_ours(data)
            with suppress(FileNotFoundError):
                self.path.unlink()

    def _parse_ours(self, data: bytes) -> KeyFileHeader:
        header = parse_key_file(data)
        if header.account != self.account:
            raise ForeignUserKeyError(f"{self.path} is of account {header.account}, not of {self.account}")
        return header

    def _read(self) -> bytes | None:
        try:
            with os.fdopen(os.open(self.path, _READ_FLAGS), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise KeyFileError(f"{self.path} is not a regular file")
                if os.name == "posix" and status.st_mode & _OTHERS:
                    with suppress(OSError):  # another's file, or a file system without modes
                        os.fchmod(file.fileno(), _PRIVATE)
                return file.read(KEY_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._explain(error) from error

    def _write(self, data: bytes, *, new: bool) -> None:
        """Write the whole file at once: after a crash there is the old one or the new one, never a half."""
        try:
            write_whole(self.path, data, new=new)
        except OutputExistsError as error:
            raise ProviderOccupiedError(str(error)) from error
        except TargetError as error:
            raise KeyFileError(str(error)) from error

    def _explain(self, error: OSError) -> KeyFileError:
        if self.path.is_symlink():
            return KeyFileError(f"{self.path} is a symbolic link: name the file itself")
        return KeyFileError(f"{self.path}: {error.strerror or error}")
