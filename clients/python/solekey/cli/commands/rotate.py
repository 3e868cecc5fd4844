"""``solekey rotate user-key``, ``data-key``, ``resume``, ``abort``, ``status`` and ``policy``."""

from pathlib import Path

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import new_user_key_options, parse_typed_phrase, secret_option, user_key_option
from solekey.cli.input.factor_options import factor_options
from solekey.cli.input.new_user_key import (
    KitChoice,
    choose_new_user_key,
    kit_options,
)
from solekey.cli.offline import encode_as_of, offline_option, open_readable
from solekey.cli.opening import unlocked
from solekey.cli.output.due_rotations import describe_dues, explain_dues
from solekey.cli.output.left_out import describe_leftovers, end_partial, tell_leftovers
from solekey.cli.output.printing import print_pairs
from solekey.cli.resuming import (
    ask_open_change,
    change_or_resume,
    finds_open_change,
    rekey_or_resume,
    unlocked_for_change,
)
from solekey.cli.state import Cli, pass_cli, state_options
from solekey.cli.stored_key import describe_outcome, stored_key_follows

_DEFAULT_DAYS = 365


@click.group(cls=CommandGroup)
def rotate() -> None:
    """Change the user key, re-encrypt the data, and say when that is due."""


@rotate.command("user-key")
@user_key_option
@new_user_key_options
@kit_options
@factor_options
@state_options
@pass_cli
def rotate_user_key(
    state: Cli,
    user_key: str | None,
    new_user_key: str | None,
    kit: Path | None,
    *,
    letter: bool,
    accept_risk: bool,
) -> None:
    """Put a new user key in the place of the present one.

    It comes into force when its recovery kit was saved and its words were entered again from it. Run it again
    after an interruption, with the same words: it goes on.
    """
    with unlocked_for_change(state, user_key, new_user_key) as (_, vault):
        if new_user_key is None and finds_open_change(vault):
            new_user_key = ask_open_change(state)
        key = choose_new_user_key(state, vault, new_user_key, KitChoice(kit, letter, accept_risk))
        with stored_key_follows(state, vault, key) as stored:
            rotation = change_or_resume(vault, key)
        key_id = vault.unlocked.streams.devices.key_id
    if state.as_json:
        state.emit({"rotation": rotation, "key_id": key_id, **describe_outcome(stored)})
    else:
        state.tell("The new user key is in force; the old words and their kit open nothing any more.")


@rotate.command("data-key")
@user_key_option
@factor_options
@state_options
@pass_cli
def rotate_data_key(state: Cli, user_key: str | None) -> None:
    """Make a new data key and re-encrypt every item under it.

    An item that cannot be read stays under the old data key, which then stays, too, and is named (exit code
    10). Once it was restored or removed, `solekey rotate resume` finishes the work.
    """
    with unlocked(state, user_key) as vault:
        from solekey.rotation.leftovers import find_leftovers

        with state.progress("re-encrypt", in_bytes=False) as progress:
            rotation = rekey_or_resume(vault, progress)
        epoch = vault.unlocked.streams.vault.epoch
        left = find_leftovers(vault.unlocked)
    if state.as_json:
        state.emit({"rotation": rotation, "epoch": epoch, **describe_leftovers(left)})
    else:
        state.tell("Everything{} is under epoch {} now.", " that can be read" if left else "", epoch)
        tell_leftovers(left)
    end_partial(left)


@rotate.command()
@user_key_option
@secret_option(
    "--new-user-key", "SOLEKEY_NEW_USER_KEY", "The new words of a user key change that is not made."
)
@state_options
@pass_cli
def resume(state: Cli, user_key: str | None, new_user_key: str | None) -> None:
    """Go on with the open rotation, whichever device has started it; then with items that were left."""
    with (
        unlocked(state, user_key, confirming=True) as vault,
        state.progress("rotate", in_bytes=False) as progress,
    ):
        from solekey.rotation.leftovers import find_leftovers
        from solekey.rotation.rotation import resume_rotation

        key = parse_typed_phrase(new_user_key) if new_user_key else None
        with stored_key_follows(state, vault, key) as stored:
            rotation = resume_rotation(vault, key, progress=progress)
        left = find_leftovers(vault.unlocked)
    if state.as_json:
        state.emit({"rotation": rotation, **describe_leftovers(left), **describe_outcome(stored)})
    else:
        state.tell("Done." if rotation else "No rotation is open.")
        tell_leftovers(left)
    end_partial(left)


@rotate.command()
@user_key_option
@state_options
@pass_cli
def abort(state: Cli, user_key: str | None) -> None:
    """Give up the open rotation, while the old key is still in force."""
    with unlocked(state, user_key) as vault:
        from solekey.rotation.rotation import abort_rotation

        rotation = abort_rotation(vault)
    if state.as_json:
        state.emit({"aborted": rotation})
    else:
        state.tell("Given up; the present key stays." if rotation else "No rotation is open.")


@rotate.command("status")
@offline_option
@state_options
@pass_cli
def rotation_status(state: Cli, *, offline: bool) -> None:
    """Show the open rotation, what is due, and the policy."""
    with open_readable(state, offline=offline) as session:
        rotation = session.streams.rotation
        as_of = encode_as_of(session.as_of)
    policy = rotation.policy
    document: dict[str, object] = {
        "open": rotation.open.started.rotation if rotation.open else None,
        "kind": rotation.open.started.kind.value if rotation.open else None,
        "phase": rotation.open.phase.value if rotation.open else None,
        "due": describe_dues(rotation),
        "completed": len(rotation.completed),
        "user_key_max_age_days": policy.user_key_max_age_days if policy else None,
        "data_key_max_age_days": policy.data_key_max_age_days if policy else None,
        "enforcement": policy.enforcement.value if policy else None,
        "as_of": as_of,
    }
    if state.as_json:
        state.emit(document)
        return
    print_pairs({**document, "due": explain_dues(rotation)})


@rotate.command("policy")
@click.option("--user-key-days", type=click.IntRange(1, 3650), default=_DEFAULT_DAYS, show_default=True)
@click.option("--data-key-days", type=click.IntRange(1, 3650), default=_DEFAULT_DAYS, show_default=True)
@click.option(
    "--enforced/--advisory", default=False, help="Whether the server refuses writes while a rotation is due."
)
@user_key_option
@state_options
@pass_cli
def rotation_policy(
    state: Cli, user_key_days: int, data_key_days: int, user_key: str | None, *, enforced: bool
) -> None:
    """State how old the keys may become before a rotation is due, and what happens then.

    An advisory policy reminds you. While a rotation is due under an enforced one, the server takes nothing
    new until the rotation is completed; reading goes on.
    """
    with unlocked(state, user_key) as vault:
        from solekey.rotation.rotation import set_policy
        from solekey_protocol.events.rotation import Enforcement

        policy = set_policy(
            vault,
            user_key_max_age_days=user_key_days,
            data_key_max_age_days=data_key_days,
            enforcement=Enforcement.ENFORCED if enforced else Enforcement.ADVISORY,
        )
    document = {
        "user_key_max_age_days": policy.user_key_max_age_days,
        "data_key_max_age_days": policy.data_key_max_age_days,
        "enforcement": policy.enforcement.value,
    }
    if state.as_json:
        state.emit(document)
    else:
        state.tell("User key: {} days. Data key: {} days.", user_key_days, data_key_days)
        if enforced:
            state.tell("While a rotation is due, nothing can be stored.")
