"""``solekey put`` and ``solekey describe``: store an item, and change what describes it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.input.item_options import (
    choose_attributes,
    choose_tags,
    description_options,
    if_version_option,
)
from solekey.cli.name_completion import complete_items
from solekey.cli.offline import choose, offline_option
from solekey.cli.opening import unlocked
from solekey.cli.output.item_document import emit_stored
from solekey.cli.output.printing import usage_error
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.vault.vault import Vault


@click.command()
@click.argument("source", required=False)
@click.option("--name", help="The item's name; the file's name if not given.")
@click.option("--text", help="The content itself, in the place of a file.")
@description_options
@if_version_option
@click.option(
    "--restart", is_flag=True, help="Encrypt the file anew rather than go on with an interrupted upload."
)
@user_key_option
@offline_option
@state_options
@pass_cli
def put(
    state: Cli,
    source: str | None,
    name: str | None,
    text: str | None,
    kind: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    attributes: Mapping[str, str] | None,
    no_attributes: bool,
    base_version: int | None,
    restart: bool,
    user_key: str | None,
    offline: bool,
) -> None:
    """Encrypt a file, standard input (SOURCE `-`) or a text, and store it.

    An item of the same name or id gets a new version; its type, tags and attributes are kept unless they are
    given. When another device has edited it since it was read here, both versions are kept; with --if-version
    nothing is stored then.

    The interrupted upload of a file goes on when the same command is run again within 7 days; a file that
    changed meanwhile is encrypted anew. Standard input may be of any size; it cannot be resumed.
    """
    if (source is None) == (text is None):
        raise click.UsageError("give either SOURCE or --text")
    if restart and source in (None, "-"):
        raise click.UsageError("--restart is for files: a text and standard input are never resumed")
    if name is None and (text is not None or source == "-"):
        raise click.UsageError("--name is needed for a text and for standard input")
    if source not in (None, "-"):
        _verify_source(Path(str(source)))
    described: dict[str, Any] = {
        "type": kind,
        "tags": choose_tags(tags, no_tags=no_tags),
        "attributes": choose_attributes(attributes, no_attributes=no_attributes),
        "base_version": base_version,
    }
    with unlocked(state, user_key, offline=choose(offline=offline)) as vault:
        if text is not None:
            stored = vault.put(str(name), text, **described)
        else:
            with state.progress(f"put {name or Path(str(source)).name}", in_bytes=True) as progress:
                if source == "-":
                    read = sys.stdin.buffer.read
                    stored = vault.put_stream(str(name), read, **described, progress=progress)
                else:
                    path = Path(str(source))
                    stored = vault.put_file(path, name, **described, restart=restart, progress=progress)
        queued = vault.unlocked.connection.is_offline
    emit_stored(state, stored, queued=queued)


@click.command()
@click.argument("name", shell_complete=complete_items)
@click.option("--rename", "new_name", metavar="NAME", help="The item's new name.")
@description_options
@click.option("--add-tag", "added", multiple=True, help="A tag more; may be given several times.")
@click.option("--remove-tag", "removed", multiple=True, help="A tag less; may be given several times.")
@if_version_option
@user_key_option
@state_options
@pass_cli
def describe(
    state: Cli,
    name: str,
    new_name: str | None,
    kind: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    attributes: Mapping[str, str] | None,
    no_attributes: bool,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    base_version: int | None,
    user_key: str | None,
) -> None:
    """Change the name, type, tags or attributes of the item NAME (name or id); its content is kept.

    That is a new version. The content is fetched and encrypted again with its new description.
    """
    chosen = choose_tags(tags, no_tags=no_tags)
    changed = choose_attributes(attributes, no_attributes=no_attributes)
    if (added or removed) and chosen is not None:
        raise click.UsageError("give either --tag and --no-tags, or --add-tag and --remove-tag")
    if all(each is None for each in (new_name, kind, chosen, changed)) and not (added or removed):
        raise click.UsageError("say what to change: --rename, --type, --tag, --add-tag, --attribute …")
    with unlocked(state, user_key) as vault, state.progress(f"put {name}", in_bytes=True) as progress:
        if added or removed:
            chosen = _change_tags(vault, name, added, removed)
        stored = vault.describe(
            name,
            name=new_name,
            type=kind,
            tags=chosen,
            attributes=changed,
            base_version=base_version,
            progress=progress,
        )
    emit_stored(state, stored)


def _change_tags(
    vault: "Vault", name: str, added: tuple[str, ...], removed: tuple[str, ...]
) -> tuple[str, ...]:
    before = vault.find(name).tags
    absent = [tag for tag in removed if tag not in before]
    if absent:
        raise usage_error("{} does not have the tag {}", name, absent[0])
    kept = [tag for tag in before if tag not in removed]
    return (*kept, *(tag for tag in dict.fromkeys(added) if tag not in kept))


def _verify_source(path: Path) -> None:
    """Refuse what cannot be stored before anything is asked for."""
    try:
        path.stat()
    except FileNotFoundError:
        raise usage_error("{} is not there", path) from None
    except (OSError, ValueError) as error:  # too long a name, a zero byte, no way in
        raise usage_error("{}: {}", path, getattr(error, "strerror", None) or error) from None
    if path.is_dir():
        raise usage_error("{} is a folder; pack it: tar c {} | solekey put - --name NAME", path, path)
    if not path.is_file():
        raise usage_error("{} is not a regular file; pipe it in: solekey put - --name NAME < {}", path, path)
    if not os.access(path, os.R_OK):
        raise usage_error("{} may not be read", path)
