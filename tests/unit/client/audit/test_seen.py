"""What the last audit has verified is not verified again, and must be in the log."""

from unittest import mock

import pytest

from solekey.audit import Verdict, verify_log
from solekey_protocol import statements
from solekey_protocol.events import Stream
from tests.support.protocol.keyring import ACCOUNT
from tests.support.protocol.story import tell

OLD = 12
"""So many events of the story were there at the last audit."""


@pytest.fixture
def records():
    return [event.raw for event in tell()]


@pytest.fixture
def seen(records):
    return {ACCOUNT: verify_log(records[:OLD]).accounts[ACCOUNT].heads}


def count_signatures(*arguments, **named):
    with mock.patch.object(statements, "verify_signature", wraps=statements.verify_signature) as spy:
        report = verify_log(*arguments, **named)
    return report, spy.call_count


def test_only_new_signatures_are_verified(records, seen):
    whole, all_of_them = count_signatures(records)
    new, some = count_signatures(records, seen=seen)
    old = count_signatures(records[:OLD])[1]
    assert (whole.findings, new.findings) == ((), ())
    assert some == all_of_them - old
    assert new.accounts == whole.accounts
    looked_at = {row.check.id: row.looked_at for row in new.coverage}
    assert looked_at["HED-01"] == len(seen[ACCOUNT])
    assert looked_at["SIG-01"] == sum(event.signed is not None for event in tell()[OLD:])


def codes(report):
    return {f"{finding.check} {finding.code}" for finding in report.findings}


@pytest.mark.parametrize("dropped", range(OLD))
def test_an_event_that_was_there_is_missed(records, seen, dropped):
    report = verify_log([*records[:dropped], *records[dropped + 1 :]], seen=seen)
    assert "HED-01 rolled_back" in codes(report)


def test_a_log_that_was_rolled_back(records, seen):
    assert codes(verify_log(records[:OLD], seen=seen)) == set()
    assert "HED-01 rolled_back" in codes(verify_log(records[: OLD - 1], seen=seen))
    assert codes(verify_log([], seen=seen)) == {"HED-01 rolled_back"}
    assert verify_log([], seen=seen).verdict is Verdict.VIOLATIONS


def test_a_signature_is_not_believed_where_the_bytes_differ(records, seen):
    """A forged event before the head: the digests do not lead to it, so all signatures count again."""
    at = next(i for i, event in enumerate(tell()) if event.stream is Stream.VAULT and event.seq == 2)
    forged = records[at].replace(b'"bytes":4096', b'"bytes":4097')
    assert forged != records[at]
    report = verify_log([*records[:at], forged, *records[at + 1 :]], seen=seen)
    assert codes(report) >= {"HED-01 rolled_back", "SIG-01 signature_invalid"}


def test_a_forged_end_is_found_behind_what_was_seen(records, seen):
    at = next(i for i, event in enumerate(tell()) if i >= OLD and event.stream is Stream.VAULT)
    signature = tell()[at].signed.signatures[next(iter(tell()[at].signed.signatures))]
    forged = records[at].replace(signature.encode(), b"0" * 128)
    report = verify_log([*records[:at], forged, *records[at + 1 :]], seen=seen)
    assert "SIG-01 signature_invalid" in codes(report)
