"""What the checks of one account look at: its verified events, the folds of them, and the bounds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Self

from solekey.audit.bounds import Bounds
from solekey.audit.checks.spans import shift
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.ids import AccountId, DeviceId
from solekey_protocol.lineage import Account
from solekey_protocol.streams import AuthStream

Places = Mapping[Stream, Mapping[int, Event]]
"""The events of one account by stream and seq, as the log holds them, verified or not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One account's part of a log. Spec: audit.md §3.

    Attributes:
        account: its id.
        events: the events of each stream up to the first that does not verify, in order.
        auth: the fold of its auth stream.
        signed: the folds of its signed streams.
        bounds: what an honest operator keeps.
        whole: the streams that verify to their last event, and to the last one that anybody claims to have
            seen. What another stream lacks can be missing only because it breaks off, or because the log ends
            before it; what is concluded from absence needs it whole.
        revoked: the revocation of each revoked device.
        seen: how far each stream goes by what the authors of statements claim to have seen.
        until: the latest moment that these events speak of, up to now; None without events.
    """

    account: AccountId
    events: Mapping[Stream, Sequence[Event]]
    auth: AuthStream
    signed: Account
    bounds: Bounds
    whole: frozenset[Stream]
    revoked: Mapping[DeviceId, Event]
    seen: Mapping[Stream, int]
    until: datetime | None

    @classmethod
    def collect(cls, places: Places, auth: AuthStream, signed: Account, bounds: Bounds) -> Self:
        """Collect what the checks of one account look at: once, however often it is looked at."""
        ends = {fold.chain.stream: fold.head.seq for fold in (auth, *signed.folds)}
        events = {stream: [places[stream][seq] for seq in range(1, end + 1)] for stream, end in ends.items()}
        seen = _find_seen(events)
        devices = events[Stream.DEVICES]
        now = shift(bounds.now or datetime.now(UTC), bounds.clocks)
        times = (each.time.datetime for own in events.values() for each in own)
        return cls(
            account=auth.chain.account,
            events=events,
            auth=auth,
            signed=signed,
            bounds=bounds,
            whole=frozenset(
                stream
                for stream, end in ends.items()
                if end == len(places.get(stream, {})) and seen[stream] <= end
            ),
            revoked={each.body.device: each for each in devices if isinstance(each.body, DeviceRevoked)},
            seen=seen,
            until=max((each for each in times if each <= now), default=None),
        )

    def of(self, stream: Stream) -> Sequence[Event]:
        """The verified events of a stream."""
        return self.events.get(stream, ())

    def all(self) -> Iterator[Event]:
        """The verified events of all streams, stream by stream."""
        for stream in Stream:
            yield from self.of(stream)


def _find_seen(events: Mapping[Stream, Sequence[Event]]) -> dict[Stream, int]:
    """How far each stream goes by what the authors of statements claim to have seen."""
    seen = dict.fromkeys(Stream, 0)
    for event in chain.from_iterable(events.values()):
        for stream, head in event.signed.statement.heads.items() if event.signed is not None else ():
            if head.seq > seen[stream]:
                seen[stream] = head.seq
    return seen
