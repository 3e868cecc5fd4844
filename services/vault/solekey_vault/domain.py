"""Decides what may be said in the vault stream; the state is the protocol's own fold. Spec: vault.md §5-7.

Pure: no clock, no storage, no network, no key. ``VaultStream`` holds the rules that the auditor checks too;
added here is what takes the stored bytes, the current items or another stream to know.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.change_list import Change
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError, TransitionError
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, WrapRetired, WrapSuite
from solekey_protocol.ids import Digest, KeyId, Timestamp
from solekey_protocol.items import verify_change, verify_snapshot, verify_totals, verify_version
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import VaultStream
from solekey_protocol.wrap import WRAP_SUITE_AES_256_GCM, parse_wrap_header
from solekey_service.refusals import WrapInUse
from solekey_vault.commands import (
    Command,
    CommitItems,
    PurgeObjects,
    RetireWrap,
    SnapshotVerdict,
    WrapKey,
)
from solekey_vault.refusals import (
    CommitMismatch,
    PartsMissing,
    StaleKeyEpoch,
    VersionConflict,
    WrapMismatch,
    WrapMissing,
)

MAX_TOLD: Final = 100
"""Conflicts or missing digests that a refusal lists."""
_SUITES: Final = {WrapSuite.HKDF_SHA256_AES256GCM: WRAP_SUITE_AES_256_GCM}


def decide(
    state: VaultStream, key_id: KeyId | None, command: Command, now: Timestamp
) -> list[SignedStatement]:
    """Decide what a command adds to the stream: its statement, once everything about it holds.

    What ties it to the other streams is verified before (``solekey_protocol.lineage``). ``key_id`` is the
    account's user key.

    Raises:
        TransitionError: a rule of the stream (VaultStream.transition).
        SignatureError: not signed by the epoch's commit key.
        WrapMissing, WrapMismatch: WrapKey.
        WrapInUse: RetireWrap.
        StaleKeyEpoch, PartsMissing, CommitMismatch, VersionConflict: CommitItems.
    """
    state.verify_commit_key(command.signed)
    match command:
        case WrapKey():
            _verify_wrap(command)
        case RetireWrap():
            _verify_unneeded(state, key_id, command)
        case CommitItems():
            _verify_commit(state, command)
        case PurgeObjects():
            pass
    state.transition(command.body, now)
    return [command.signed]


def _verify_wrap(command: WrapKey) -> bytes:
    """Verify that the uploaded bytes are the wrap that the statement describes."""
    body = command.body
    if command.wrap is None:
        raise WrapMissing(f"upload {body.wrap} first")
    try:
        header = parse_wrap_header(command.wrap)
    except MalformedError as error:
        raise WrapMismatch(str(error)) from error
    written = (header.kind.value, header.epoch, header.wrap_version, header.key_id, header.suite)
    said = (body.secret.value, body.epoch, body.wrap_version, body.key_id, _SUITES[body.suite])
    if written != said:
        raise WrapMismatch("kind, epoch, version, key id or suite differ between the wrap and the statement")
    return command.wrap


def _verify_unneeded(state: VaultStream, key_id: KeyId | None, command: RetireWrap) -> WrapRetired:
    """Verify that the current user key goes on opening every data key that is needed (promise P3)."""
    body = command.body
    if body.epoch != state.epoch and body.epoch not in command.sealed_epochs:
        return body
    others = [
        wrap.wrapped
        for wrap in state.live_wraps(key_id)
        if (wrap.wrapped.secret, wrap.wrapped.epoch) == (body.secret, body.epoch)
        and wrap.wrapped.wrap_version != body.wrap_version
    ]
    if not others or key_id is None:
        raise WrapInUse(f"epoch {body.epoch} is in use, and no other wrap is under the account's user key")
    return body


def _verify_commit(state: VaultStream, command: CommitItems) -> CommitItems:
    body = command.body
    if body.epoch != state.epoch:
        epoch: dict[str, Json] = {"epoch": state.epoch}
        raise StaleKeyEpoch(f"commit under epoch {body.epoch}; the newest is {state.epoch}", extras=epoch)
    if command.verdict is not None:
        _verify_verdict(state, command.verdict, body)
        return command
    if command.changes is None:
        _refuse_missing([body.changes], "the change list")
        return command
    changes = command.changes
    with _refusing():
        verify_totals(body, changes)
        if body.kind is CommitKind.SNAPSHOT:
            verify_snapshot(command.current, changes)
            return command
        for change in changes:
            verify_change(body, command.current.get(change.item), change)
    _verify_versions(changes, command)
    _verify_parts(changes, command)
    return command


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer with a refusal of this service where a rule of the protocol is broken."""
    try:
        yield
    except TransitionError as error:
        raise CommitMismatch(str(error)) from error


def _verify_verdict(state: VaultStream, verdict: SnapshotVerdict, body: ItemsCommitted) -> SnapshotVerdict:
    """Verify that a snapshot was compared with the items that live now, and is exactly these."""
    if verdict.commit != state.last_commit:
        raise NotYetAppliedError("the snapshot was compared with an older state; say it again")
    if (verdict.count, verdict.bytes) != (body.count, body.bytes):
        raise CommitMismatch(f"the change list has {verdict.count} changes of {verdict.bytes} bytes")
    if verdict.differing:
        raise CommitMismatch(
            f"the snapshot differs from the live items in {verdict.differing}, such as {verdict.example}"
        )
    return verdict


def _verify_versions(changes: Sequence[Change], command: CommitItems) -> Sequence[Change]:
    """Verify that each version follows the vault's; tell all that do not."""
    conflicts: list[Json] = []
    for change in changes:
        current = command.current.get(change.item)
        try:
            verify_version(command.body, current, change)
        except TransitionError:
            version, removed = (current.version, current.removed) if current else (0, True)
            conflicts.append({"item": change.item, "version": version, "removed": removed})
    if conflicts:
        raise VersionConflict(
            f"{len(conflicts)} items have changed meanwhile", extras={"conflicts": conflicts[:MAX_TOLD]}
        )
    return changes


def _verify_parts(changes: Sequence[Change], command: CommitItems) -> Sequence[Change]:
    parts = {(part.digest, part.size) for change in changes for part in change.parts}
    _refuse_missing(sorted({digest for digest, _ in parts if digest not in command.part_sizes}), "parts")
    for digest, size in parts:
        if command.part_sizes[digest] != size:
            raise CommitMismatch(f"part {digest} is {command.part_sizes[digest]} bytes, not {size}")
    return changes


def _refuse_missing(digests: Sequence[Digest], what: str) -> None:
    if digests:
        raise PartsMissing(
            f"{what}: {len(digests)} were not uploaded", extras={"missing": list(digests[:MAX_TOLD])}
        )
