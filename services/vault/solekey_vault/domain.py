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
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped, WrapRetired, WrapSuite
from solekey_protocol.ids import Digest
from solekey_protocol.items import verify_change, verify_totals, verify_version
from solekey_protocol.statements import Statement
from solekey_protocol.streams import VaultStream
from solekey_protocol.wrap import WRAP_SUITE_AES_256_GCM, parse_wrap_header
from solekey_service.refusals import QuotaExceeded, WrapInUse
from solekey_vault.context import CommitContext, Context, SnapshotVerdict
from solekey_vault.refusals import (
    CommitMismatch,
    PartsMissing,
    RotationRequired,
    StaleKeyEpoch,
    VersionConflict,
    WrapMismatch,
    WrapMissing,
)

MAX_TOLD: Final = 100
"""Conflicts or missing digests that a refusal lists."""
_SUITES: Final = {WrapSuite.HKDF_SHA256_AES256GCM: WRAP_SUITE_AES_256_GCM}


def verify(state: VaultStream, context: Context, statement: Statement) -> Statement:
    """Verify a statement against what is stored of what it names.

    Raises:
        WrapMissing, WrapMismatch, QuotaExceeded: key_wrapped. WrapInUse: wrap_retired.
        RotationRequired, StaleKeyEpoch, PartsMissing, CommitMismatch, VersionConflict: items_committed.
    """
    match statement.body:
        case KeyWrapped() as body:
            _verify_room(state, context.most_wraps)
            _verify_wrap(body, context.wrap)
        case WrapRetired() as body:
            _verify_unneeded(state, body, context)
        case ItemsCommitted() as body:
            _verify_rotated(body, context.enforced)
            _verify_commit(state, body, context.commit)
    return statement


def _verify_room(state: VaultStream, most_wraps: int | None) -> VaultStream:
    """Verify that the account may make another wrap: a fold remembers each, and every request reads folds."""
    if most_wraps is not None and len(state.wraps) >= most_wraps:
        raise QuotaExceeded("wraps", limit=most_wraps, used=len(state.wraps))
    return state


def _verify_wrap(body: KeyWrapped, wrap: bytes | None) -> bytes:
    """Verify that the uploaded bytes are the wrap that the statement describes."""
    if wrap is None:
        raise WrapMissing(f"upload {body.wrap} first")
    try:
        header = parse_wrap_header(wrap)
    except MalformedError as error:
        raise WrapMismatch(str(error)) from error
    written = (header.kind.value, header.epoch, header.wrap_version, header.key_id, header.suite)
    stated = (body.secret.value, body.epoch, body.wrap_version, body.key_id, _SUITES[body.suite])
    if written != stated:
        raise WrapMismatch("kind, epoch, version, key id or suite differ between the wrap and the statement")
    return wrap


def _verify_unneeded(state: VaultStream, body: WrapRetired, context: Context) -> WrapRetired:
    """Verify that the current user key goes on opening every data key that is needed (promise P3)."""
    if body.epoch != state.epoch and body.epoch not in context.sealed_epochs:
        return body
    others = [
        wrap.wrapped
        for wrap in state.live_wraps(context.key_id)
        if (wrap.wrapped.secret, wrap.wrapped.epoch) == (body.secret, body.epoch)
        and wrap.wrapped.wrap_version != body.wrap_version
    ]
    if not others or context.key_id is None:
        raise WrapInUse(f"epoch {body.epoch} is in use, and no other wrap is under the account's user key")
    return body


def _verify_rotated(body: ItemsCommitted, enforced: frozenset[RotationKind]) -> ItemsCommitted:
    """Verify that no rotation is due that writes have to wait for; a re-encryption is what they wait for."""
    if enforced and body.kind is CommitKind.DELTA:
        kinds = sorted(kind.value for kind in enforced)
        raise RotationRequired(
            f"due, and enforced by the policy: {', '.join(kinds)}; nothing is stored before it is rotated",
            extras={"kinds": list[Json](kinds)},
        )
    return body


def _verify_commit(state: VaultStream, body: ItemsCommitted, context: CommitContext) -> ItemsCommitted:
    if body.epoch != state.epoch:
        epoch: dict[str, Json] = {"epoch": state.epoch}
        raise StaleKeyEpoch(f"commit under epoch {body.epoch}; the newest is {state.epoch}", extras=epoch)
    if body.commit != state.last_commit + 1:
        raise TransitionError(f"commit {body.commit}: expected {state.last_commit + 1}")
    if context.verdict is not None:
        _verify_verdict(state, context.verdict, context)
        return body
    if context.changes is None:
        refuse_missing([body.changes], "the change list")
        return body
    changes = context.changes
    with _refusing():
        verify_totals(body, changes)
        for change in changes:
            verify_change(body, context.current.get(change.item), change)
    _verify_versions(body, changes, context)
    _verify_parts(changes, context)
    return body


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer with a refusal of this service where a rule of the protocol is broken."""
    try:
        yield
    except TransitionError as error:
        raise CommitMismatch(str(error)) from error


def _verify_verdict(state: VaultStream, verdict: SnapshotVerdict, context: CommitContext) -> SnapshotVerdict:
    """Verify that a snapshot was compared with the items as they are now, and states exactly these."""
    if verdict.commit != state.last_commit:
        raise NotYetAppliedError("the snapshot was compared with an older state; say it again")
    if verdict.difference is not None:
        raise CommitMismatch(f"the snapshot is refused: {verdict.difference}")
    pages = sorted({page.digest for page in verdict.pages})
    refuse_missing([digest for digest in pages if digest not in context.part_sizes], "pages")
    return verdict


def _verify_versions(
    body: ItemsCommitted, changes: Sequence[Change], context: CommitContext
) -> Sequence[Change]:
    """Verify that each version follows the vault's; tell all that do not."""
    conflicts: list[Json] = []
    for change in changes:
        current = context.current.get(change.item)
        try:
            verify_version(body, current, change)
        except TransitionError:
            version, removed = (current.version, current.removed) if current else (0, True)
            conflicts.append({"item": change.item, "version": version, "removed": removed})
    if conflicts:
        raise VersionConflict(
            f"{len(conflicts)} items have changed meanwhile", extras={"conflicts": conflicts[:MAX_TOLD]}
        )
    return changes


def _verify_parts(changes: Sequence[Change], context: CommitContext) -> Sequence[Change]:
    parts = {(part.digest, part.size) for change in changes for part in change.parts}
    refuse_missing(sorted({digest for digest, _ in parts if digest not in context.part_sizes}), "parts")
    for digest, size in parts:
        if context.part_sizes[digest] != size:
            raise CommitMismatch(f"part {digest} is {context.part_sizes[digest]} bytes, not {size}")
    return changes


def refuse_missing(digests: Sequence[Digest], what: str) -> None:
    """Refuse a commit some of whose objects were not uploaded. Raises PartsMissing."""
    if digests:
        raise PartsMissing(
            f"{what}: {len(digests)} were not uploaded", extras={"missing": list(digests[:MAX_TOLD])}
        )
