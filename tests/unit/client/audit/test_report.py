"""The verdict: nothing that was not looked at is clean, and each finding says where it is."""

from itertools import permutations

from solekey.audit import Pin, Verdict, verify_log
from solekey.audit.catalogue import CHECKS
from solekey.audit.report import Finding, Holder, Result, Tally, sort_findings
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import AccountId
from tests.support.protocol.keyring import ACCOUNT, USER, record
from tests.support.protocol.story import publish_signing_key, tell_whole

PINS = {ACCOUNT: Pin(USER.public)}
OTHER = AccountId.from_raw(b"z" * 16)


def rows(report):
    return {row.check.id: row for row in report.coverage}


def test_a_check_with_a_finding_is_never_clean_and_one_without_input_was_not_run():
    report = verify_log([*(event.raw for event in tell_whole()), b"no event"], PINS)
    assert {check for check, row in rows(report).items() if row.result is Result.VIOLATIONS} == {"REC-01"}
    not_run = {check for check, row in rows(report).items() if row.result is Result.NOT_RUN}
    needy = {check.id for check in CHECKS.values() if check.needs is not None}
    assert not_run == {check.id for check in report.not_run} == needy - {"PIN-01", "PIN-02", "KEY-01"}
    assert (report.verdict, report.doubts) == (Verdict.VIOLATIONS, ())


def test_an_account_that_was_never_founded_needs_somebody_who_vouches_for_it_too():
    registered = record(auth.AccountRegistered(1), account=OTHER)
    records = [*(event.raw for event in tell_whole()), registered.raw]
    report = verify_log(records, PINS)
    (doubt,) = report.doubts
    assert (report.verdict, report.findings) == (Verdict.CANNOT_TELL, ())
    assert "nobody vouches for: 1 of 2; give their pins (1 of them were never founded)" in doubt
    vouched = {**PINS, OTHER: Pin(heads={Stream.AUTH: registered.head})}
    assert verify_log(records, vouched).verdict is Verdict.CLEAN
    assert verify_log(records, {**PINS, OTHER: Pin()}).verdict is Verdict.CANNOT_TELL
    (found,) = verify_log(records, {**PINS, OTHER: Pin(USER.public)}).findings
    assert (found.check, found.code) == ("PIN-01", "pin_mismatch")
    summary = report.summary()
    assert (summary["accounts"], summary["pinned_accounts"]) == (2, 1)
    assert {each.account for each in report.users} == {ACCOUNT, OTHER}


def test_each_doubt_is_told():
    assert verify_log([]).doubts == ("the log holds no event",)
    assert verify_log([publish_signing_key().raw]).doubts == ()
    (doubt,) = verify_log(event.raw for event in tell_whole()).doubts
    assert doubt.startswith("accounts that nobody vouches for: 1 of 1")
    (doubt,) = verify_log((event.raw for event in tell_whole()[1:]), PINS).doubts
    assert "not a whole one" in doubt


def test_a_finding_says_where_it_is():
    finding = Finding("CHN-02", "chain_fork", ACCOUNT, "vault", 7, "two events")
    assert str(finding) == f"CHN-02 chain_fork: {ACCOUNT} vault seq 7: two events"
    nowhere = Finding("REC-01", "malformed", None, "?", None, "record 3")
    assert str(nowhere) == "REC-01 malformed: ? ?: record 3"


def test_findings_come_by_account_stream_and_place():
    ordered = [
        Finding("REC-01", "malformed", None, "?", None, ""),
        Finding("PIN-04", "head_file_unsigned", ACCOUNT, "devices", None, ""),
        Finding("SIG-01", "signature_invalid", ACCOUNT, "devices", 2, ""),
        Finding("CHN-01", "sequence_gap", ACCOUNT, "vault", 1, ""),
        Finding("SIG-01", "signature_invalid", ACCOUNT, "vault", 1, ""),
        Finding("CHN-01", "sequence_gap", OTHER, "auth", 1, ""),
    ]
    assert list(sort_findings(reversed(ordered))) == ordered


def test_of_several_accounts_with_one_key_all_but_the_first_are_at_fault_in_any_order():
    holders = [
        Holder(
            f"2026-11-2{day}T12:00:00.000Z",
            AccountId.from_raw(name * 16),
            Stream.VAULT,
            1,
            "WRP-01",
            "wrap_repeated",
        )
        for day, name in enumerate((b"c", b"a", b"b"))
    ]
    for order in permutations(holders):
        tallies = [Tally() for _ in order]
        for tally, holder in zip(tallies, order, strict=True):
            tally.holders[b"wrap"] = holder
        one, other = Tally(), Tally()
        one.merge(tallies[0])
        other.merge(tallies[1])
        other.merge(tallies[2])
        one.merge(other)
        found = one.find_shared()
        assert [each.account for each in found] == [each.account for each in holders[1:]]
        assert all(holders[0].account in each.detail for each in found)
        assert (one.findings, one.found["WRP-01", "wrap_repeated"]) == (found, 2)
