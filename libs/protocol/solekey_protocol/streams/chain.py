"""A place in a stream: 1, 2, 3, each naming the bytes before it. Spec: events.md §5.1."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_protocol.errors import ChainError, ForkError, GapError
from solekey_protocol.event import Event
from solekey_protocol.ids import AccountId
from solekey_protocol.services import Stream
from solekey_protocol.statements import EMPTY_HEAD, Head, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How far one stream of one account has been followed, and what its authors had seen of the others."""

    account: AccountId
    stream: Stream
    head: Head = EMPTY_HEAD
    seen: Mapping[Stream, Head] = field(default_factory=dict)

    def follow(self, event: Event) -> "Chain":
        """Follow one event.

        Raises:
            GapError: an event is missing before this one.
            ForkError: it continues other bytes than the ones followed, or takes back what was seen.
            ChainError: another account or stream, or a place already followed.
        """
        if (event.account, event.stream) != (self.account, self.stream):
            raise ChainError(f"{event.account}/{event.stream}: not the stream {self.account}/{self.stream}")
        if event.seq > self.head.seq + 1:
            raise GapError(f"{self.stream}: expected seq {self.head.seq + 1}, got {event.seq}")
        if event.seq <= self.head.seq:
            raise ChainError(f"{self.stream}: seq {event.seq} was already followed")
        if event.prev != self.head.digest:
            raise ForkError(f"{self.stream}: seq {event.seq} continues another history")
        seen = self._see(event.signed.statement) if event.signed else self.seen
        return Chain(account=self.account, stream=self.stream, head=event.head, seen=seen)

    def _see(self, statement: Statement) -> Mapping[Stream, Head]:
        """Heads of other streams never go back along a stream: who saw a revocation cannot be followed by
        somebody who claims not to have.
        """
        for stream, before in self.seen.items():
            now = statement.heads.get(stream, EMPTY_HEAD)
            if now.seq < before.seq or (now.seq == before.seq and now.digest != before.digest):
                raise ForkError(
                    f"{self.stream}: statement {statement.seq} claims less of {stream} than the one before it"
                )
        return {**self.seen, **statement.heads}
