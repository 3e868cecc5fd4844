"""The same command again after an interruption: it goes on where the rotation stands.

Whoever was interrupted knows the command that was run, with the old words and the new ones. Which of the two
are in force by now is for the program to find out. Spec: rotation.md §3.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from solekey.cli.input.answers import ask_user_key, parse_typed_phrase
from solekey.cli.input.word_prompt import ask_words
from solekey.cli.opening import open_session
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.crypto import UserKey
    from solekey.progress import Progress
    from solekey.vault.vault import Vault
    from solekey_protocol.ids import RotationId


@contextmanager
def unlocked_for_change(
    state: Cli, user_key: str | None, new_user_key: str | None, *, confirming: bool = False
) -> "Iterator[tuple[Session, Vault]]":
    """Unlock the vault with the present key; with the new one where an earlier run has put it in force.

    Raises:
        WrongUserKeyError: neither is in force.
    """
    from solekey.errors import WrongUserKeyError

    state.verify_logged_in()
    with ExitStack() as stack:
        key = stack.enter_context(ask_user_key(user_key))
        session = stack.enter_context(open_session(state))
        try:
            vault = stack.enter_context(session.unlock(key, confirming=confirming))
        except WrongUserKeyError as error:
            if new_user_key is None:
                error.add_note(
                    "If an earlier run was interrupted after the user key had changed, give the new words: "
                    "--user-key, or the words of the new kit when asked."
                )
                raise
            vault = stack.enter_context(
                session.unlock(parse_typed_phrase(new_user_key), confirming=confirming)
            )
        yield session, vault


def finds_open_change(vault: "Vault") -> bool:
    """Whether a change of the user key is open that is not yet in force: its new words are needed."""
    from solekey_protocol.events.fields import RotationKind

    streams = vault.unlocked.streams
    streams.sync()
    rotation = streams.rotation.open
    if rotation is None or rotation.started.kind is not RotationKind.USER_KEY:
        return False
    return bool(streams.devices.key_id != rotation.started.to_key_id)


def ask_open_change(state: Cli) -> str:
    """Ask for the new words of the change that is open. Raises NewUserKeyNeededError: nobody is there."""
    from solekey.errors import NewUserKeyNeededError

    if not sys.stdin.isatty():
        raise NewUserKeyNeededError("a change of the user key was begun, and its new words were not given")
    state.tell(
        "A change of the user key was begun. It goes on with its new words; solekey rotate abort gives it up."
    )
    with ask_words("New user key") as key:
        return key.to_phrase()


def change_or_resume(vault: "Vault", key: "UserKey") -> "RotationId | None":
    """Change the user key, or go on with the change to this very key. None: it is in force already.

    Raises:
        RotationError: another rotation is open.
    """
    from solekey.errors import RotationError
    from solekey.rotation.rotation import change_user_key, resume_rotation

    streams = vault.unlocked.streams
    streams.sync()
    key_id, rotation = key.derive_key_id(vault.unlocked.account), streams.rotation.open
    if rotation is None:
        return None if streams.devices.key_id == key_id else change_user_key(vault, key)
    if rotation.started.to_key_id == key_id:
        return resume_rotation(vault, None if streams.devices.key_id == key_id else key)
    raise RotationError(
        "a rotation to another key is open: finish it (solekey rotate resume) or give it up (solekey rotate "
        "abort), then run this again"
    )


def rekey_or_resume(vault: "Vault", progress: "Progress") -> "RotationId | None":
    """Re-encrypt everything, or go on with a re-encryption that is open.

    Raises:
        RotationError: a change of the user key is open.
    """
    from solekey.errors import RotationError
    from solekey.rotation.rotation import rekey_data, resume_rotation
    from solekey_protocol.events.fields import RotationKind

    streams = vault.unlocked.streams
    streams.sync()
    rotation = streams.rotation.open
    if rotation is None:
        return rekey_data(vault, progress=progress)
    if rotation.started.kind is RotationKind.DATA_KEY:
        return resume_rotation(vault, progress=progress)
    raise RotationError(
        "a change of the user key is open: finish it (solekey rotate resume) or give it up (solekey rotate "
        "abort), then run this again"
    )
