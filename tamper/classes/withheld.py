"""B: what happened is withheld, or what never happened is invented, without a hash that is wrong."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

from solekey.audit import Pin
from solekey_protocol.ids import SYSTEM_ACCOUNT, Timestamp
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.services import Stream
from solekey_protocol.statements import Head
from tamper.people import Person
from tamper.stories import ADA, BEN, Telling, tell_whole
from tamper.tampering import Exhibit, Family, Outcome, change, drop, honest, vouch
from tamper.writing import Step, write

WITHHELD = Family("B", "withheld, rolled back, invented")
_add = WITHHELD.add


def cut(*names: str) -> Exhibit:
    """The log without these records; the users have pinned what they saw."""
    gone = [honest().find(name) for name in names]
    kept = [event.raw for event in honest().events if event not in gone]
    return Exhibit(kept, honest().places[names[0]], vouch(honest(), heads=True))


def roll_back(name: str) -> Exhibit:
    """Everything of an account after a step is gone, in all streams; its user has pinned the ends."""
    events = honest().events
    end = events.index(honest().find(name))
    account = honest().places[name][0]
    kept = [event for place, event in enumerate(events) if place < end or event.account != account]
    last = honest().heads(account)[Stream.DEVICES].seq
    return Exhibit(
        [event.raw for event in kept], (account, Stream.DEVICES, last), vouch(honest(), heads=True)
    )


def rewrite(
    change_story: Callable[[list[Step]], list[Step]], name: str, *, heads: bool = True
) -> Callable[[], Exhibit]:
    """Another history, complete in itself; the users have pinned the real one's ends."""

    def make() -> Exhibit:
        other = write(change_story(tell_whole()))
        return Exhibit(other.records, honest().places[name], vouch(honest(), heads=heads))

    return make


def without(who: Person) -> Exhibit:
    """An account that is not in the log."""
    kept = [event.raw for event in honest().events if event.account != who.account]
    return Exhibit(kept, None, vouch(honest()))


def _drop_platform() -> Exhibit:
    return Exhibit([e.raw for e in honest().events if e.account != SYSTEM_ACCOUNT], None, vouch(honest()))


def _impostor() -> Exhibit:
    """The operator founds the account with keys of his own; its user has pinned the real one."""
    pins = {**vouch(honest()), BEN.account: Pin(ADA.user_key(9).public)}
    return Exhibit(honest().records, honest().places["ben.founded"], pins)


def _invent() -> Exhibit:
    eve = Person("eve")
    invented = Telling(eve).sign_up(4_000, eve.device("none")).steps
    return Exhibit(write([*tell_whole(), *invented]).records, None, vouch(honest()))


def _merge() -> Exhibit:
    fay = Person("fay")
    other = write([*Telling(fay).sign_up(4_000, fay.device("laptop")).steps])
    return Exhibit([*honest().records, *other.records], None, vouch(honest()))


def _stranger() -> Exhibit:
    head = honest().heads(ADA.account)[Stream.DEVICES]
    stranger = ADA.device("stranger")
    pinned = PinnedHeads(
        ADA.account,
        ADA.user_key(0).public,
        {Stream.DEVICES: Head(head.seq, head.digest)},
        stranger.certificate.device,
        Timestamp("2026-12-01T00:00:00.000Z"),
    )
    signature = stranger.key.sign(pinned.signing_bytes())
    pin = Pin(ADA.user_key(0).public, pinned.heads, ((pinned, signature),))
    return Exhibit(honest().records, None, {**vouch(honest()), ADA.account: pin})


def _shorten() -> Exhibit:
    return Exhibit(write(drop("ben.end")(tell_whole())).records, None, vouch(honest()))


def _move(step: Step, by: timedelta) -> Step:
    """The same step at another time, in what it says of times, too."""
    times = {
        each.name: Timestamp.from_datetime(value.datetime + by)
        for each in fields(step.body)
        if isinstance(value := getattr(step.body, each.name), Timestamp)
    }
    return step.but(body=replace(step.body, **times), clock=step.clock + by.total_seconds())


def _moved() -> Exhibit:
    written = write([_move(step, timedelta(days=-200)) for step in tell_whole()])
    return Exhibit(written.records, None, vouch(written))


_add("the last commit is withheld", lambda: cut("ada.last delta"), "PIN-03")
_add("the last fact of auth is withheld", lambda: cut("ada.last login", "ada.last delta"), "PIN-03")
_add("an end of a session is withheld", lambda: cut("ben.end"), "PIN-03")
_add("all streams are rolled back to before the revocation", lambda: roll_back("ada.revoked"), "PIN-03")
_add(
    "the end of a stream that nobody pinned, and somebody saw",
    lambda: replace(cut("ada.due data", "ada.due user"), pins=vouch(honest())),
    "CHN-03",
    named=False,
    reason="the first that is missing is named",
)
_add(
    "the other end of a fork: nobody was revoked",
    rewrite(lambda story: [s for s in story if s.at < 410 or s.who is not ADA], "ada.second change taken"),
    "PIN-03",
)
_add("the last fact is dated back", rewrite(change("ada.last login", clock=-30), "ada.last login"), "PIN-03")
_add("a fact is changed behind the last claim", rewrite(change("ben.end", clock=20), "ben.end"), "PIN-03")
_add(
    "an account is withheld",
    lambda: without(ADA),
    "PIN-01",
    named=False,
    reason="no event is there to be named: the account is",
)
_add("an account of the operator's in the place of a user's", _impostor, "PIN-01")
_add("an empty log", lambda: Exhibit([], None, {}), outcome=Outcome.UNVOUCHED)
_add("the platform's own account is withheld", _drop_platform, outcome=Outcome.UNVOUCHED)
_add("an invented account", _invent, outcome=Outcome.UNVOUCHED)
_add("nobody vouches for anybody", lambda: Exhibit(honest().records, None, {}), outcome=Outcome.UNVOUCHED)
_add("a head file that a stranger signed", _stranger, "PIN-04", named=False, reason="a file is no event")
_add("another log of the same software", _merge, outcome=Outcome.UNVOUCHED)
_add(
    "the end of a session, after which nobody spoke",
    _shorten,
    outcome=Outcome.IMPOSSIBLE,
    reason="no client's statement and no pin covers the end of auth: CHN-04 counts it",
)
_add(
    "all times are moved by 200 days",
    _moved,
    outcome=Outcome.IMPOSSIBLE,
    reason="times are the operator's word: only their order is held against what was seen",
)
