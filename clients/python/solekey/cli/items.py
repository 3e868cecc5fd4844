"""``solekey put``, ``get``, ``list`` and ``remove``."""

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli.answers import ask_user_key, user_key_option
from solekey.cli.state import ID_CHARS, Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.vault.directory import ItemInfo
    from solekey.vault.vault import Item, Stored, Vault


@click.command()
@click.argument("source", required=False)
@click.option("--name", help="The item's name; the file's name if not given.")
@click.option("--text", help="The content itself, in the place of a file.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@user_key_option
@state_options
@pass_cli
def put(
    state: Cli,
    source: str | None,
    name: str | None,
    text: str | None,
    tags: tuple[str, ...],
    user_key: str | None,
) -> None:
    """Encrypt a file, standard input (SOURCE `-`) or a text, and store it.

    An item of the same name gets a new version. When another device was faster, both versions are kept. An
    interrupted upload goes on when the same command is run again.
    """
    if (source is None) == (text is None):
        raise click.UsageError("give either SOURCE or --text")
    if name is None and (text is not None or source == "-"):
        raise click.UsageError("--name is needed for a text and for standard input")
    if source not in (None, "-") and not Path(str(source)).is_file():
        raise click.UsageError(f"{source} is not a file")
    with unlocked(state, user_key) as vault:
        if text is not None:
            stored = vault.put(str(name), text, tags=tags)
        elif source == "-":
            stored = vault.put(str(name), sys.stdin.buffer.read(), tags=tags)
        else:
            with state.progress(f"put {name or source}", in_bytes=True) as progress:
                stored = vault.put_file(Path(str(source)), name, tags=tags, progress=progress)
    _emit_stored(state, stored)


@click.command("get")
@click.argument("name")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file; it appears only when all of it is authentic.",
)
@user_key_option
@state_options
@pass_cli
def get_item(state: Cli, name: str, output: Path | None, user_key: str | None) -> None:
    """Fetch an item by NAME or id and decrypt it, to standard output or a file."""
    with unlocked(state, user_key) as vault:
        if output is not None:
            with state.progress(f"get {name}", in_bytes=True) as progress:
                info = vault.get_file(name, output, progress=progress)
            if state.as_json:
                state.emit({**describe_item(info), "output": str(output)})
            else:
                state.tell(f"{info.name} → {output}")
            return
        item = vault.get(name)
    _emit_item(state, item)


@click.command("list")
@user_key_option
@state_options
@pass_cli
def list_items(state: Cli, user_key: str | None) -> None:
    """List the items. Names are decrypted here; the server does not know them."""
    with unlocked(state, user_key) as vault:
        items = vault.list()
    if state.as_json:
        state.emit({"items": [describe_item(info) for info in items]})
        return
    from rich.table import Column, Table

    ids = Column("id", no_wrap=True, min_width=ID_CHARS)
    table = Table("name", "type", "version", "sealed bytes", "modified", ids, box=None)
    for info in items:
        modified = info.modified.strftime("%Y-%m-%d %H:%M")
        table.add_row(info.name, info.type, str(info.version), f"{info.sealed_size:,}", modified, info.id)
    state.console.print(table)


@click.command()
@click.argument("name")
@user_key_option
@state_options
@pass_cli
def remove(state: Cli, name: str, user_key: str | None) -> None:
    """Remove an item by NAME or id."""
    with unlocked(state, user_key) as vault:
        info = vault.remove(name)
    if state.as_json:
        state.emit({"removed": describe_item(info)})
    else:
        state.tell(f"Removed {info.name}.")


@contextmanager
def unlocked(state: Cli, user_key: str | None) -> "Iterator[Vault]":
    """Open the session and unlock the vault."""
    state.verify_logged_in()
    with ask_user_key(user_key) as key, state.open_session() as session, session.unlock(key) as vault:
        yield vault


def describe_item(info: "ItemInfo") -> dict[str, object]:
    """Describe an item for scripts."""
    return {
        "id": info.id,
        "name": info.name,
        "type": info.type,
        "tags": list(info.metadata.tags),
        "version": info.version,
        "epoch": info.epoch,
        "sealed_bytes": info.sealed_size,
        "modified": info.modified.isoformat(),
    }


def _emit_stored(state: Cli, stored: "Stored") -> None:
    if state.as_json:
        state.emit(
            {
                "id": stored.id,
                "name": stored.name,
                "version": stored.version,
                "conflict": stored.conflict,
            }
        )
    elif stored.conflict:
        state.tell(f"Another device was faster; both are kept, this one as {stored.name!r}.")
    else:
        state.tell(f"Stored {stored.name!r}, version {stored.version}.")


def _emit_item(state: Cli, item: "Item") -> None:
    if not state.as_json:
        sys.stdout.buffer.write(item.content)
        if sys.stdout.isatty() and not item.content.endswith(b"\n"):
            click.echo()
        sys.stdout.buffer.flush()
        return
    content: dict[str, object]
    try:
        content = {"text": item.content.decode()}
    except UnicodeDecodeError:
        content = {"base64": base64.b64encode(item.content).decode()}
    state.emit({**describe_item(item.info), **content})
