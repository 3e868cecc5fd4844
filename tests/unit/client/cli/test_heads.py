"""``solekey heads export``: what a user hands to an auditor, signed by the device, without a secret."""

import json

import httpx
import pytest

from solekey.audit import Verdict, read_pins, verify_log
from solekey.audit.sources import LogError
from solekey_protocol.events import Stream
from tests.support.client.restorations import Backup
from tests.support.protocol.story import publish_signing_key


def refuse(request, response):
    raise httpx.ConnectError("nobody is there")


def write_log(world):
    streams = world.sessions["laptop"].streams
    return [
        publish_signing_key().raw,
        *(event.raw for stream in Stream for event in streams.events(stream)),
    ]


def export(home, run_cli, target):
    code, out, said = run_cli("laptop", "heads", "export", target)
    assert code == 0, (out, said)
    return json.loads(target.read_text())


def test_with_it_an_account_is_vouched_for(home, run_cli, tmp_path):
    target = tmp_path / "ada.heads"
    document = export(home, run_cli, target)
    report = verify_log(write_log(home), read_pins(target))
    rows = {row.check.id: row for row in report.coverage}
    assert [rows[check].looked_at for check in ("PIN-01", "PIN-02", "PIN-04")] == [1, 1, 1]
    assert not [finding for finding in report.findings if finding.check.startswith("PIN")]
    assert "nobody vouches for" not in " ".join(report.doubts)
    assert home.phrase.split()[0] not in document


@pytest.mark.parametrize("member", ["made_at", "first_key", "device", "signature", "heads"])
def test_what_was_changed_in_it_is_noticed(home, run_cli, tmp_path, member):
    target = tmp_path / "ada.heads"
    document = export(home, run_cli, target)
    (account,) = document
    if member == "heads":
        document[account]["heads"]["vault"]["seq"] -= 1
    else:
        value = document[account][member]
        document[account][member] = value[:-3] + ("0" if value[-3] != "0" else "1") + value[-2:]
    target.write_text(json.dumps(document))
    try:
        report = verify_log(write_log(home), read_pins(target))
    except LogError:
        return  # what is left is no id, or no time
    assert report.verdict is Verdict.VIOLATIONS
    assert "head_file_unsigned" in {finding.code for finding in report.findings}


def test_a_log_that_ends_before_it_was_rolled_back(home, run_cli, tmp_path):
    target = tmp_path / "ada.heads"
    before = write_log(home)
    home.unlock("laptop").put("note", "later")
    export(home, run_cli, target)
    findings = verify_log(before, read_pins(target)).findings
    assert ("PIN-03", "rolled_back", "vault") in {(each.check, each.code, each.stream) for each in findings}
    assert not verify_log(write_log(home), read_pins(target)).findings


@pytest.mark.parametrize("forged", [False, True], ids=["signed", "forged"])
def test_an_accepted_restoration_is_shown_as_what_it_is(home, run_cli, tmp_path, forged):
    target, words = tmp_path / "ada.heads", tmp_path / "words"
    words.write_text(home.phrase)
    backup = Backup(home)
    home.unlock("laptop").put("note", "later")
    backup.restore()
    code, _, said = run_cli("laptop", "accept-restoration", "--yes", "--user-key", f"@{words}")
    assert code == 0, said
    assert "items_committed (1)" in said
    assert "from a backup of" in said
    document = export(home, run_cli, target)
    (pinned,) = document.values()
    if forged:
        pinned["restorations"][0]["streams"]["vault"]["lost"]["seq"] += 1
        target.write_text(json.dumps(document))
    home.sessions["laptop"] = home.reopen("laptop")
    home.sessions["laptop"].sync()
    report = verify_log(write_log(home), read_pins(target))
    found = [(each.check, each.code) for each in (report.findings if forged else report.notices)]
    assert found == [("PIN-05", "restoration_unsigned" if forged else "restoration_accepted")]


def test_without_the_server_it_says_what_this_device_has_verified(home, run_cli, tmp_path):
    home.server.tamper = refuse
    code, _, said = run_cli("laptop", "heads", "export", tmp_path / "ada.heads")
    assert (code, "has verified before" in said) == (0, True)
