"""The protocol of all providers, and which one a spec means. Spec: key-providers.md §1."""

import os
from dataclasses import dataclass
from typing import Protocol

from solekey.crypto import RandomSource, UserKey
from solekey.errors import NotLoggedInError, ProviderReadOnlyError
from solekey.providers.extras import require_keyring, require_pkcs11
from solekey.providers.pkcs11_uri import parse_pkcs11_uri
from solekey.providers.question import Ask, Question, QuestionKind
from solekey.providers.spec import FILE, KEYRING, PROMPT, parse_spec
from solekey_protocol.ids import AccountId


class UserKeyProvider(Protocol):
    """A place that keeps the user key of one account. Every failure is a ProviderError."""

    @property
    def spec(self) -> str:
        """The spec as it was given; it never holds a secret."""
        ...

    def load(self) -> UserKey:
        """Load the user key.

        Raises:
            ProviderEmptyError: nothing is stored for this account.
            ForeignUserKeyError: what is stored is another account's.
        """
        ...

    def store(self, user_key: UserKey, *, replace: bool = False) -> None:
        """Store the user key, read it back and compare. The given key is not wiped.

        Args:
            user_key: the key to store.
            replace: take the place of another user key of this account, one that a rotation has replaced.

        Raises:
            ProviderReadOnlyError: this provider stores nothing.
            ProviderOccupiedError: there is another user key of this account.
            ForeignUserKeyError: there is another account's; it stays, also with ``replace``.
        """
        ...

    def delete(self) -> None:
        """Delete what is stored for this account; nothing to do if there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class PromptProvider:
    """A person who types the 24 words."""

    spec: str
    ask: Ask

    def load(self) -> UserKey:
        """Ask for the words. Raises PhraseError, which names a mistyped word."""
        return UserKey.from_phrase(self.ask(Question("User key (24 words)", QuestionKind.PHRASE)))

    def store(self, user_key: UserKey, *, replace: bool = False) -> None:
        """Refuse: paper is the store. Raises ProviderReadOnlyError."""
        del user_key, replace
        raise ProviderReadOnlyError("prompt: stores nothing: the words are where you wrote them down")

    def delete(self) -> None:
        """Refuse. Raises ProviderReadOnlyError."""
        raise ProviderReadOnlyError("prompt: stores nothing, so there is nothing to delete")


def open_provider(
    spec: str, *, account: AccountId | None, ask: Ask, random: RandomSource = os.urandom
) -> UserKeyProvider:
    """Open the provider that a spec means. Nothing is read or asked before it is used.

    Args:
        spec: ``prompt:``, ``file:PATH``, ``keyring:[NAME]`` or ``pkcs11:…``.
        account: whose key; None is enough for ``prompt:`` alone.
        ask: shows a question and returns what the person types; see `Question`.
        random: salts and nonces of what is stored.

    Raises:
        SpecError: no such provider, or a malformed spec.
        ExtraMissingError: the provider's package is not installed.
        NotLoggedInError: the provider needs an account, and this device has none yet.
    """
    parsed = parse_spec(spec)
    if parsed.scheme == PROMPT:
        return PromptProvider(spec, ask)
    if account is None:
        raise NotLoggedInError(f"{parsed.scheme}: keeps the key of one account, and there is none here yet")
    if parsed.scheme == FILE:
        from solekey.providers.file import FileProvider

        return FileProvider(spec, parsed.path, account, ask, random)
    if parsed.scheme == KEYRING:
        require_keyring()
        from solekey.providers.os_keyring import KeyringProvider

        return KeyringProvider(spec, parsed.rest, account)
    uri = parse_pkcs11_uri(spec)
    require_pkcs11()
    from solekey.providers.token_provider import TokenProvider

    return TokenProvider(spec, uri, account, ask, random)
