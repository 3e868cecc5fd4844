"""``solekey accept-restoration``: go on with a server that was restored from a backup."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from solekey.cli.input.answers import ask_user_key, user_key_option
from solekey.cli.opening import make_runtime, open_session
from solekey.cli.output.printing import confirm, count_of, usage_error
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.account.restoration import Restoration
    from solekey.offline.restored_queue import LostItem


@click.command()
@click.option("--yes", is_flag=True, help="Accept it without being asked.")
@user_key_option
@state_options
@pass_cli
def accept_restoration(state: Cli, user_key: str | None, *, yes: bool) -> None:
    """Go on with a server that was restored from a backup, and has lost what this device has seen.

    Ask the operator first, by another way, whether it was restored, and to when: a server that hides
    something says the same. You are shown what it says and what is lost, and asked. What this device has
    verified stays in its profile as evidence; what it holds of what was lost is sent again. It is refused
    while the server trusts a device, or has a key in force, that you have revoked or replaced since.
    """
    if not yes and (state.as_json or not sys.stdin.isatty()):
        raise usage_error("nobody is here to accept it: run it at a terminal, or give --yes")
    state.verify_logged_in()

    from solekey.account.restoration import accept_restoration as accept
    from solekey.profile.profile import Profile

    shown: list[Restoration] = []

    def agree(restoration: "Restoration") -> bool:
        shown.append(restoration)
        if not state.as_json:
            _tell(state, restoration)
        if not yes:
            confirm("Accept that the server has lost all of this?")
        return True

    with ask_user_key(user_key) as key:
        runtime = make_runtime(state)
        accept(Profile.open(state.profile, runtime.ask), runtime, key.copy(), agree)
        if shown[0].is_trusted:
            with open_session(state) as session, session.unlock(key):
                pass  # which sends what is held
    if state.as_json:
        state.emit(_encode(shown[0]))
    elif shown[0].is_trusted:
        state.tell("Accepted. What this device had verified is kept in {}.", "restorations of the profile")
    else:
        state.tell(
            "Accepted. The server does not know this device as a trusted one any more: `solekey login`, then "
            "`solekey devices trust`. What it holds is sent after that."
        )


def _tell(state: Cli, restoration: "Restoration") -> None:
    state.tell("The server says about itself, and nobody has verified it:")
    for loss in restoration.losses:
        as_of, at = loss.declared
        state.tell("  {}: restored on {} from a backup of {}.", loss.stream, at, as_of)
    state.tell("This device has verified what the server does not have any more:")
    for loss in restoration.losses:
        kinds = Counter(event.body.TYPE.split(".")[-2] for event in loss.events)
        what = ", ".join(f"{kind} ({number})" for kind, number in sorted(kinds.items()))
        state.tell(
            "  {}: {} after seq {}: {}.",
            loss.stream,
            count_of(len(loss.events), "event"),
            loss.kept.seq,
            what,
        )
    if restoration.items is None:
        state.tell(
            "Which items that concerns cannot be told here: this device keeps nothing that opens them."
        )
        return
    for item in restoration.items:
        state.tell("  {}: {}", item.name or item.id, _describe(item))


def _describe(item: "LostItem") -> str:
    if item.is_removal:
        return "was removed, and is there again; this device removes it again."
    if item.is_held:
        return "its newest version is lost; this device holds it, and sends it again."
    return "its newest version is lost, and this device does not hold it."


def _encode(restoration: "Restoration") -> dict[str, Any]:
    items = restoration.items
    return {
        "streams": {
            loss.stream.value: {
                "as_of": loss.declared[0],
                "at": loss.declared[1],
                "kept": loss.kept.seq,
                "lost": loss.lost.seq,
            }
            for loss in restoration.losses
        },
        "items": None
        if items is None
        else [
            {"id": item.id, "name": item.name, "removal": item.is_removal, "held": item.is_held}
            for item in items
        ],
        "trusted": restoration.is_trusted,
    }
