"""``solekey get``, ``list`` and ``remove``."""

import base64
import io
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.input.item_options import if_version_option
from solekey.cli.input.output_file import OutputFile
from solekey.cli.name_completion import complete_items
from solekey.cli.offline import choose, offline_option, open_items
from solekey.cli.opening import unlocked
from solekey.cli.output.item_document import WILL_BE_SENT, describe_item
from solekey.cli.output.left_out import end_partial, tell_unreadable
from solekey.cli.output.maker_names import read_maker_names
from solekey.cli.output.printing import say, usage_error
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from solekey.progress import Progress
    from solekey.vault.item import Item
    from solekey.vault.item_info import ItemInfo
    from solekey.vault.vault import Vault

ByteRange = tuple[int | None, int | None]
"""First and last byte, as in HTTP: the last None to the end; the first None for so many bytes of the end."""


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Which version of which item; None: the present one."""

    name: str
    version: int | None


_ORDERS: "Final[dict[str, Callable[[ItemInfo], int]]]" = {
    "modified": lambda info: -info.metadata.modified_ms,
    "size": lambda info: -info.sealed_size,
}
_RANGE: Final = re.compile(r"(\d{1,16})?-(\d{1,16})?", re.ASCII)
_IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
"""Up to this size an item is opened wholly before its first byte is printed: one part of ciphertext."""
_COPY_BYTES: Final = 4 * 1024 * 1024


def _parse_range(context: click.Context, parameter: click.Parameter, value: str | None) -> ByteRange | None:
    del context, parameter
    if value is None:
        return None
    match = _RANGE.fullmatch(value.strip())
    first, last = (None if text is None else int(text) for text in match.groups()) if match else (None, None)
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        raise click.BadParameter("expected FIRST-LAST, FIRST- or -COUNT, such as 0-99")
    return first, last


@click.command("get")
@click.argument("name", shell_complete=complete_items)
@click.option(
    "--output",
    "-o",
    type=OutputFile(or_stdout=True),
    help="Write to this file; it appears only when all of it is authentic. `-` is standard output.",
)
@click.option(
    "--range",
    "byte_range",
    callback=_parse_range,
    metavar="FIRST-LAST",
    help="Only these bytes, counted from 0, the last one included; FIRST- to the end, -COUNT of the end. "
    "Only their chunks are fetched.",
)
@click.option("--version", type=click.IntRange(min=1), help="An older version: see `solekey history`.")
@user_key_option
@offline_option
@state_options
@pass_cli
def get_item(
    state: Cli,
    name: str,
    output: Path | None,
    byte_range: ByteRange | None,
    version: int | None,
    user_key: str | None,
    *,
    offline: bool,
) -> None:
    """Fetch an item by NAME or id and decrypt it, to standard output or a file.

    An interrupted download to a file goes on when the same command is run again within 7 days. An item of up
    to 8 MiB is printed only when all of it is authentic. Of a longer one each piece is authentic when it is
    printed, and the end is verified first, but only exit code 0 says that everything came.

    Without the server it is read from this device if it is kept here: `solekey keep`.
    """
    with open_items(state, user_key, offline=offline) as (vault, as_of):
        if byte_range is not None:
            _get_range(state, vault, Wanted(name, version), byte_range, output, as_of)
        elif output is not None:
            with state.progress(f"get {name}", in_bytes=True) as progress:
                info = vault.get_file(name, output, version=version, progress=progress)
            _emit_written(state, info, output, as_of)
        else:
            _print_item(state, vault, Wanted(name, version), as_of)


@click.command("list")
@click.option("--tag", "tags", multiple=True, help="Only items with this tag; may be given several times.")
@click.option("--name", help="Only names like this: a pattern such as '*.pdf', or a piece of the name.")
@click.option("--search", help="Only items with each of these words in name, tags, type or attributes.")
@click.option(
    "--sort",
    type=click.Choice(["name", "modified", "size"]),
    default="name",
    show_default=True,
    help="By name, the newest first, or the largest first.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@user_key_option
@offline_option
@state_options
@pass_cli
def list_items(
    state: Cli,
    tags: tuple[str, ...],
    name: str | None,
    search: str | None,
    sort: str,
    limit: int | None,
    user_key: str | None,
    *,
    offline: bool,
) -> None:
    """List the items. Names are decrypted here; the server does not know them."""
    with open_items(state, user_key, offline=offline) as (vault, as_of):
        from solekey.offline.settings import OfflineSettings

        items = vault.list(tags=tags, name=name, search=search)
        if sort != "name":
            items.sort(key=_ORDERS[sort])
        del items[limit if limit is not None else len(items) :]
        makers = read_maker_names(vault)
        kept = OfflineSettings.load(vault.unlocked.connection.profile.folder).items
    if state.as_json:
        rows = [{**describe_item(info), "kept": info.id in kept} for info in items]
        unreadable = [item.to_document() for item in items.unreadable]
        state.emit({"items": rows, "unreadable": unreadable, "as_of": as_of})
        end_partial(items.unreadable)
        return
    from solekey.cli.output.item_table import print_items

    print_items(items, kept, makers)
    tell_unreadable(items.unreadable)
    end_partial(items.unreadable)


@click.command()
@click.argument("name", shell_complete=complete_items)
@if_version_option
@user_key_option
@offline_option
@state_options
@pass_cli
def remove(state: Cli, name: str, base_version: int | None, user_key: str | None, *, offline: bool) -> None:
    """Remove an item by NAME or id.

    An item that another device has edited since it was read here is not removed.
    """
    with unlocked(state, user_key, offline=choose(offline=offline)) as vault:
        removed = vault.remove(name, base_version=base_version)
        queued = vault.unlocked.connection.is_offline
    if state.as_json:
        document = {"id": removed.id, "name": removed.name, "version": removed.version}
        state.emit({"removed": document, "queued": queued})
    elif queued:
        state.tell("Queued the removal of {}: {}", removed.name or removed.id, WILL_BE_SENT)
    else:
        state.tell("Removed {}.", removed.name or removed.id)


def _print_item(state: Cli, vault: "Vault", wanted: "Wanted", as_of: str | None) -> None:
    info = vault.find(wanted.name, version=wanted.version)
    if state.as_json or info.sealed_size <= _IN_MEMORY_BYTES:
        item = vault.get(info.id, version=wanted.version)
        if state.as_json:
            state.emit({**describe_item(item.info), **_describe_content(item.content), "as_of": as_of})
        else:
            _print_content(item)
        return
    with state.progress(f"get {wanted.name}", in_bytes=True, printing=True) as progress:
        for piece in vault.iter_content(info.id, version=wanted.version, progress=progress):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _print_content(item: "Item") -> None:
    sys.stdout.buffer.write(item.content)
    if sys.stdout.isatty() and not item.content.endswith(b"\n"):
        say("")
    sys.stdout.buffer.flush()


def _get_range(
    state: Cli,
    vault: "Vault",
    wanted: "Wanted",
    byte_range: ByteRange,
    output: Path | None,
    as_of: str | None,
) -> None:
    """Get a range to standard output, a file or a JSON document."""
    from solekey.files.whole_file import WholeFile
    from solekey.vault.item_file import ItemFile

    with vault.open(wanted.name, version=wanted.version) as file:
        info = cast("ItemFile", file.raw).info
        start, size = _place_range(byte_range, file.seek(0, os.SEEK_END))
        file.seek(start)
        with state.progress(f"get {wanted.name}", in_bytes=True, printing=output is None) as progress:
            if output is not None:
                with WholeFile.make(output) as target:
                    _copy(file, target.file, size, progress)
                    target.publish()
            elif state.as_json:
                place = {"first": start, "last": start + size - 1}
                content = _describe_content(file.read(size))
                state.emit({**describe_item(info), "range": place, **content, "as_of": as_of})
            else:
                _copy(file, sys.stdout.buffer, size, progress)
                sys.stdout.buffer.flush()
    if output is not None:
        _emit_written(state, info, output, as_of)


def _place_range(byte_range: ByteRange, size: int) -> tuple[int, int]:
    """Place a range in a content of this size: where it begins, and how many bytes it has."""
    first, last = byte_range
    start = max(size - (last or 0), 0) if first is None else first
    stop = size if first is None or last is None else min(last + 1, size)
    if start >= stop:
        raise usage_error("the range lies outside the item, which has {} bytes", size)
    return start, stop - start


def _copy(source: BinaryIO | io.BufferedReader, target: BinaryIO, size: int, progress: "Progress") -> None:
    done = 0
    while done < size and (piece := source.read(min(_COPY_BYTES, size - done))):
        target.write(piece)
        done += len(piece)
        progress(done, size)


def _emit_written(state: Cli, info: "ItemInfo", output: Path, as_of: str | None) -> None:
    if state.as_json:
        state.emit({**describe_item(info), "output": str(output), "as_of": as_of})
    else:
        state.tell("{} → {}", info.name, output)


def _describe_content(content: bytes) -> dict[str, object]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
