"""``solekey history``: who edited an item, when, and which versions can still be read."""

from typing import TYPE_CHECKING

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.name_completion import complete_items
from solekey.cli.opening import unlocked
from solekey.cli.output.maker_names import read_maker_names
from solekey.cli.output.printing import add_row, make_table, print_table, say, warn
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.vault.history import PastVersion
    from solekey.vault.history_limits import HistoryLimits


@click.command()
@click.argument("name", shell_complete=complete_items)
@user_key_option
@state_options
@pass_cli
def history(state: Cli, name: str, user_key: str | None) -> None:
    """List the versions of the item NAME (name or id), the newest first; also of a removed one.

    A version counts an edit; re-encrypting an item makes none. One that is `kept` can be read with `get
    --version` and brought back with `restore --version`. One that is `gone` is deleted: by a purge or
    re-key, or because the operator keeps only so many replaced versions, and only for so long.
    """
    with unlocked(state, user_key) as vault:
        with state.progress(f"history {name}", in_bytes=False) as progress:
            versions = vault.history(name, progress=progress)
        names = read_maker_names(vault)
    if state.as_json:
        state.emit({"id": versions[0].item, "versions": [_describe(past) for past in versions]})
        return
    table = make_table("version", "state", "recorded", "device", "sealed bytes", "name", whole=("recorded",))
    for past in versions:
        add_row(
            table,
            past.version,
            past.state.value,
            past.made.strftime("%Y-%m-%d %H:%M"),
            names.get(past.device, past.device) if past.device else "",
            f"{past.sealed_size:,}",
            past.metadata.name if past.metadata else "",
        )
    say("{}", versions[0].item)
    print_table(table)
    for past in versions:
        if past.collected is not None:
            warn("version {}: gone ({})", past.version, past.collected.describe())
        elif past.error is not None:
            warn("version {}: {} [{}]", past.version, past.error, past.error.code)


def _describe(past: "PastVersion") -> dict[str, object]:
    return {
        "version": past.version,
        "state": past.state.value,
        "recorded": past.made.isoformat(),
        "device": past.device,
        "commit": past.commit,
        "sealed_bytes": past.sealed_size,
        "name": past.metadata.name if past.metadata else None,
        "collected": _describe_limits(past.collected) if past.collected else None,
        "error": past.error.code if past.error else None,
    }


def _describe_limits(limits: "HistoryLimits") -> dict[str, int]:
    return {"versions": limits.versions, "days": limits.days, "grace_days": limits.grace_days}
