"""Runs the vectors of records and streams through the reference implementation: `solekey_protocol`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from solekey.crypto.device_code import DeviceCode
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import (
    ChainError,
    LineageError,
    MalformedError,
    ProtocolError,
    SchemaError,
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, KeyId, PublicKey
from solekey_protocol.lineage import Account, verify_lineage
from solekey_protocol.page_list import join_pages, parse_page_list
from solekey_protocol.streams import (
    FOLDS,
    AuthStream,
    DevicesStream,
    Fold,
    RotationStream,
    VaultStream,
)

Folds = Mapping[Stream, Fold]
PLACE = "place"
STAGES: Sequence[tuple[type[ProtocolError], str]] = (
    (SchemaError, "schema"),
    (MalformedError, "json"),
    (ChainError, "heads"),
    (SignatureError, "signers"),
    (UntrustedDeviceError, "signers"),
    (LineageError, "lineage"),
    (TransitionError, "transition"),
)


def find_stage(error: Exception) -> str | None:
    """The stage at which the reference implementation has refused a record."""
    if PLACE in getattr(error, "__notes__", ()):
        return PLACE
    return next((stage for kind, stage in STAGES if isinstance(error, kind)), None)


def parse_record(given: Mapping[str, Any]) -> dict[str, Any]:
    event = parse_event(given["record"].encode())
    return {
        "head": show_head(event),
        "leaf_hash": event.leaf_hash.hex(),
        "statement": event.signed.digest if event.signed else None,
    }


def follow_story(given: Mapping[str, Any], *, tied: bool) -> tuple[Event, Folds]:
    """Follow all records; if they are `tied`, by the rules between streams, too."""
    last = parse_event(given["record"].encode())
    before = [parse_event(record.encode()) for record in given["before"]]
    account = (before or [last])[0].account
    folds: dict[Stream, Fold] = {stream: kind.start(account) for stream, kind in FOLDS.items()}
    for event in before:
        folds[event.stream] = follow(event, folds, event.stream, tied=tied)
    folds[last.stream] = follow(last, folds, last.stream, tied=tied)
    return last, folds


def follow(event: Event, folds: Folds, stream: Stream, *, tied: bool) -> Fold:
    """Follow one record: its place, its signers, the other streams, and the rules of its own."""
    fold, devices = folds[stream], folds[Stream.DEVICES]
    assert isinstance(devices, DevicesStream)
    try:
        fold.chain.follow(event)
    except ChainError as error:
        error.add_note(PLACE)
        raise
    if tied and event.signed is not None:
        if not isinstance(fold, DevicesStream):
            devices.verify_statement(event.signed)
        verify_lineage(event.signed, read_account(folds))
    return fold.apply(event, devices)


def read_account(folds: Folds) -> Account:
    devices, vault, rotation = (folds[s] for s in (Stream.DEVICES, Stream.VAULT, Stream.ROTATION))
    assert isinstance(devices, DevicesStream)
    assert isinstance(vault, VaultStream)
    assert isinstance(rotation, RotationStream)
    return Account(devices, vault, rotation)


def show_head(event: Event) -> dict[str, Any]:
    return {"seq": event.head.seq, "digest": event.head.digest}


def follow_place(given: Mapping[str, Any]) -> dict[str, Any]:
    event, _ = follow_story(given, tied=False)
    return {"head": show_head(event)}


def follow_tied(given: Mapping[str, Any]) -> dict[str, Any]:
    event, _ = follow_story(given, tied=True)
    return {"head": show_head(event)}


def follow_auth(given: Mapping[str, Any]) -> dict[str, Any]:
    event, folds = follow_story(given, tied=False)
    auth = folds[Stream.AUTH]
    assert isinstance(auth, AuthStream)
    return {
        "head": show_head(event),
        "closed": auth.closed,
        "factors": {factor_id: factor.value for factor_id, factor in auth.factors.items()},
        "sessions": {session: each.generation for session, each in auth.sessions.items()},
    }


def follow_devices(given: Mapping[str, Any]) -> dict[str, Any]:
    event, folds = follow_story(given, tied=False)
    devices = folds[Stream.DEVICES]
    assert isinstance(devices, DevicesStream)
    return {
        "head": show_head(event),
        "key_id": devices.key_id,
        "devices": {device: each.status.value for device, each in devices.devices.items()},
        "decisions": {rotation: each.outcome.value for rotation, each in devices.decisions.items()},
    }


def follow_vault(given: Mapping[str, Any]) -> dict[str, Any]:
    event, folds = follow_story(given, tied=False)
    vault = folds[Stream.VAULT]
    assert isinstance(vault, VaultStream)
    live = [wrap.wrapped for wrap in vault.live_wraps()]
    return {
        "head": show_head(event),
        "epoch": vault.epoch,
        "live": [[wrap.secret.value, wrap.epoch, wrap.wrap_version] for wrap in live],
        "last_commit": vault.last_commit,
        "purged_through": vault.purged_through,
    }


def follow_rotation(given: Mapping[str, Any]) -> dict[str, Any]:
    event, folds = follow_story(given, tied=False)
    rotation = folds[Stream.ROTATION]
    assert isinstance(rotation, RotationStream)
    current = rotation.open
    return {
        "head": show_head(event),
        "open": current and {"rotation": current.started.rotation, "phase": current.phase.value},
        "completed": list(rotation.completed),
        "due": sorted(kind.value for kind in rotation.due),
        "enforced": sorted(kind.value for kind in rotation.enforced),
    }


def read_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    return _show_changes(parse_change_list(bytes.fromhex(given["data"])))


def read_pages(given: Mapping[str, Any]) -> dict[str, Any]:
    pages = parse_page_list(bytes.fromhex(given["data"]))
    if given["pages"] is None:
        return {"pages": [[page.digest, page.size, page.count] for page in pages]}
    return _show_changes(join_pages(pages, [bytes.fromhex(page) for page in given["pages"]]))


def _show_changes(changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "changes": [
            {
                "item": change.item,
                "version": change.version,
                "epoch": change.epoch,
                "size": change.size,
                "header": change.header,
                "parts": [[part.digest, part.size] for part in change.parts],
            }
            for change in changes
        ]
    }


def compare_code(given: Mapping[str, Any]) -> dict[str, Any]:
    code = DeviceCode.derive(
        AccountId(given["account"]),
        PublicKey(given["account_key"]),
        KeyId(given["key_id"]),
        PublicKey(given["device_key"]),
    )
    typed = DeviceCode.parse(given["text"])
    return {"code": code.account_half + code.device_half, "same": typed == code}


STAGED = {"event", "chain", "auth_stream", "devices_stream", "vault_stream", "rotation_stream", "lineage"}
"""The nouns whose vectors name a stage of `find_stage`."""
RUNNERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "event": parse_record,
    "chain": follow_place,
    "auth_stream": follow_auth,
    "devices_stream": follow_devices,
    "vault_stream": follow_vault,
    "rotation_stream": follow_rotation,
    "lineage": follow_tied,
    "change_list": read_changes,
    "page_list": read_pages,
    "device_code": compare_code,
}
