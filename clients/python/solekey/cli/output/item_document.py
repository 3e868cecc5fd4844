"""Items, and what became of an edit, as documents for scripts and sentences for people."""

from typing import TYPE_CHECKING, Final

from solekey.cli.output.foreign_text import quote_foreign

if TYPE_CHECKING:
    from solekey.cli.state import Cli
    from solekey.vault.item import Stored
    from solekey.vault.item_info import ItemInfo


WILL_BE_SENT: Final = (
    "it will be sent by the next command that unlocks the account with the server, or by: solekey push"
)


def describe_item(info: "ItemInfo") -> dict[str, object]:
    """Describe an item for scripts."""
    return {
        "id": info.id,
        "name": info.name,
        "type": info.type,
        "tags": list(info.tags),
        "attributes": dict(info.attributes),
        "version": info.version,
        "conflict": None
        if info.conflict is None
        else {"device": info.conflict.device, "item": info.conflict.item},
        "epoch": info.epoch,
        "sealed_bytes": info.sealed_size,
        "created": info.created.isoformat(),
        "modified": info.modified.isoformat(),
    }


def emit_stored(state: "Cli", stored: "Stored", *, queued: bool = False) -> None:
    """Say what a put has led to; without the server it is queued."""
    if state.as_json:
        document = {"id": stored.id, "name": stored.name, "version": stored.version}
        state.emit({**document, "conflict": stored.conflict, "queued": queued})
    elif queued:
        state.tell("Queued {}: {}", quote_foreign(stored.name), WILL_BE_SENT)
    elif stored.conflict:
        state.tell(
            "The item has a version that this device had not read; both are kept, this one as {}.",
            quote_foreign(stored.name),
        )
    else:
        state.tell("Stored {}, version {}.", quote_foreign(stored.name), stored.version)
