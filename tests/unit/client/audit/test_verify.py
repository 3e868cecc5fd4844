"""A clean log is clean; each way of cheating is found, and named."""

import json
from dataclasses import replace

import pytest

from solekey.audit import Pin, Verdict, export_log, read_log, verify_log
from solekey.audit.catalogue import CHECKS
from solekey.audit.sources import LogError
from solekey_protocol.encoding import encode_json
from solekey_protocol.events import Stream, auth, devices, vault
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, KeyId, Timestamp
from solekey_protocol.lineage import is_tied
from solekey_protocol.statements import Head
from tests.support.protocol.keyring import (
    ACCOUNT,
    GHOST,
    MALLORY,
    NEXT_KEY_ID,
    NEXT_USER,
    PHONE,
    USER,
    digest,
    record,
    say,
)
from tests.support.protocol.story import PHONE_SESSION, publish_signing_key, tell, wrapped


@pytest.fixture
def log():
    return tell()


def find(log, stream, seq):
    return next(i for i, event in enumerate(log) if (event.stream, event.seq) == (stream, seq))


def codes(records, pins=None):
    return {finding.code for finding in verify_log(records, pins).findings}


def checks(records):
    return {f"{finding.check} {finding.code}" for finding in verify_log(records).findings}


def test_an_honest_log_is_clean_in_any_order_and_with_repetitions(log):
    records = [publish_signing_key().raw, *(event.raw for event in log)]
    pins = {ACCOUNT: Pin(USER.public)}
    report = verify_log(records, pins)
    assert report.findings == ()
    assert report.accounts[ACCOUNT].pinned
    assert report.verdict is Verdict.CLEAN
    again = verify_log([*reversed(records), *records[3:6]], pins)
    assert again.verdict is Verdict.CLEAN
    assert again.repeated == 3
    assert report.summary()["verdict"] == "clean"


def test_a_log_that_nobody_vouches_for_or_that_is_not_whole_is_not_clean(log):
    records, pins = [event.raw for event in log], {ACCOUNT: Pin(USER.public)}
    whole = [publish_signing_key().raw, *records]
    for report, doubt in (
        (verify_log([]), "holds no event"),
        (verify_log(whole), "accounts that nobody vouches for: 1 of 1"),
        (verify_log(records, pins), "not a whole one"),
    ):
        assert (report.verdict, report.findings) == (Verdict.CANNOT_TELL, ())
        assert doubt in report.doubts[0]
    assert verify_log(whole, pins).verdict is Verdict.CLEAN


def test_every_check_says_what_it_looked_at_or_what_it_lacks(log):
    report = verify_log(
        [publish_signing_key().raw, *(event.raw for event in log)], {ACCOUNT: Pin(USER.public)}
    )
    rows = {row.check.id: row for row in report.coverage}
    assert list(rows) == list(CHECKS)
    signed, tied = (
        [each for each in log if each.signed is not None],
        [each for each in log if is_tied(each.body)],
    )
    for check, looked_at in (
        *((check, len(log) + 1) for check in ("REC-01", "REC-02", "CHN-01", "CHN-02", "SIG-02")),
        ("SIG-01", len(signed)),
        ("LIN-01", len(tied)),
        ("CHN-03", sum(len(each.signed.statement.heads) for each in signed)),
    ):
        assert rows[check].looked_at == looked_at, check
    bus = {check for check in CHECKS if check.startswith(("BUN", "BUS", "OBJ"))}
    assert {check.id for check in report.not_run} == {"PIN-03", "PIN-04", "PIN-05", "HED-01", "LOG-01"} | bus


def rewrite(event, **members):
    document = json.loads(event.raw)
    document.update(members)
    return encode_json(document)


PUBLISHED = publish_signing_key().body
FUTURE = Timestamp("9999-01-01T00:00:00.000Z")
CHEATS = {
    "an event is left out": (
        lambda log: [e.raw for e in log if e is not log[find(log, "vault", 2)]],
        {"CHN-01 sequence_gap", "CHN-03 event_withheld"},
    ),
    "the end of a stream is left out": (
        lambda log: [e.raw for e in log if (e.stream, e.seq) != ("devices", 5)],
        {"CHN-03 event_withheld", "CHN-01 sequence_gap"},
    ),
    "a revocation is dropped and the chain mended": (
        lambda log: [e.raw for e in log if e.stream != "devices" or e.seq < 4],
        {"CHN-03 event_withheld", "CHN-01 sequence_gap", "REV-05 device_not_revoked"},
    ),
    "a time is rewritten": (
        lambda log: replaced(log, "auth", 2, time="2020-01-01T00:00:00.000Z"),
        {"CHN-02 chain_fork", "TIM-01 time_backwards", "TIM-03 time_impossible"},
    ),
    "a signed body is rewritten": (lambda log: forged_body(log), {"SIG-01 signature_invalid"}),
    "a field is added that could hold a key": (
        lambda log: replaced(log, "auth", 1, comment="c2VjcmV0"),
        {"REC-02 schema_violation", "CHN-01 sequence_gap", "CHN-03 event_withheld"},
    ),
    "two histories are shown": (
        lambda log: [*(e.raw for e in log), other_history(log)],
        {"CHN-02 chain_fork"},
    ),
    "a ghost device is certified by a key of the server's": (
        lambda log: [*(e.raw for e in log[:9]), *(e.raw for e in ghost(log))],
        {"SIG-02 transition_refused", "SES-06 device_not_logged_in"},
    ),
    "a commit of a device that was never trusted": (
        lambda log: [*(e.raw for e in log), written_by(log, GHOST)],
        {"SIG-01 untrusted_device"},
    ),
    "a commit of the revoked device": (
        lambda log: [*(e.raw for e in log), written_by(log, PHONE)],
        {"SIG-01 untrusted_device"},
    ),
    "a wrap version is skipped": (
        lambda log: [*(e.raw for e in log), said_at_last(log, wrapped(1, 9, NEXT_KEY_ID))],
        {"SIG-02 transition_refused"},
    ),
    "a wrap under a user key that is nobody's": (
        lambda log: [*(e.raw for e in log), said_at_last(log, wrapped(1, 3, KeyId("03" * 16)))],
        {"LIN-01 key_not_current"},
    ),
    "a data key that no re-key leads to": (
        lambda log: [*(e.raw for e in log), said_at_last(log, wrapped(2, 1, NEXT_KEY_ID))],
        {"LIN-01 key_not_current"},
    ),
    "a signing key is of the future": (
        lambda log: [*(e.raw for e in log), record(PUBLISHED, account=SYSTEM_ACCOUNT, time=FUTURE).raw],
        {"TIM-03 time_impossible", "KEY-02 signing_key_bounds_wrong"},
    ),
    "bytes that are no event": (lambda log: [*(e.raw for e in log), b"\x00\x01"], {"REC-01 malformed"}),
}


def replaced(log, stream, seq, **members):
    i = find(log, stream, seq)
    return [*(e.raw for e in log[:i]), rewrite(log[i], **members), *(e.raw for e in log[i + 1 :])]


def forged_body(log):
    i = find(log, "vault", len([e for e in log if e.stream == "vault"]))
    document = json.loads(log[i].raw)
    document["data"]["statement"]["body"]["bytes"] = 1
    return [*(e.raw for e in log if e is not log[i]), encode_json(document)]


def other_history(log):
    last = [e for e in log if e.stream == "auth"][-1]
    return record(auth.SessionEnded(PHONE_SESSION, auth.SessionEnd.LOGOUT), Head(last.seq - 1, last.prev)).raw


def ghost(log):
    before = [e for e in log[:9] if e.stream == "devices"][-1]
    seen = dict(before.signed.statement.heads)
    body = devices.DeviceEnrolled(GHOST.certificate)
    enrolled = record(say(body, before.head, device=GHOST, heads=seen), before.head)
    body = devices.DeviceTrusted(MALLORY.public, GHOST.certificate)
    trusted = say(body, enrolled.head, device=GHOST, account=MALLORY, heads=seen)
    return [enrolled, record(trusted, enrolled.head)]


def heads(log):
    return {stream: [e for e in log if e.stream == stream][-1].head for stream in Stream}


def written_by(log, device):
    seen = heads(log)
    after = seen.pop(Stream.VAULT)
    body = vault.ItemsCommitted(4, vault.CommitKind.DELTA, 1, digest("evil"), 1, 1)
    return record(say(body, after, device=device, heads=seen), after).raw


def said_at_last(log, body):
    seen = heads(log)
    after = seen.pop(Stream.VAULT)
    return record(say(body, after, heads=seen, account=NEXT_USER), after).raw


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheating_is_found(log, cheat):
    tamper, expected = CHEATS[cheat]
    assert codes(event.raw for event in log) == set()
    assert checks(tamper(log)) == expected


def test_an_account_of_the_operators_making_differs_from_the_pin(log):
    records = [event.raw for event in log]
    ours, mallorys = Pin(USER.public), Pin(MALLORY.public)
    assert codes(records, {ACCOUNT: ours}) == set()
    assert codes(records, {ACCOUNT: mallorys}) == {"pin_mismatch"}
    assert codes([], {ACCOUNT: ours}) == {"account_missing"}
    assert codes(records, {AccountId.from_raw(bytes([7] * 16)): ours}) == {"account_missing"}


def test_a_log_that_ends_before_what_its_user_has_seen_was_rolled_back(log):
    pin = Pin(USER.public, heads(log))
    assert codes([event.raw for event in log], {ACCOUNT: pin}) == set()
    for stream in heads(log):
        cut = [event.raw for event in log if event.head != heads(log)[stream]]
        assert "rolled_back" in codes(cut, {ACCOUNT: pin})
    other = replace(pin, heads={Stream.VAULT: replace(heads(log)[Stream.VAULT], digest=digest("other"))})
    assert codes([event.raw for event in log], {ACCOUNT: other}) == {"chain_fork"}


def test_an_exported_log_reads_back_byte_for_byte(log, tmp_path):
    target = tmp_path / "events.jsonl"
    target.write_bytes(b"".join(event.raw + b"\n" for event in log))
    copy = tmp_path / "copy.jsonl"
    assert export_log(str(target), copy) == len(log)
    assert copy.read_bytes() == target.read_bytes()
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(LogError, match="cut off"):
        list(read_log(str(copy)))
    with pytest.raises(LogError, match="No such file"):
        list(read_log(str(tmp_path / "absent")))
    with pytest.raises(LogError, match="no embedded bus"):
        list(read_log(f"embedded://{tmp_path}/absent.db"))


def test_an_unknown_kafka_option_is_refused():
    """A misspelt ``ca_file`` must not end in credentials sent without TLS."""
    with pytest.raises(LogError, match="only options are ca_file"):
        list(read_log("kafka://127.0.0.1:1?cafile=ca.pem"))


def test_a_mechanism_that_sends_the_password_is_refused():
    with pytest.raises(LogError, match="expected SCRAM-SHA-256 or SCRAM-SHA-512"):
        list(read_log("kafka://127.0.0.1:1?ca_file=ca.pem&mechanism=PLAIN"))
