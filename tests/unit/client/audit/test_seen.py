"""What the last audit has verified is not verified again, and must be in the log."""

import json
from unittest import mock

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from solekey.audit import LogError, Verdict, verify_log
from solekey.audit.seen import AuditorKey, Seen, read_seen, write_seen
from solekey.cli import solekey
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
    return Seen({ACCOUNT: verify_log(records[:OLD]).accounts[ACCOUNT].heads})


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
    assert looked_at["HED-01"] == len(seen.heads[ACCOUNT])
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


def make_key(path, kind=Ed25519PrivateKey):
    path.write_bytes(kind.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def key(tmp_path):
    return make_key(tmp_path / "auditor.pem")


def test_a_file_holds_what_was_verified_and_is_signed(records, seen, key, tmp_path):
    file, auditor = tmp_path / "seen.json", AuditorKey(key)
    write_seen(file, verify_log(records[:OLD]), Seen(), auditor)
    again = read_seen(file, auditor.public)
    assert again.heads == seen.heads
    assert verify_log(records, seen=again).provenance.seen == again.digest
    assert key.read_text().splitlines()[1] not in repr(auditor)


def test_an_account_with_findings_stays_where_it_was(records, seen, key, tmp_path):
    file, auditor = tmp_path / "seen.json", AuditorKey(key)
    report = verify_log([*records[:OLD], *records[OLD + 1 :]], seen=seen)
    assert report.accounts[ACCOUNT].findings
    write_seen(file, report, seen, auditor)
    assert read_seen(file, auditor.public).heads == seen.heads
    write_seen(file, report, Seen(), auditor)
    assert read_seen(file, auditor.public).heads == {}


def alter(document, name):
    """Another value of a member, of the same type."""
    value = document[name]
    document[name] = (
        {**value, "x": "y"} if isinstance(value, dict) else [*value, 1] if isinstance(value, list) else "0"
    )


def test_a_file_that_was_altered_is_refused(records, key, tmp_path):
    file, auditor = tmp_path / "seen.json", AuditorKey(key)
    write_seen(file, verify_log(records), Seen(), auditor)
    content = file.read_bytes()
    for name in (*json.loads(content), "accounts"):
        document = json.loads(content)
        alter(document, name)
        file.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
        with pytest.raises(LogError):
            read_seen(file, auditor.public)
    for other in (b"", b"{}", content[:-1], content + b" "):
        file.write_bytes(other)
        with pytest.raises(LogError):
            read_seen(file, auditor.public)
    file.write_bytes(content)
    with pytest.raises(LogError, match="nothing that this auditor has signed"):
        read_seen(file, AuditorKey(make_key(tmp_path / "other.pem")).public)
    read_seen(file, auditor.public)


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_what_is_no_key(tmp_path, content):
    path = tmp_path / "key.pem"
    if content is None:
        make_key(path, X25519PrivateKey)
    else:
        path.write_bytes(content)
    with pytest.raises(LogError, match="no Ed25519 key"):
        AuditorKey(path)


def run(*arguments):
    return CliRunner().invoke(solekey, ["audit", "verify", *(str(argument) for argument in arguments)])


def test_the_command_goes_on_from_its_own_file(records, key, tmp_path):
    log, file = tmp_path / "events.jsonl", tmp_path / "seen.json"
    log.write_bytes(b"".join(raw + b"\n" for raw in records[:OLD]))
    first = run(log, "--seen", file, "--signing-key", key)
    assert "HED-01 what the last audit has seen" in first.output
    assert "not run" in next(line for line in first.output.splitlines() if "HED-01" in line)
    log.write_bytes(b"".join(raw + b"\n" for raw in records))
    second = run(log, "--seen", file, "--signing-key", key)
    assert "goes on from the verdict sha256:" in second.output
    assert "nothing found" in next(line for line in second.output.splitlines() if "HED-01" in line)
    log.write_bytes(b"".join(raw + b"\n" for raw in records[:OLD]))
    back = run(log, "--seen", file, "--signing-key", key)
    assert (back.exit_code, "HED-01 rolled_back" in back.output) == (1, True)
    again = run(log, "--seen", file, "--signing-key", key)
    assert again.exit_code == 1  # what was there is not forgotten
    assert run(log, "--seen", file).exit_code == 2
    file.write_bytes(b"{}")
    assert run(log, "--seen", file, "--signing-key", key).exit_code == 2
