"""What is due is stated, and nothing else is. Spec: rotation.md §4."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Self

from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.key_ages import OUTAGE, KeyAges, StatedDue, derive_age
from solekey.audit.checks.spans import shift
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, rotation
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.statements import EMPTY_HEAD


def check_stated(evidence: Evidence, tally: Tally) -> None:
    """ROT-02: what is stated as due is: by a key's age under the policy in force, or by a revocation."""
    if not {Stream.DEVICES, Stream.VAULT} <= evidence.whole:
        return  # the key, or the revocation, may be where a stream cannot be followed
    ages = KeyAges.collect(evidence)
    times = Counter(event.time.datetime for event in evidence.revoked.values())
    revoked = {kind: Counter(times) for kind in RotationKind}
    brought = {kind: [each.time.datetime for each in events] for kind, events in ages.keys.items()}
    for due in ages.stated:
        tally.look("ROT-02")
        why = _find_lie(due, ages.closed, evidence)
        if why is None and due.body.cause is rotation.DueCause.REVOCATION:
            why = _find_wrong_revocation(due, revoked[due.body.kind])
        elif why is None:
            why = _find_wrong_age(due, brought[due.body.kind], evidence)
        if why is not None:
            tally.find_at("ROT-02", "due_unfounded", due.event, why)


def _find_lie(due: StatedDue, closed: datetime | None, evidence: Evidence) -> str | None:
    at, by_age = due.event.time.datetime, due.body.cause is rotation.DueCause.AGE
    if due.was_due:
        return "it was stated as due before, and not rotated since"
    if by_age and due.was_open:
        return "it was being rotated"
    if due.body.since.datetime - at > evidence.bounds.clocks:
        return f"it is due since {due.body.since} only"
    if closed is not None and at - closed > evidence.bounds.revocation_elsewhere:
        return "the account was closed before"
    if due.policy is not None and due.body.enforcement is not due.policy.enforcement:
        return f"the account's policy is {due.policy.enforcement.value}"
    return None


def _find_wrong_revocation(due: StatedDue, revoked: Counter[datetime]) -> str | None:
    """Each revocation makes a kind due once; ``revoked``: how many of a time have not done so yet."""
    since = due.body.since.datetime
    if not revoked[since]:
        return f"no device was revoked at {due.body.since} of which this was not stated before"
    revoked[since] -= 1
    return None


def _find_wrong_age(due: StatedDue, brought: list[datetime], evidence: Evidence) -> str | None:
    """The key in force; or the one before, while rotation may not have heard of the newest yet."""
    at, bounds = due.event.time.datetime, evidence.bounds
    known = [moment for moment in brought if moment - at <= bounds.clocks]
    late = bounds.revocation_elsewhere
    keys = known[-1:] if not known or at - known[-1] > late else known[-2:]
    age = derive_age(due.policy, due.body.kind, bounds.find_key_age(due.body.kind))
    if due.body.since.datetime in {shift(moment, age) for moment in keys}:
        return None
    since = keys[-1].isoformat() if keys else "no time"
    return f"the {due.body.kind.value} is in force since {since}, and due after {age.days} days"


def check_missing(evidence: Evidence, tally: Tally) -> None:
    """ROT-03: a key that is too old, or that a revoked device knew, is stated as due."""
    if not {Stream.DEVICES, Stream.VAULT, Stream.ROTATION, Stream.AUTH} <= evidence.whole:
        return
    ages = KeyAges.collect(evidence)
    if evidence.until is None:
        return
    until = min(evidence.until, ages.closed or evidence.until)
    for kind, events in ages.keys.items():
        _check_ages(kind, events, until, ages, evidence, tally)
    _check_revocations(until, ages, evidence, tally)


def _check_ages(
    kind: RotationKind,
    events: Sequence[Event],
    until: datetime,
    ages: KeyAges,
    evidence: Evidence,
    tally: Tally,
) -> None:
    ends = [*(after.time.datetime for _, after in pairwise(events)), until]
    for event, end, policy in zip(events, ends, ages.find_policies(ends), strict=False):
        tally.look("ROT-03")
        body = policy.body if policy is not None else None
        own = body if isinstance(body, rotation.PolicySet) else None
        age = derive_age(own, kind, evidence.bounds.find_key_age(kind))
        due = shift(event.time.datetime, age)
        since = max(due, policy.time.datetime) if policy is not None else due
        if end - since > OUTAGE and not ages.handled[kind].meet(since, end):
            tally.find_at("ROT-03", "due_missing", event, f"its {kind.value} is due since {due.isoformat()}")


def _check_revocations(until: datetime, ages: KeyAges, evidence: Evidence, tally: Tally) -> None:
    """Both kinds are due since the revocation of a device that was ever trusted.

    Rotation states it when it applies the revocation: before anybody whom it takes a statement from claims to
    have seen it, and a day later at the latest.
    """
    seen = list(accumulate((_find_seen(event) for event in evidence.of(Stream.ROTATION)), max))
    ends = {kind: _Ends.collect(kind, ages.stated) for kind in RotationKind}
    for device, revocation in evidence.revoked.items():
        if evidence.signed.devices.devices[device].trusted_at is None:
            continue
        tally.look("ROT-03")
        at, place = revocation.time.datetime, bisect_left(seen, revocation.seq)
        if place == len(seen) and until - at <= OUTAGE:
            continue
        for kind, own in ends.items():
            end = own.before(place + 1) if place < len(seen) else own.by(shift(at, OUTAGE))
            if end is None or at - end > evidence.bounds.clocks:
                detail = f"the {kind.value}, which {device} knew, is not stated as due"
                tally.find_at("ROT-03", "due_missing", revocation, detail)


def _find_seen(event: Event) -> int:
    """How much of ``devices`` an author had seen; heads never go back along a stream."""
    heads = event.signed.statement.heads if event.signed is not None else {}
    return heads.get(Stream.DEVICES, EMPTY_HEAD).seq


@dataclass(frozen=True, slots=True)
class _Ends:
    """Until when a kind was due at most, by what was stated up to a place, or up to a time."""

    places: Sequence[int]
    until: Sequence[datetime]
    times: Sequence[datetime]
    until_by_time: Sequence[datetime]

    @classmethod
    def collect(cls, kind: RotationKind, stated: Sequence[StatedDue]) -> Self:
        own = [due for due in stated if due.body.kind is kind]
        by_time = sorted(due.span for due in own)
        return cls(
            [due.event.seq for due in own],
            list(accumulate((due.span[1] for due in own), max)),
            [start for start, _ in by_time],
            list(accumulate((end for _, end in by_time), max)),
        )

    def before(self, place: int) -> datetime | None:
        found = bisect_left(self.places, place)
        return self.until[found - 1] if found else None

    def by(self, moment: datetime) -> datetime | None:
        found = bisect_right(self.times, moment)
        return self.until_by_time[found - 1] if found else None
