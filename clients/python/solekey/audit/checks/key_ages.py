"""Since when the keys of an account are in force, and when rotations of them were due or open.

Spec: rotation.md §4.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, Self

from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.spans import FOREVER, Spans
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind

_USER, _DATA = RotationKind.USER_KEY, RotationKind.DATA_KEY
OUTAGE: Final = timedelta(days=1)
"""So much later a rotation may be stated as due: a service that was down looks afterwards."""


@dataclass(slots=True)
class StatedDue:
    """A rotation that was stated as due, and what was so at that place of the stream.

    Attributes:
        event: the event.
        body: its body.
        policy: the account's policy there; None: it had set none.
        was_due: a rotation of this kind was due already.
        was_open: one was open.
        completed: the event that ended it; None: it is due.
    """

    event: Event
    body: rotation.RotationDue
    policy: rotation.PolicySet | None
    was_due: bool
    was_open: bool
    completed: Event | None = None

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From when to when it was due."""
        return self.event.time.datetime, self.completed.time.datetime if self.completed else FOREVER


@dataclass(frozen=True, slots=True)
class KeyAges:
    """What the due dates of an account follow from.

    Attributes:
        keys: by kind: the events that brought each key, in order.
        policies: the policies that the account has set, in order.
        stated: what was stated as due, in order.
        handled: by kind: when a rotation of it was due, or open.
        closed: when the account was closed.
    """

    keys: Mapping[RotationKind, Sequence[Event]]
    policies: Sequence[Event]
    stated: Sequence[StatedDue]
    handled: Mapping[RotationKind, Spans]
    closed: datetime | None

    @classmethod
    def collect(cls, evidence: Evidence) -> Self:
        """Collect them from an account's streams."""
        follower = _Follower()
        for event in evidence.of(Stream.ROTATION):
            follower.follow(event)
        closings = [
            e.time.datetime for e in evidence.of(Stream.AUTH) if isinstance(e.body, auth.AccountClosed)
        ]
        return cls(
            keys={_USER: _find_user_keys(evidence), _DATA: _find_data_keys(evidence)},
            policies=follower.policies,
            stated=follower.stated,
            handled=follower.join(),
            closed=min(closings, default=None),
        )

    def find_policies(self, moments: Sequence[datetime]) -> list[Event | None]:
        """Find the account's policy at each of some moments; None: it had set none."""
        times = list(accumulate((each.time.datetime for each in self.policies), max))
        places = [bisect_right(times, moment) for moment in moments]
        return [self.policies[place - 1] if place else None for place in places]


def derive_age(policy: rotation.PolicySet | None, kind: RotationKind, fallback: timedelta) -> timedelta:
    """Derive how old a key may become: by the account's policy, or without one by the operator's."""
    if policy is None:
        return fallback
    return timedelta(days=policy.user_key_max_age_days if kind is _USER else policy.data_key_max_age_days)


def _find_user_keys(evidence: Evidence) -> list[Event]:
    brings = devices.AccountFounded | devices.AccountKeyChanged
    return [event for event in evidence.of(Stream.DEVICES) if isinstance(event.body, brings)]


def _find_data_keys(evidence: Evidence) -> list[Event]:
    found, epoch = [], 0
    for event in evidence.of(Stream.VAULT):
        if isinstance(event.body, vault.KeyWrapped) and event.body.epoch > epoch:
            epoch = event.body.epoch
            found.append(event)
    return found


@dataclass(slots=True)
class _Follower:
    """Follows a rotation stream."""

    policies: list[Event] = field(default_factory=list)
    stated: list[StatedDue] = field(default_factory=list)
    standing: dict[RotationKind, StatedDue] = field(default_factory=dict)
    opened: tuple[RotationKind, datetime] | None = None
    spans: list[tuple[RotationKind, tuple[datetime, datetime]]] = field(default_factory=list)

    def follow(self, event: Event) -> None:
        """Follow the next event."""
        match event.body:
            case rotation.PolicySet():
                self.policies.append(event)
            case rotation.RotationStarted(kind=kind):
                self.opened = kind, event.time.datetime
            case rotation.RotationCompleted() | rotation.RotationAborted() if self.opened is not None:
                kind, since = self.opened
                self.spans.append((kind, (since, event.time.datetime)))
                if isinstance(event.body, rotation.RotationCompleted) and kind in self.standing:
                    self.standing.pop(kind).completed = event
                self.opened = None
            case rotation.RotationDue(kind) as body:
                policy = self.policies[-1].body if self.policies else None
                due = StatedDue(
                    event,
                    body,
                    policy if isinstance(policy, rotation.PolicySet) else None,
                    was_due=kind in self.standing,
                    was_open=self.opened is not None and self.opened[0] is kind,
                )
                self.stated.append(due)
                self.standing[kind] = due

    def join(self) -> dict[RotationKind, Spans]:
        """When a rotation of each kind was due, or open."""
        spans = [*self.spans, *((due.body.kind, due.span) for due in self.stated)]
        if self.opened is not None:
            spans.append((self.opened[0], (self.opened[1], FOREVER)))
        ordered = [(kind, (min(span), max(span))) for kind, span in spans]
        return {kind: Spans.join(span for of, span in ordered if of is kind) for kind in RotationKind}
