"""What may become a password: nothing that somebody would try first. Spec: keys.md §6.4.

The server never sees a password, so only the client can judge one. It asks for length and nothing else: no
kinds of characters, no age. What an attacker knows beforehand does not count towards the length.
"""

import re
import unicodedata
from typing import Final

from solekey.errors import PasswordUntypeableError, WeakPasswordError

MIN_PASSWORD_CHARS: Final = 8
CONTEXT_WORDS: Final = ("solekey", "password", "passphrase", "passwort", "kennwort", "motdepasse")
"""Words that do not count, beside the user name and its parts."""
_MIN_PART_CHARS: Final = 3
_UNTYPED: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")  # typed on keyboards of Persian and of Indian languages


def verify_new_password(password: str, username: str) -> str:
    """Verify that a new password is long enough without what everybody would try, and return it.

    Raises:
        PasswordUntypeableError: line ends, control or invisible characters, or blanks alone.
        WeakPasswordError: fewer than 8 characters are left.
    """
    _verify_typeable(password)
    rest = _fold(password)
    for word in sorted((*CONTEXT_WORDS, *_list_parts(username)), key=len, reverse=True):
        rest = rest.replace(word, "")
    if len(rest) < MIN_PASSWORD_CHARS:
        raise WeakPasswordError(
            f"the password has fewer than {MIN_PASSWORD_CHARS} characters, "
            "not counting the user name and words such as 'password'"
        )
    return password


def _verify_typeable(password: str) -> None:
    if password and not password.strip():
        raise PasswordUntypeableError("the password is made of blanks alone")
    for position, character in enumerate(password, start=1):
        if unicodedata.category(character) in _UNTYPED and character not in _JOINERS:
            raise PasswordUntypeableError(
                f"character {position} of the password is U+{ord(character):04X}, "
                f"{unicodedata.name(character, 'a control character').lower()}: it cannot be typed everywhere"
            )


def _list_parts(username: str) -> list[str]:
    folded = _fold(username)
    return [part for part in {folded, *re.split(r"[._@+-]", folded)} if len(part) >= _MIN_PART_CHARS]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
