"""``solekey devices``: list them, trust or approve a new one, wait for approval, revoke."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask_user_key, new_user_key_options, read_key_and_kit, user_key_option
from solekey.cli.input.factor_options import factor_options
from solekey.cli.input.new_user_key import KitChoice, choose_new_user_key, kit_options
from solekey.cli.name_completion import complete_devices
from solekey.cli.offline import encode_as_of, offline_option, open_readable
from solekey.cli.opening import open_session
from solekey.cli.output.left_out import describe_leftovers, end_partial, tell_leftovers
from solekey.cli.output.printing import confirm, make_console, print_table, prompt, say, warn
from solekey.cli.resuming import unlocked_for_change
from solekey.cli.state import Cli, pass_cli, state_options
from solekey.cli.stored_key import describe_outcome, stored_key_follows

if TYPE_CHECKING:
    from solekey.account.device_list import DeviceInfo

_REASONS = ("lost", "stolen", "compromised", "replaced", "retired")


@click.group(cls=CommandGroup)
def devices() -> None:
    """See, trust, approve and revoke this account's devices."""


@devices.command("list")
@offline_option
@state_options
@pass_cli
def list_devices(state: Cli, *, offline: bool) -> None:
    """List the devices: what this device has verified of each, and apart from it what the server says."""
    with open_readable(state, offline=offline) as session:
        found = session.devices.list()
        as_of = encode_as_of(session.as_of)

    from solekey.cli.output.device_table import describe_json, make_table

    if state.as_json:
        state.emit({"devices": [describe_json(info) for info in found], "as_of": as_of})
    else:
        print_table(make_table(found, make_console().width))


@devices.command()
@click.option(
    "--kit",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A recovery kit (PDF): its words, and what history the server must show.",
)
@user_key_option
@state_options
@pass_cli
def trust(state: Cli, kit: Path | None, user_key: str | None) -> None:
    """Make this device a trusted one, with the user key. It must be logged in.

    With `--kit`, a server that hides or rewrites the history that the kit has pinned is refused first.
    """
    state.verify_logged_in()
    key, made = read_key_and_kit(kit, user_key)
    with key, open_session(state) as session:
        from solekey.account.enrolment import trust_device

        trust_device(session, key, kit=made)
        device = session.devices.own_id
    if state.as_json:
        state.emit({"device": device, "status": "trusted"})
    else:
        state.tell("This device is trusted.")


@devices.command()
@click.argument("device", required=False, shell_complete=complete_devices)
@state_options
@pass_cli
def code(state: Cli, device: str | None) -> None:
    """Show the code of this device, or of DEVICE (name or id), to compare it with what that device shows.

    Each device derives it from what it has verified itself: if two show the same digits, no server stands
    between them. It is no secret.
    """
    with open_session(state) as session:
        session.sync()
        target = session.devices.find(device).id if device else session.devices.own_id
        shown = session.devices.derive_code(target)

    from solekey.cli.output.device_waiting import show_code

    show_code(state, shown)


@devices.command()
@click.argument("code_", metavar="[CODE]", required=False)
@user_key_option
@state_options
@pass_cli
def approve(state: Cli, code_: str | None, user_key: str | None) -> None:
    """Trust the new device that shows CODE: its 35 digits, or the text of its QR code.

    Run this on a trusted device. It derives the codes of the devices that wait from what it has verified, and
    certifies the one that fits, with the user key. Nothing is approved if no code does.
    """
    state.verify_logged_in()
    text = code_ or _ask_code()

    from solekey.crypto.device_code import DeviceCode

    given = DeviceCode.parse(text)
    key = ask_user_key(user_key)
    with key, open_session(state) as session:
        from solekey.account.approval import approve_device
        from solekey.cli.output.device_table import describe_json, describe_name

        info = approve_device(session, key, given)
    if state.as_json:
        state.emit(describe_json(info))
    else:
        say("Approved: {}, {}.", describe_name(info), info.id)


@devices.command()
@click.option("--timeout", type=click.IntRange(min=0), metavar="SECONDS", help="Give up after this time.")
@state_options
@pass_cli
def wait(state: Cli, timeout: int | None) -> None:
    """Show this new device's code, and wait until it is approved on a trusted device.

    It asks the server again and again; nothing is pushed to it. Ctrl-C stops it; run it again to go on.
    """
    state.verify_logged_in()
    with open_session(state) as session:
        session.sync()

        from solekey.cli.output.device_waiting import wait_and_tell

        wait_and_tell(state, session, timeout)


@devices.command()
@click.argument("device", shell_complete=complete_devices)
@click.option("--reason", type=click.Choice(_REASONS), default="lost", show_default=True, help="Why.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is the right device.")
@user_key_option
@new_user_key_options
@kit_options
@factor_options
@state_options
@pass_cli
def revoke(
    state: Cli,
    device: str,
    reason: str,
    user_key: str | None,
    new_user_key: str | None,
    kit: Path | None,
    *,
    yes: bool,
    letter: bool,
    accept_risk: bool,
) -> None:
    """Revoke DEVICE for ever: its sessions end, both keys change.

    DEVICE is an id, how an id begins, or a name that cannot mean another device. Its standing, key and id are
    shown first, and whether it is the right one is asked (`--yes`: not asked).

    Everything is re-encrypted, so that no key that the device had opens what is stored from then on. The new
    user key's recovery kit is saved, and its words are entered again from it, before anything happens. Run
    it again after an interruption, with the same words or the new ones: it goes on.
    """
    with unlocked_for_change(state, user_key, new_user_key, confirming=True) as (session, vault):
        from solekey.rotation.revocation import needs_new_user_key, revoke_device
        from solekey_protocol.events.devices import RevocationReason

        target = session.devices.find(device)
        confirm_device(target, yes=yes)
        key = None
        if new_user_key is not None or needs_new_user_key(vault, target.id):
            key = choose_new_user_key(state, vault, new_user_key, KitChoice(kit, letter, accept_risk))
        with (
            stored_key_follows(state, vault, key) as stored,
            state.progress("re-encrypt", in_bytes=False) as progress,
        ):
            revocation = revoke_device(
                vault, target.id, key, reason=RevocationReason(reason), progress=progress
            )
    if state.as_json:
        state.emit(
            {
                "device": revocation.device,
                "was_trusted": revocation.was_trusted,
                "known_epochs": list(revocation.known_epochs),
                "exposed_items": revocation.exposed_items,
                "exposed_versions": revocation.exposed_versions,
                "trusted_since": revocation.trusted_since,
                "revoked_on": revocation.revoked_on,
                "epoch": revocation.epoch,
                "words": revocation.describe(),
                **describe_leftovers(revocation.left),
                **describe_outcome(stored),
            }
        )
    else:
        say("{}", revocation.describe())
        tell_leftovers(revocation.left)
    end_partial(revocation.left)


def confirm_device(target: "DeviceInfo", *, yes: bool) -> None:
    """Show which device is meant, and have a person say that it is the right one."""
    from solekey.cli.output.device_table import describe_name

    warn(
        "Revoke for ever: {}, {}, {}, {}, key {}",
        describe_name(target),
        target.status.value,
        target.platform.value,
        target.id,
        target.thumbprint,
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked whether this is the device: give --yes")
    confirm("Is this the device?")


def _ask_code() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("give CODE: the 35 digits that the new device shows")
    return prompt("Code that the new device shows")
