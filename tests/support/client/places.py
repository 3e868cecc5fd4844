"""What the tests of providers share: accounts, keys, a person who answers, a keyring in memory."""

from dataclasses import dataclass, field

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from solekey.crypto import UserKey
from solekey.providers import QuestionKind
from solekey_protocol.ids import AccountId
from tests.support.crypto.fixtures import counting
from tests.support.engines.softhsm import PIN

ADA = AccountId.from_raw(counting(0x20, 16))
BOB = AccountId.from_raw(counting(0x70, 16))
PASSPHRASE = "correct horse battery"


def make_key(start: int = 0) -> UserKey:
    return UserKey(counting(start, 32))


@dataclass
class Answers:
    """Answers questions, and remembers them."""

    answers: dict[QuestionKind, str] = field(
        default_factory=lambda: {
            QuestionKind.PASSPHRASE: PASSPHRASE,
            QuestionKind.NEW_PASSPHRASE: PASSPHRASE,
            QuestionKind.PIN: PIN,
        },
        repr=False,
    )
    asked: list[str] = field(default_factory=list)

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        return self.answers[question.kind]


class MemoryKeyring(KeyringBackend):
    """A keyring that guards its entries as well as this process does."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password

    def delete_password(self, service, username):
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("no such entry")
