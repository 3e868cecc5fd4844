"""The user key that this device keeps somewhere: where, and what becomes of it when a new one is in force.

Spec: key-providers.md §6.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from solekey.cli.input.answers import ask_person
from solekey.cli.known_profile import read_stored_key
from solekey.cli.output.printing import warn
from solekey.cli.state import Cli
from solekey_protocol.ids import AccountId

if TYPE_CHECKING:
    from solekey.crypto import UserKey
    from solekey.vault.vault import Vault

UPDATED = "updated"
OUTDATED = "outdated"


@contextmanager
def stored_key_follows(state: Cli, vault: "Vault", new_key: "UserKey | None") -> Iterator[dict[str, str]]:
    """Put a new user key in force inside the block; after it, keep it where the old one is kept, and say so.

    Args:
        state: the invocation.
        vault: the unlocked vault.
        new_key: the new user key, before it is taken over; None where no other one comes into force.

    Yields:
        What becomes of each place, filled when the block has ended: `updated`, or `outdated`: what is kept
        there opens nothing any more.
    """
    from solekey.crypto import UserKey

    account = vault.unlocked.account
    outcome: dict[str, str] = {}
    if new_key is None:
        yield outcome
        return
    with UserKey(new_key.expose()) as kept:
        yield outcome
        if vault.unlocked.streams.devices.key_id != kept.derive_key_id(account):
            return
        for spec in _find_places(state):
            outcome[spec] = UPDATED if _update(state, spec, account, kept) else OUTDATED


def describe_outcome(outcome: dict[str, str]) -> dict[str, object]:
    """Describe for scripts what has become of the stored key; nothing where none is stored."""
    return {"stored_user_key": outcome} if outcome else {}


def _find_places(state: Cli) -> list[str]:
    places = (state.user_key_source, read_stored_key(state.profile).spec)
    return sorted({spec for spec in places if spec is not None and spec != "prompt:"})


def _update(state: Cli, spec: str, account: AccountId, user_key: "UserKey") -> bool:
    from solekey.errors import ProviderError
    from solekey.providers import open_provider

    try:
        open_provider(spec, account=account, ask=ask_person).store(user_key, replace=True)
    except (ProviderError, OSError, click.Abort) as error:
        reason = str(error) or "given up"
        warn(
            "The user key kept at {} is outdated and opens nothing any more: it was not replaced there "
            "({}). Keep the new one: solekey user-key store '{}' --replace",
            spec,
            reason,
            spec,
        )
        return False
    state.tell("The new user key is kept at {} now.", spec)
    return True
