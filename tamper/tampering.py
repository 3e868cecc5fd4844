"""A way to lie, and what must come of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Final

from solekey.audit import Bounds, Pin
from solekey.audit.archive.archive import Archive
from solekey.audit.seen import Seen
from solekey.audit.sources.log import BusPlace, Log
from solekey_protocol.ids import AccountId
from tamper.stories import ADA, BEN, CYD, tell_ada, tell_platform, tell_whole
from tamper.writing import START, Place, Step, Written, write

BOUNDS: Final = Bounds(now=START + timedelta(days=60))
"""By what exhibits are judged."""


class Outcome(StrEnum):
    """What must come of a class."""

    CAUGHT = "caught"
    """A finding, by one of the checks that the class names."""
    NOTICED = "noticed"
    """A notice: it happens to honest platforms, too."""
    UNVOUCHED = "cannot tell"
    """No finding and no clean verdict: nobody vouches for it."""
    UNREADABLE = "not readable"
    """No verdict: the audit says why it cannot read what it was given, by a code that the class names."""
    IMPOSSIBLE = "cannot be caught"
    """Nothing in a log tells it from the truth; the reason is stated, here and in audit.md §5."""


@dataclass(frozen=True)
class Exhibit:
    """What an auditor is given, and the event at fault."""

    log: Log | Sequence[bytes] | Callable[[], Log]
    at: Place | BusPlace | None = None
    pins: Mapping[AccountId, Pin] | None = None
    seen: Seen | None = None
    bounds: Bounds = BOUNDS
    archive: Callable[[], Archive] | None = None
    close: Callable[[], None] = lambda: None
    """Called once the log was read: what it lies in may go."""


@dataclass(frozen=True)
class Tampering:
    """One class.

    Attributes:
        id: its family's letter and a number.
        what: what the attacker does.
        make: makes what the auditor is given.
        expects: the checks of which one at least must find it.
        outcome: what must come of it.
        reason: why it cannot be caught, or cannot be named.
        named: whether a finding of an expected check must name the event at fault.
    """

    id: str
    what: str
    make: Callable[[], Exhibit]
    expects: tuple[str, ...] = ()
    outcome: Outcome = Outcome.CAUGHT
    reason: str = ""
    named: bool = True


@dataclass
class Family:
    """The classes of one family, which number themselves."""

    letter: str
    title: str
    classes: list[Tampering] = field(default_factory=list)

    def add(self, what: str, make: Callable[[], Exhibit], *expects: str, **how: object) -> None:
        """Add a class; ``expects`` are the checks of which one at least must find it."""
        number = f"{self.letter}{len(self.classes) + 1:02}"
        self.classes.append(Tampering(number, what, make, expects, **how))  # type: ignore[arg-type]  # as Tampering says

    def lie(
        self,
        what: str,
        change: Callable[[list[Step]], list[Step]],
        at: str | None,
        *expects: str,
        **how: object,
    ) -> None:
        """Add a class of somebody who lied at the time of writing; ``at``: the step at fault."""

        def make() -> Exhibit:
            written = write(change([*tell_platform(), *tell_ada()]))
            place = written.places.get(at) if at else None
            return Exhibit(written.records, place or (honest().places.get(at) if at else None))

        self.add(what, make, *expects, **how)


@cache
def honest() -> Written:
    """The story that classes lie about, as it was written."""
    return write(tell_whole())


def vouch(written: Written, *, heads: bool = False) -> dict[AccountId, Pin]:
    """What the people of a story pin: the first key of their account, and the ends that they have seen."""
    accounts = {event.account for event in written.events}
    return {
        who.account: Pin(who.user_key(0).public, written.heads(who.account) if heads else {})
        for who in (ADA, BEN, CYD)
        if who.account in accounts
    }


def drop(*names: str) -> Callable[[list[Step]], list[Step]]:
    """Leave steps out."""

    def change(story: list[Step]) -> list[Step]:
        assert {step.name for step in story} >= set(names), names  # a class that drops nothing proves nothing
        return [step for step in story if step.name not in names]

    return change


def insert(*steps: Step) -> Callable[[list[Step]], list[Step]]:
    """Have something more happen."""
    return lambda story: [*story, *steps]


def change(name: str, **members: object) -> Callable[[list[Step]], list[Step]]:
    """Have a step happen otherwise."""

    def edit(story: list[Step]) -> list[Step]:
        assert any(step.name == name for step in story), name  # a class that changes nothing proves nothing
        return [step.but(**members) if step.name == name else step for step in story]

    return edit


def both(*changes: Callable[[list[Step]], list[Step]]) -> Callable[[list[Step]], list[Step]]:
    """One change after the other."""

    def edit(story: list[Step]) -> list[Step]:
        for each in changes:
            story = each(story)
        return story

    return edit
