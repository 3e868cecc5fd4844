"""``solekey devices list``, ``trust`` and ``revoke``."""

from pathlib import Path

import click

from solekey.cli.answers import new_user_key_options, user_key_option
from solekey.cli.items import unlocked
from solekey.cli.new_user_key import KitChoice, kit_options
from solekey.cli.recovery import read_key_and_kit
from solekey.cli.rotate import choose_new_user_key
from solekey.cli.second_factor import factor_options
from solekey.cli.state import ID_CHARS, Cli, pass_cli, state_options
from solekey.cli.stored_key import describe_outcome, stored_key_follows

_REASONS = ("lost", "stolen", "compromised", "replaced", "retired")


@click.group()
def devices() -> None:
    """See, trust and revoke this account's devices."""


@devices.command("list")
@state_options
@pass_cli
def list_devices(state: Cli) -> None:
    """List the devices, as the verified events say."""
    with state.open_session() as session:
        session.sync()
        found = session.devices.list()
    rows = [
        {
            "id": info.id,
            "name": info.name,
            "platform": info.platform.value,
            "status": info.status.value,
            "enrolled_at": info.enrolled_at,
            "this_device": info.this_device,
        }
        for info in found
    ]
    if state.as_json:
        state.emit({"devices": rows})
        return
    from rich.table import Column, Table

    ids = Column("id", no_wrap=True, min_width=ID_CHARS)
    table = Table("name", "platform", "status", "enrolled", ids, "", box=None)
    for info in found:
        name = info.name or "(no verified name)"
        mark = "this device" if info.this_device else ""
        table.add_row(name, info.platform.value, info.status.value, info.enrolled_at[:16], info.id, mark)
    state.console.print(table)


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
    with key, state.open_session() as session:
        from solekey.account.enrolment import trust_device

        trust_device(session, key, kit=made)
        device = session.devices.own_id
    if state.as_json:
        state.emit({"device": device, "status": "trusted"})
    else:
        state.tell("This device is trusted.")


@devices.command()
@click.argument("device")
@click.option("--reason", type=click.Choice(_REASONS), default="lost", show_default=True, help="Why.")
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
    letter: bool,
    accept_risk: bool,
) -> None:
    """Revoke DEVICE (name or id) for ever: its sessions end, both keys change.

    Everything is re-encrypted, so that no key that the device had opens what is stored from then on. The new
    user key's recovery kit is saved, and its words are entered again from it, before anything happens. Run
    it again after an interruption, with the new words (`--new-user-key`).
    """
    with unlocked(state, user_key) as vault:
        from solekey.rotation.revocation import revoke_device
        from solekey_protocol.events.devices import RevocationReason

        target = vault.devices.find(device)
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
                "epoch": revocation.epoch,
                "words": revocation.describe(),
                **describe_outcome(stored),
            }
        )
    else:
        state.console.print(revocation.describe())
