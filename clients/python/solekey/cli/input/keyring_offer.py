"""The offer to keep a new user key in this computer's keyring, where there is one that keeps secrets."""

import sys
from typing import TYPE_CHECKING, Final

from solekey.cli.input.answers import ask_person
from solekey.cli.output.printing import warn
from solekey.cli.server_choice import ask_yes_no
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.crypto import UserKey
    from solekey.providers.provider import UserKeyProvider

PLACE: Final = "keyring:"


def offer_keyring(state: Cli, session: "Session", user_key: "UserKey") -> str | None:
    """Offer it to a person, and keep the key there on yes; where it was kept. A failure changes nothing."""
    from solekey.errors import ProviderError

    if state.as_json or state.quiet or not sys.stdin.isatty():
        return None
    provider = _find_keyring(session)
    if provider is None or not ask_yes_no(
        "Keep the user key in this computer's keyring, so that nobody types it"
    ):
        return None
    try:
        provider.store(user_key)
    except ProviderError as error:
        warn("It was not kept: {}. Later: solekey user-key store {}", error, PLACE)
        return None
    session.connection.profile.update(user_key_from=PLACE)
    return PLACE


def _find_keyring(session: "Session") -> "UserKeyProvider | None":
    """Find a keyring that is free for this account's key; None where there is none."""
    from solekey.errors import ProviderEmptyError, ProviderError
    from solekey.providers import open_provider

    try:
        provider = open_provider(PLACE, account=session.account, ask=ask_person)
        provider.load().wipe()
    except ProviderEmptyError:
        return provider
    except ProviderError:
        return None
    return None
