"""``solekey keep``."""

import re
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.name_completion import complete_items
from solekey.cli.opening import open_session, unlocked
from solekey.cli.output.printing import add_row, make_table, print_table, say
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.offline.keeping import Keeping
    from solekey.vault.vault import Vault

_SIZE: Final = re.compile(r"(\d{1,15})\s*(|B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)", re.ASCII)
_UNITS: Final = {
    "": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


def _parse_size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Parse a number of bytes with its unit."""
    del context, parameter
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("expected bytes with a unit, such as 500MB or 2GiB; 0 keeps nothing")
    number, unit = match.groups()
    return int(number) * _UNITS[unit]


@click.command()
@click.argument("name", required=False, shell_complete=complete_items)
@click.option("--remove", is_flag=True, help="Keep NAME no longer, and delete what is kept of it.")
@click.option(
    "--limit",
    callback=_parse_size,
    metavar="SIZE",
    help="Keep what is read besides, up to so much, such as 500MB; what was read longest ago goes first.",
)
@click.option(
    "--on/--off",
    "allowed",
    default=None,
    help="Whether this device may keep anything. --off erases what is kept; items are then read with the "
    "server alone.",
)
@user_key_option
@state_options
@pass_cli
def keep(
    state: Cli,
    name: str | None,
    limit: int | None,
    user_key: str | None,
    *,
    remove: bool,
    allowed: bool | None,
) -> None:
    """Keep the item NAME on this device, so that it can be read without the server.

    What is kept is ciphertext, in the profile; the user key is asked for whenever it is read. It follows the
    item's newest version: up to 8 MiB by itself when the account is unlocked, all by `solekey keep`, which
    lists what is kept.
    """
    if remove and name is None:
        raise click.UsageError("--remove needs NAME")
    if name is None and (limit is not None or allowed is not None):
        _set(state, limit, allowed=allowed)
        return
    if limit is not None or allowed is not None:
        raise click.UsageError("--limit, --on and --off are for all items: leave NAME out")
    with unlocked(state, user_key) as vault:
        from solekey.offline.keeping import Keeping
        from solekey.offline.kept_store import KeptStore

        keeping = Keeping(vault.unlocked, KeptStore(vault.unlocked.connection.profile.folder))
        if name is not None:
            _keep(state, vault, keeping, name, remove=remove)
            return
        with state.progress("keep", in_bytes=True) as progress:
            keeping.refresh(progress=progress)
        _print_kept(state, keeping)


def _set(state: Cli, limit: int | None, *, allowed: bool | None) -> None:
    from solekey.connection.offline import Offline

    with open_session(state, Offline.ALWAYS) as session:
        if allowed is not None:
            session.kept.allow(allowed)
        if limit is not None:
            session.kept.limit_cache(limit)
        settings = session.kept.settings
    if state.as_json:
        state.emit({"allowed": settings.allowed, "cache_limit_bytes": settings.cache_limit_bytes})
    elif allowed is False:
        state.tell("Nothing is kept on this device any more.")
    else:
        state.tell("Kept of what is read: up to {} bytes.", f"{settings.cache_limit_bytes:,}")


def _keep(state: Cli, vault: "Vault", keeping: "Keeping", name: str, *, remove: bool) -> None:
    info = vault.find(name)
    if remove:
        keeping.remove(info.id)
    else:
        with state.progress(f"keep {info.name}", in_bytes=True) as progress:
            keeping.keep(info.id, progress=progress)
    if state.as_json:
        state.emit({"id": info.id, "name": info.name, "kept": not remove})
    else:
        state.tell("{} is {}kept on this device.", info.name, "not " if remove else "")


def _print_kept(state: Cli, keeping: "Keeping") -> None:
    kept = keeping.list_kept()
    if state.as_json:
        rows = [
            {
                "id": item.id,
                "name": item.name,
                "version": item.version,
                "sealed_bytes": item.sealed_size,
                "is_whole": item.is_whole,
            }
            for item in kept
        ]
        state.emit({"kept": rows})
        return
    if not kept:
        say("Nothing is kept on this device; `solekey keep NAME` keeps an item.")
        return
    table = make_table("name", "id", "version", "bytes, sealed", whole=("id",))
    for item in kept:
        add_row(table, item.name or "(does not open)", item.id, item.version, f"{item.sealed_size:,}")
    print_table(table)
