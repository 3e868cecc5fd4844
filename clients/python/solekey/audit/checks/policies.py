"""What a policy asks of the writers, and what is left to rotate. Spec: rotation.md §4.1, lineage.md §4."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.key_ages import KeyAges
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage import find_owed
from solekey_protocol.statements import EMPTY_HEAD

_LONG: Final = timedelta(days=30)
"""What is open or due for longer than this is worth reading."""


def check_enforced(evidence: Evidence, tally: Tally) -> None:
    """ROT-04: nothing is written by somebody who saw that a rotation is due which writes wait for.

    Who claims that place of the rotation stream was served by a vault that knew it. It may have known more,
    such as that the rotation was completed: then everything may be written again.
    """
    free = _find_free(evidence)
    for event in evidence.of(Stream.VAULT):
        body = event.body
        if not isinstance(body, vault.ItemsCommitted) or body.kind is not vault.CommitKind.DELTA:
            continue
        seen = event.signed.statement.heads.get(Stream.ROTATION, EMPTY_HEAD).seq if event.signed else 0
        if not 0 < seen <= len(free):
            continue
        tally.look("ROT-04")
        since = free[seen - 1]
        if since is None or since - event.time.datetime > evidence.bounds.clocks:
            detail = f"rotation {seen}, which its author had seen, makes writes wait for a rotation"
            tally.find_at("ROT-04", "policy_ignored", event, detail)


def _find_free(evidence: Evidence) -> list[datetime | None]:
    """For each place of the rotation stream, since when writes wait for nothing; None: they still do."""
    waiting = []
    due: dict[RotationKind, rotation.RotationDue] = {}
    policy: rotation.PolicySet | None = None
    kind: RotationKind | None = None
    events = evidence.of(Stream.ROTATION)
    for event in events:
        match event.body:
            case rotation.PolicySet() as policy:
                pass
            case rotation.RotationDue(stated) as body:
                due[stated] = body
            case rotation.RotationStarted(_, kind):
                pass
            case rotation.RotationCompleted() if kind is not None:
                due.pop(kind, None)
        rules = [policy] if policy is not None else due.values()
        waiting.append(bool(due) and any(r.enforcement is rotation.Enforcement.ENFORCED for r in rules))
    free: list[datetime | None] = []
    since: datetime | None = None
    for waits, event in zip(reversed(waiting), reversed(events), strict=True):
        since = since if waits else event.time.datetime
        free.append(since)
    return free[::-1]


def check_left(evidence: Evidence, tally: Tally) -> None:
    """ROT-05: what is due, open or owed to a revocation does not stay so for long: notices."""
    until = evidence.until
    if until is None or evidence.auth.closed:
        return

    def note(code: str, event: Event, detail: str) -> None:
        tally.look("ROT-05")
        if until - event.time.datetime > _LONG:
            tally.note_at("ROT-05", code, event, detail)

    for due in KeyAges.collect(evidence).stated:
        if due.completed is None and not due.was_due:
            note("rotation_overdue", due.event, f"the {due.body.kind.value} was never rotated since")
    rotations = evidence.of(Stream.ROTATION)
    opened = evidence.signed.rotation.open
    if opened is not None:
        note("rotation_open", rotations[opened.started_at - 1], f"{opened.started.rotation} was never ended")
    _note_left_epochs(evidence, note)
    known = evidence.signed.devices.devices
    revoked = [each for device, each in evidence.revoked.items() if known[device].trusted_at is not None]
    if revoked:
        last = max(revoked, key=lambda each: each.seq)
        for kind in sorted(find_owed(last.seq, evidence.signed.rotation)):
            note("rotation_owed", last, f"no {kind.value} that its device does not know was made since")


def _note_left_epochs(evidence: Evidence, note: Callable[[str, Event, str], None]) -> None:
    """What a re-key has left under an older data key, while that key's wrap is live."""
    live = {wrap.wrapped.epoch for wrap in evidence.signed.vault.live_wraps()}
    for each in evidence.signed.rotation.rotations:
        if each.committed_at is not None and (left := sorted(live & set(each.left_epochs))):
            event = evidence.of(Stream.ROTATION)[each.committed_at - 1]
            note("epoch_left", event, f"it left items under the data keys of epochs {left}: they are live")
