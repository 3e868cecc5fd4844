"""What an audit says of a log that lost its end and was given it back. Spec: audit.md §2.7."""

from dataclasses import replace
from datetime import timedelta

import pytest

from solekey.audit import Verdict, verify_log
from solekey.audit.archive.archive import Archive
from solekey.audit.archive.errors import ArchiveContinuesError, ArchiveError
from solekey.audit.archive.verdict import read_point
from solekey.audit.checks.claims import to_ms
from solekey.audit.seen import Seen, read_seen
from solekey.audit.sources.log import BusPlace, Extent
from tamper.classes.bus import cut, published
from tamper.stories import BEN
from tamper.tampering import BOUNDS, honest, vouch
from tests.support.audit.auditor import AUDITOR, make_key
from tests.support.durability import sign_without_waiting

LOST = 0.5
"""The log lost the second half of every partition."""
LATER_MS = to_ms(BOUNDS.now - timedelta(days=2))
HOUR_MS = 3_600_000
EARLIER = vouch(honest(), heads=True)


def append(log, records, at_ms):
    """Publish records at a later time, behind what the bus holds."""
    ends = {
        (topic, number): extent.end
        for topic, state in log.bus.topics.items()
        for number, extent in state.partitions.items()
    }
    kept = list(log.kept)
    for record in records:
        place = (record.place.topic, record.place.partition)
        kept.append(replace(record, place=BusPlace(*place, ends[place]), timestamp_ms=at_ms))
        ends[place] += 1
    topics = {
        topic: replace(state, partitions={n: Extent(0, ends[topic, n]) for n in state.partitions})
        for topic, state in log.bus.topics.items()
    }
    kept.sort(key=lambda each: (each.place.topic, each.place.partition, each.place.offset))
    return replace(log, kept=tuple(kept), bus=replace(log.bus, topics=topics))


@pytest.fixture
def lost():
    """What the log has left, and what it lost."""
    left = cut(published(), LOST)
    known = {each.place for each in left.kept}
    return left, [each for each in published().kept if each.place not in known and not each.is_heartbeat]


@pytest.fixture
def seen():
    """The verdict of an audit before the loss."""
    report = verify_log(published(), EARLIER, BOUNDS)
    return Seen({account.account: account.heads for account in report.accounts.values()})


def codes(report):
    return {f"{each.check} {each.code}" for each in report.findings}


def test_a_loss_is_named_by_what_users_and_the_last_audit_have_seen(lost, seen):
    left, _ = lost
    report = verify_log(left, EARLIER, BOUNDS, seen=seen)
    assert codes(report) >= {"HED-01 rolled_back", "PIN-03 rolled_back"}


def test_a_log_that_was_given_back_at_once_is_clean(lost, seen):
    left, missing = lost
    report = verify_log(append(left, missing, LATER_MS), EARLIER, BOUNDS, seen=seen)
    assert (report.findings, report.verdict) == ((), Verdict.CLEAN)


def test_what_was_published_meanwhile_shows_that_the_rest_came_late(lost, seen):
    """Others were published hours before what is older: so says the bus, and no more than that."""
    left, missing = lost
    bens = [each for each in missing if each.key == BEN.account.encode()]
    others = [each for each in missing if each not in bens]
    assert bens
    assert {(e.place.topic, e.place.partition) for e in bens} & {
        (e.place.topic, e.place.partition) for e in others
    }
    grown = append(append(left, bens, LATER_MS), others, LATER_MS + 5 * HOUR_MS)
    report = verify_log(grown, EARLIER, BOUNDS, seen=seen)
    assert codes(report) == {"BUS-06 published_late"}
    assert {each.account for each in report.findings} <= {each.account for each in honest().events}
    assert BEN.account not in {each.account for each in report.findings}


def test_a_topic_that_had_grown_again_has_streams_out_of_order(lost, seen):
    left, missing = lost
    first, rest = missing[::2], missing[1::2]
    grown = append(append(left, rest, LATER_MS), first, LATER_MS)
    assert codes(verify_log(grown, EARLIER, BOUNDS, seen=seen)) == {"BUS-05 order_wrong"}


def test_other_bytes_than_were_lost_are_a_rewriting(lost, seen):
    left, missing = lost
    at = next(n for n, each in enumerate(missing) if b'"bytes":' in each.raw)
    forged = replace(missing[at], raw=missing[at].raw.replace(b'"bytes":', b'"bytes":1'))
    given_back = append(left, [*missing[:at], forged, *missing[at + 1 :]], LATER_MS)
    assert "HED-01 rolled_back" in codes(verify_log(given_back, EARLIER, BOUNDS, seen=seen))


def test_an_archive_does_not_go_on_with_it_as_if_nothing_had_happened(lost, tmp_path, monkeypatch):
    sign_without_waiting(monkeypatch)
    left, missing = lost
    with Archive(tmp_path / "archive", AUDITOR) as archive:
        verify_log(published(), EARLIER, BOUNDS, archive=archive)
    given_back = append(left, missing[::-1], LATER_MS)
    with Archive(tmp_path / "archive", AUDITOR) as archive, pytest.raises(ArchiveContinuesError):
        verify_log(given_back, EARLIER, BOUNDS, archive=archive)


def test_an_archive_says_what_was_seen_where_it_cannot_be_gone_on_from(lost, seen, tmp_path, monkeypatch):
    sign_without_waiting(monkeypatch)
    left, missing = lost
    path = tmp_path / "archive"
    with Archive(path, AUDITOR) as archive:
        verify_log(published(), EARLIER, BOUNDS, archive=archive)
    again = read_seen(path, AUDITOR.public)
    assert again.heads == seen.heads
    assert again.digest == read_point(path).digest
    given_back = append(left, missing[::-1], LATER_MS)
    assert codes(verify_log(given_back, EARLIER, BOUNDS, seen=again)) == {"BUS-05 order_wrong"}
    assert "HED-01 rolled_back" in codes(verify_log(left, EARLIER, BOUNDS, seen=again))
    with pytest.raises(ArchiveError):
        read_seen(path, make_key("another").public)
