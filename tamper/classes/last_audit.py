"""H: what this auditor has seen at the last audit. The operator does not know it, and rewrites behind it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from solekey.audit import verify_log
from solekey.audit.seen import Seen
from solekey_protocol.events import auth
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.services import Stream
from solekey_protocol.statements import Head
from tamper.classes.facts import fact, opened
from tamper.stories import ADA, BEN, DAYS, PHONE, tell_whole
from tamper.tampering import BOUNDS, Exhibit, Family, Outcome, change, drop, honest, insert, vouch
from tamper.writing import Step, write

LAST_AUDIT = Family("H", "the auditor's own last audit")
_add = LAST_AUDIT.add
_LATER: Final = 5 * DAYS
"""The last audit was so many seconds after the beginning of the story."""


@cache
def seen() -> Seen:
    """What the last audit has verified."""
    records = write([step for step in tell_whole() if step.at < _LATER]).records
    report = verify_log(records, vouch(honest()), BOUNDS)
    assert not report.findings
    return Seen({each.account: each.heads for each in report.accounts.values()})


def _last(account: AccountId, stream: Stream) -> tuple[AccountId, Stream, int]:
    return account, stream, seen().heads[account][stream].seq


def _shown(records: Sequence[bytes], at: tuple[AccountId, Stream, int] | None) -> Exhibit:
    return Exhibit(records, at, vouch(honest()), seen=seen())


def _without(*names: str) -> Callable[[], Exhibit]:
    """The log without these records."""

    def make() -> Exhibit:
        gone = [honest().find(name).raw for name in names]
        account, stream, _ = honest().places[names[0]]
        return _shown([raw for raw in honest().records if raw not in gone], _last(account, stream))

    return make


def _rewritten(edit: Callable[[list[Step]], list[Step]], name: str) -> Callable[[], Exhibit]:
    """Another history, complete in itself, whose clients have signed over the lie."""

    def make() -> Exhibit:
        account, stream, _ = honest().places[name]
        return _shown(write(edit(tell_whole())).records, _last(account, stream))

    return make


def _lied_later(edit: Callable[[list[Step]], list[Step]], name: str) -> Callable[[], Exhibit]:
    """A lie behind what was seen."""

    def make() -> Exhibit:
        written = write(edit(tell_whole()))
        return _shown(written.records, written.places.get(name) or honest().places[name])

    return make


def _rolled_back() -> Exhibit:
    """The log as it was before the last audit's end."""
    story = [step for step in tell_whole() if step.at < _LATER and step.name != "ben.end"]
    return _shown(write(story).records, _last(BEN.account, Stream.AUTH))


def _without_ben() -> Exhibit:
    kept = [event.raw for event in honest().events if event.account != BEN.account]
    pins = {account: pin for account, pin in vouch(honest()).items() if account != BEN.account}
    return Exhibit(kept, _last(BEN.account, Stream.AUTH), pins, seen=seen())


def _both_histories() -> Exhibit:
    """Two histories of one place, of which the last audit has seen one; the other comes first."""
    other = write(change("ben.end", at=2_601)(tell_whole()))
    forged = other.find("ben.end")
    return _shown([forged.raw, *honest().records], honest().places["ben.end"])


def _never_seen() -> Exhibit:
    """The auditor has seen an event that nobody has ever written: his own file is not this log's."""
    heads = {**seen().heads, BEN.account: {Stream.AUTH: Head(99, Digest("9" * 64))}}
    exhibit = _shown(honest().records, (BEN.account, Stream.AUTH, 99))
    return replace(exhibit, seen=Seen(heads))


def _only_new() -> Exhibit:
    """An export of new events alone is called the whole log."""
    old = {event.raw for event in write([s for s in tell_whole() if s.at < _LATER]).events}
    kept = [raw for raw in honest().records if raw not in old]
    return _shown(kept, _last(ADA.account, Stream.DEVICES))


_add("the last fact that was seen is gone", _without("ben.end"), "HED-01")
_add("a fact in the middle of what was seen is gone", _without("ben.reuse"), "HED-01")
_add("the first event of a stream is gone", _without("ben.registered"), "HED-01")
_add("a revocation that was seen never was", _rewritten(drop("ada.phone ended"), "ada.phone ended"), "HED-01")
_add("a time that was seen is another", _rewritten(change("ben.end", at=2_650), "ben.end"), "HED-01")
_add(
    "a failed login that was seen never was, and all of it is written again",
    _rewritten(drop("ada.failed"), "ada.failed"),
    "HED-01",
)
_add(
    "a session is slipped into what was seen",
    _rewritten(insert(fact(45.5, auth.LoginFailed(auth.LoginStage.LOGIN_KEY), "second")), "ada.failed"),
    "HED-01",
)
_add("all is rolled back to before the last audit", _rolled_back, "HED-01")
_add("an account that was seen is not there", _without_ben, "HED-01")
_add("an empty log", lambda: replace(_shown([], None), pins={}), "HED-01", named=False, reason="all is gone")
_add("two histories, and the false one comes first", _both_histories, "CHN-02")
_add("an event that was seen, and that the log never had", _never_seen, "HED-01")
_add("an export of new events alone", _only_new, "HED-01")
_add("a lie behind what was seen", _lied_later(insert(opened(10 * DAYS, PHONE)), "lie"), "REV-02")
_add(
    "a lie behind it that needs what lies before",
    _lied_later(change("ada.later delta", body=ADA.commit(8, 1, 3)), "ada.later delta"),
    "SIG-02",
)
_add(
    "what was never seen is withheld",
    lambda: _shown([e.raw for e in honest().events if e.raw != honest().find("ada.last delta").raw], None),
    outcome=Outcome.IMPOSSIBLE,
    reason="the newest events, which nobody has pinned and no audit has seen",
)
