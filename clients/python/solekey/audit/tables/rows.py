"""The rows that one account has in each table, made while its events are there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from solekey.audit.engine.account import VerifiedAccount
from solekey.audit.report import Finding
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import encode_body
from solekey_protocol.streams import DevicesStream

Row = dict[str, object]

_UNPROVEN: Final = frozenset({"REC", "CHN", "SIG", "LIN"})
"""What an event is that a check of these families has found: no fact."""


@dataclass(slots=True)
class FieldCounts:
    """Every field that any event carries: how often, and its longest value."""

    seen: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Count the fields of an event."""
        name = type(event.body).__name__
        for path, value in _leaves(encode_body(event.body), ""):
            count, longest = self.seen.get((name, path), (0, 0))
            self.seen[name, path] = (count + 1, max(longest, len(str(value))))

    def rows(self) -> Iterator[tuple[str, Row]]:
        """The rows of the table."""
        for (event, path), (count, longest) in sorted(self.seen.items()):
            yield "fields", {"event": event, "field": path, "count": count, "longest": longest}


class AccountRows:
    """Makes the rows of one account."""

    def __init__(self, account: VerifiedAccount, findings: Iterable[Finding]) -> None:
        self._account = account
        found = (each for each in findings if each.seq is not None and each.check != "CHN-02")
        self._found = {(each.stream, each.seq): each for each in found}  # of two branches, `tell` knows
        self._events = [
            event for places in account.log.places.values() for events in places.values() for event in events
        ]
        facts = [event for event in self._events if self._mark(event)["verified"]]
        self._retired = {
            (body.secret, body.epoch, body.wrap_version): event.time
            for event in facts
            if isinstance(body := event.body, vault.WrapRetired)
        }
        self._ended = {
            body.session: (event.time, body.reason.value)
            for event in facts
            if isinstance(body := event.body, auth.SessionEnded)
        }
        self._kinds = {
            body.rotation: body.kind.value
            for event in facts
            if isinstance(body := event.body, rotation.RotationStarted)
        }

    def rows(self, fields: FieldCounts) -> Iterator[tuple[str, Row]]:
        """Yield table and row; count the fields of every event beside it."""
        for event in self._events:
            fields.add(event)
            marks = self._mark(event)
            yield "events", {**_place(event), **self._event(event), **marks}
            for table, row in self._of_type(event):
                yield table, {**_place(event), **row, **marks}
        yield from self._devices()

    def _mark(self, event: Event) -> Row:
        followed = self._account.streams[event.stream]
        cause = followed.tell(event)
        finding = self._found.get((event.stream, event.seq))
        if cause is not None or finding is None:
            return {"verified": cause is None, "cause": cause}
        is_proven = finding.check.partition("-")[0] not in _UNPROVEN
        return {"verified": is_proven, "cause": f"{finding.check} {finding.code}"}

    def _event(self, event: Event) -> Row:
        return {
            "stream": event.stream,
            "event": type(event.body).__name__,
            "signed_by": event.signed.statement.device if event.signed else None,
            "bytes": len(event.raw),
            "digest": event.digest,
        }

    def _of_type(self, event: Event) -> Iterator[tuple[str, Row]]:
        """The rows of the tables that hold events of its type."""
        match event.body:
            case vault.KeyWrapped(secret, epoch, version) as body:
                yield (
                    "wraps",
                    {**_pick(body, "wraps"), "retired": self._retired.get((secret, epoch, version))},
                )
            case vault.ItemsCommitted() as body:
                signed_by = event.signed.statement.device if event.signed else None
                yield "commits", {**_pick(body, "commits"), "signed_by": signed_by}
            case devices.DeviceRevoked(device, reason):
                yield "revocations", {"what": "device", "id": device, "reason": reason.value}
            case auth.SessionEnded(session, why):
                yield "revocations", {"what": "session", "id": session, "reason": why.value}
            case auth.SessionOpened(session) as body:
                ended, why_ended = self._ended.get(session, (None, None))
                yield "sessions", {**_pick(body, "sessions"), "ended": ended, "reason": why_ended}
            case rotation.RotationDue(kind, since, cause, enforcement):
                due: Row = {"kind": kind, "since": since, "due_cause": cause, "enforcement": enforcement}
                yield "rotations_due", due
            case body if event.stream is Stream.ROTATION and (saga := getattr(body, "rotation", None)):
                step = type(body).__name__.removeprefix("Rotation").lower()
                yield "rotations", {"rotation": saga, "step": step, "kind": self._kinds.get(saga)}

    def _devices(self) -> Iterator[tuple[str, Row]]:
        state = self._account.streams[Stream.DEVICES].facts
        assert isinstance(state, DevicesStream)  # noqa: S101  # by its key
        for device, each in state.devices.items():
            yield (
                "devices",
                {
                    "account": self._account.report.account,
                    "device": device,
                    "platform": each.certificate.platform.value,
                    "status": each.status.value,
                    "enrolled_at": each.enrolled_at,
                    "trusted_at": each.trusted_at,
                    "revoked_at": each.revoked_at,
                },
            )


_PICKED: Final = {
    "wraps": ("secret", "epoch", "wrap_version", "key_id", "wrap"),
    "commits": ("commit", "kind", "epoch", "count", "bytes", "changes"),
    "sessions": ("session", "device", "factor", "expires_at"),
}


def _pick(body: object, table: str) -> Row:
    return {name: getattr(body, name) for name in _PICKED[table]}


def _place(event: Event) -> Row:
    return {"account": event.account, "seq": event.seq, "time": event.time}


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, f"{path}[]")
    else:
        yield path, value
