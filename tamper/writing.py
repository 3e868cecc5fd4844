"""A story as records: what the services would have written, had it happened so.

The same steps give the same bytes (RFC 8032 signatures are deterministic): a story that is written again
with one step changed is the log of an operator who had lied then. Honest clients claim, and sign over, what
they see.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Signer, Stream, devices
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, PublicKey, Timestamp
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from tamper.people import Device, Person
from tests.support.keys import Key, sign_statement

START: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIGNED: Final = (Stream.AUTH, Stream.DEVICES, Stream.VAULT, Stream.ROTATION)
_NUMBERS: Final = range(8)


def moment(at: float) -> Timestamp:
    """The moment so many seconds after the stories begin."""
    return Timestamp.from_datetime(START + timedelta(seconds=at))


@dataclass(frozen=True)
class Step:
    """One event of a story.

    Attributes:
        name: what classes call it; unique in its story.
        at: when, in seconds.
        who: whose account; None: the platform's own.
        body: what happens.
        by: the device that signs; None for a fact of the operator's.
        sees: how many events of a stream its author has seen, where it is not all that there are.
        keys: other keys than the right ones, by signer.
        clock: how many seconds the clock of the service that writes it is ahead.
    """

    name: str
    at: float
    who: Person | None
    body: Body
    by: Device | None = None
    sees: Mapping[Stream, int] = field(default_factory=dict)
    keys: Mapping[Signer, Key] = field(default_factory=dict)
    clock: float = 0

    def but(self, **changes: object) -> "Step":
        """The same step with something else in it."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names and types are the callers'


Story = Sequence[Step]
Place = tuple[AccountId, Stream, int]


@dataclass
class Written:
    """A story's records, and where each step is."""

    events: list[Event] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def records(self) -> list[bytes]:
        """The exact bytes, in the order of writing."""
        return [event.raw for event in self.events]

    def find(self, name: str) -> Event:
        """The event of a step."""
        account, stream, seq = self.places[name]
        return next(e for e in self.events if (e.account, e.stream, e.seq) == (account, stream, seq))

    def heads(self, account: AccountId) -> dict[Stream, Head]:
        """The last event of each stream of an account."""
        return {event.stream: event.head for event in self.events if event.account == account}


def write(story: Story) -> Written:
    """Write a story, in its order of time; steps of one moment stay in their order."""
    written = Written()
    histories: dict[tuple[AccountId, Stream], list[Event]] = defaultdict(list)
    for step in sorted(story, key=lambda each: each.at):
        account = step.who.account if step.who else SYSTEM_ACCOUNT
        history = histories[account, step.body.STREAM]
        after = history[-1].head if history else EMPTY_HEAD
        content: Body | SignedStatement = step.body
        if step.by is not None and step.who is not None:
            own = {stream: histories[account, stream] for stream in SIGNED}
            content = _sign(step, step.who, step.by, after, own)
        event = encode_event(content, account=account, after=after, time=moment(step.at + step.clock))
        history.append(event)
        written.events.append(event)
        written.places[step.name] = account, event.stream, event.seq
    return written


def _sign(
    step: Step, who: Person, by: Device, after: Head, own: Mapping[Stream, Sequence[Event]]
) -> SignedStatement:
    seen = {
        stream: events[: step.sees.get(stream, len(events))]
        for stream, events in own.items()
        if stream is not step.body.STREAM
    }
    heads = {stream: events[-1].head for stream, events in seen.items() if events}
    known = own[Stream.DEVICES] if step.body.STREAM is Stream.DEVICES else seen[Stream.DEVICES]
    keys = {Signer.DEVICE: by.key, **_find_keys(step.body, who, known), **step.keys}
    return sign_statement(who.account, step.body, after, heads, keys, device=by.certificate.device)


def _find_keys(body: Body, who: Person, known: Sequence[Event]) -> dict[Signer, Key]:
    """The keys that a statement takes besides the device's: those in force at what its author has seen."""
    by_public: dict[PublicKey, Key] = {who.user_key(n).public: who.user_key(n) for n in _NUMBERS}
    brought = devices.AccountFounded | devices.AccountKeyChanged
    in_force = [event.body.account_key for event in known if isinstance(event.body, brought)]
    if isinstance(body, devices.AccountFounded):
        in_force = [body.account_key]
    keys = {Signer.ACCOUNT: by_public.get(in_force[-1], who.user_key(0)) if in_force else who.user_key(0)}
    if isinstance(body, devices.AccountKeyChanged) and body.account_key in by_public:
        keys[Signer.NEXT_ACCOUNT] = by_public[body.account_key]
    keys[Signer.COMMIT] = who.commit_key(getattr(body, "epoch", 1))
    return keys
