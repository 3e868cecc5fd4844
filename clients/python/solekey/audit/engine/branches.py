"""Which history of a stream is followed where a log holds two. Spec: audit.md §2.1."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from solekey_protocol.event import Event
from solekey_protocol.ids import ZERO_DIGEST
from solekey_protocol.statements import Head

Places = Mapping[int, Sequence[Event]]
"""All events that claim a place of one stream, by seq, in the order of arrival."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The history of a stream that is followed.

    Attributes:
        events: one event a place.
        others: the events of the same places that are not followed.
        contested: the first place with two events that nothing decides between; None where there is none.
            What stands there and behind it is no fact.
    """

    events: Mapping[int, Event]
    others: tuple[Event, ...] = ()
    contested: int | None = None

    def holds(self, head: Head) -> bool:
        """Whether it runs from its first event to a head, all bytes named by the head's digest."""
        event = self.events.get(head.seq)
        digest = head.digest
        while event is not None and event.digest == digest:
            if event.seq == 1:
                return event.prev == ZERO_DIGEST
            digest, event = event.prev, self.events.get(event.seq - 1)
        return False


def choose_branch(places: Places, known: Iterable[Head]) -> Branch:
    """Choose the history that known heads name; where none does, the one that came first.

    Args:
        places: what the log holds.
        known: heads that users have pinned, or that the last audit has seen.
    """
    if all(len(events) == 1 for events in places.values()):
        return Branch({seq: events[0] for seq, events in places.items()})
    named: dict[int, Event] = {}
    for head in sorted(known, key=lambda each: each.seq):
        named |= _trace(places, head)
    followed: dict[int, Event] = {}
    contested = None
    for seq in sorted(places):
        events = places[seq]
        before = followed.get(seq - 1)
        following = [event for event in events if before is None or event.prev == before.digest]
        followed[seq] = named.get(seq) or (following or events)[0]
        if contested is None and len(events) > 1 and seq not in named:
            contested = seq
    others = (each for seq in sorted(places) for each in places[seq] if each is not followed[seq])
    return Branch(followed, tuple(others), contested)


def _trace(places: Places, head: Head) -> dict[int, Event]:
    """The events that lead to a head, as far back as the log holds them."""
    traced: dict[int, Event] = {}
    seq, digest = head.seq, head.digest
    while event := next((each for each in places.get(seq, ()) if each.digest == digest), None):
        traced[seq] = event
        seq, digest = seq - 1, event.prev
    return traced
