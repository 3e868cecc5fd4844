"""What the checks of one account look at: its verified events, the folds of them, and the bounds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from solekey.audit.bounds import Bounds
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
    """One account's part of a log.

    Attributes:
        account: its id.
        events: the events of each stream up to the first that does not verify, in order.
        auth: the fold of its auth stream.
        signed: the folds of its signed streams.
        bounds: what an honest operator keeps.
        whole: the streams that verify to their last event. What another stream lacks can be missing only
            because it breaks off; what is concluded from absence needs it whole.
    """

    account: AccountId
    events: Mapping[Stream, Sequence[Event]]
    auth: AuthStream
    signed: Account
    bounds: Bounds
    whole: frozenset[Stream]

    def of(self, stream: Stream) -> Sequence[Event]:
        """The verified events of a stream."""
        return self.events.get(stream, ())

    def all(self) -> Iterator[Event]:
        """The verified events of all streams, stream by stream."""
        for stream in Stream:
            yield from self.of(stream)

    @property
    def until(self) -> datetime | None:
        """The latest moment that this account's events speak of."""
        return max((event.time.datetime for event in self.all()), default=None)

    def find_revoked(self) -> dict[DeviceId, Event]:
        """Find when each revoked device was revoked."""
        devices = self.of(Stream.DEVICES)
        return {event.body.device: event for event in devices if isinstance(event.body, DeviceRevoked)}
