"""``solekey audit`` from the command line: verdicts, pins, exit codes."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from solekey.cli import solekey
from solekey_eventlog.bus import Message, derive_topics, open_bus
from tests.support.protocol.keyring import ACCOUNT, MALLORY, USER
from tests.support.protocol.story import tell_whole

VIOLATIONS, CANNOT_TELL = 1, 2


@pytest.fixture
def pins(tmp_path):
    """What the story's user vouches for."""
    target = tmp_path / "pins.json"
    target.write_text(json.dumps({ACCOUNT: USER.public}))
    return target


@pytest.fixture
def log(tmp_path):
    target = tmp_path / "events.jsonl"
    target.write_bytes(b"".join(event.raw + b"\n" for event in tell_whole()))
    return target


def run(*arguments):
    return CliRunner().invoke(solekey, ["audit", *(str(argument) for argument in arguments)])


def test_an_honest_log(log, pins):
    result = run("verify", log, "--pins", pins)
    assert result.exit_code == 0
    assert "verdict: clean" in result.output
    assert "(pinned)" in result.output
    assert json.loads(run("verify", log, "--pins", pins, "--json").output)["verdict"] == "clean"


def test_a_log_that_nobody_vouches_for(log):
    result = run("verify", log)
    assert (result.exit_code, "verdict: cannot tell" in result.output) == (CANNOT_TELL, True)
    assert "accounts that nobody vouches for: 1 of 1" in result.output
    assert json.loads(run("verify", log, "--json").output)["verdict"] == "cannot_tell"


def test_it_says_how_much_it_looked_at_and_what_it_cannot_show(log, pins):
    output = run("verify", log, "--pins", pins).output
    assert "REC-01 every record is one event in canonical form (records: 23): nothing found" in output
    assert re.search(r"hidden by the operator: [\d,]+ bits at most, [\d,]+ bits in one account", output)
    assert "OBJ-01 the bytes of each live wrap are stored: not run, it needs" in output


def test_a_tampered_log(log):
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:4]) + b"{}\n")
    result = run("verify", log)
    assert result.exit_code == VIOLATIONS
    assert "VIOLATIONS" in result.output
    assert json.loads(run("verify", log, "--json").output)["verdict"] == "violations"


def test_another_pin(log, tmp_path):
    pins = tmp_path / "pins.json"
    pins.write_text(json.dumps({ACCOUNT: MALLORY.public}))
    assert run("verify", log, "--pins", pins).exit_code == VIOLATIONS


@pytest.mark.parametrize("content", ["[]", "{", '{"acc_x": "00"}', f'{{"{ACCOUNT}": 7}}'])
def test_pins_that_are_none(log, tmp_path, content):
    pins = tmp_path / "pins.json"
    pins.write_text(content)
    result = run("verify", log, "--pins", pins)
    assert (result.exit_code, f"{pins}: no file of pins" in result.output) == (CANNOT_TELL, True)


def test_export(log, tmp_path):
    target = tmp_path / "copy.jsonl"
    assert json.loads(run("export", log, target, "--json").output) == {
        "records": len(tell_whole()),
        "output": str(target),
    }
    assert target.read_bytes() == log.read_bytes()
    assert "events written" in run("export", log, target).output


CONVERSIONS = {
    "CR LF": lambda data: data.replace(b"\n", b"\r\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "CR": lambda data: data.replace(b"\n", b"\r"),
    "blank last line": lambda data: data + b"\n",
    "blank lines": lambda data: data.replace(b"\n", b"\n\n"),
    "spaces on the last line": lambda data: data + b"  \n",
}


@pytest.mark.parametrize("how", CONVERSIONS)
def test_a_log_that_an_editor_saved_is_converted_and_not_tampered(log, how):
    log.write_bytes(CONVERSIONS[how](log.read_bytes()))
    result = run("verify", log)
    assert result.exit_code == CANNOT_TELL
    assert "converted" in result.output
    assert "verdict: cannot tell" in result.output
    assert "VIOLATIONS" not in result.output
    document = json.loads(run("verify", log, "--json").output)
    assert (document["verdict"], document["code"]) == ("cannot_tell", "log_converted")


@pytest.fixture
def bus(tmp_path):
    """An embedded bus in use, with a story on it."""
    url = f"embedded://{tmp_path / 'bus.db'}"
    with open_bus(url) as bus:
        bus.create_topics(derive_topics(partitions=1))
        bus.publish_many([Message(f"solekey.{e.stream}.v1", e.account, e.raw) for e in tell_whole()])
        yield url


def test_a_database_in_use_that_was_copied_without_its_log_is_no_verdict(bus, pins, tmp_path):
    """The newest records are in the write-ahead log; what is missing cannot be known."""
    path = tmp_path / "bus.db"
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(path, copy)
    result = run("verify", f"embedded://{copy}/bus.db")
    assert (result.exit_code, "verdict: cannot tell" in result.output) == (CANNOT_TELL, True)
    document = json.loads(run("verify", f"embedded://{copy}/bus.db", "--json").output)
    assert document["code"] == "log_incomplete"
    shutil.copy(tmp_path / "bus.db-wal", copy)  # positive control: with it, the same copy is whole
    assert run("verify", f"embedded://{copy}/bus.db", "--pins", pins).exit_code == 0


def test_a_database_that_was_closed_is_whole_without_its_log(bus, pins):
    assert run("verify", bus, "--pins", pins).exit_code == 0  # beside its writer
    with open_bus(bus):
        pass
    assert run("verify", bus, "--pins", pins).exit_code == 0


def test_the_last_one_closes_a_database(pins, tmp_path):
    url = f"embedded://{tmp_path / 'bus.db'}"
    with open_bus(url) as bus:
        bus.create_topics(derive_topics(partitions=1))
        bus.publish_many([Message(f"solekey.{e.stream}.v1", e.account, e.raw) for e in tell_whole()])
        with open_bus(url):
            pass
        assert (tmp_path / "bus.db-wal").exists()
    assert not (tmp_path / "bus.db-wal").exists()
    assert run("verify", url, "--pins", pins).exit_code == 0


def test_no_event_is_no_verdict(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    for arguments in (
        (empty,),
        (tmp_path / "absent",),
        (f"embedded://{tmp_path}/no.db",),
    ):
        result = run("verify", *arguments)
        assert result.exit_code == CANNOT_TELL
        assert "verdict: cannot tell" in result.output
        assert json.loads(run("verify", *arguments, "--json").output)["verdict"] == "cannot_tell"


def test_pins_of_an_editor_are_read(log, tmp_path):
    pins = tmp_path / "pins.json"
    pins.write_bytes(json.dumps({ACCOUNT: USER.public}).encode("utf-16"))
    assert run("verify", log, "--pins", pins).exit_code == 0


def test_an_account_that_is_vouched_for_and_missing_is_a_violation(pins, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert run("verify", empty, "--pins", pins).exit_code == VIOLATIONS


def test_files_of_pins_are_joined_and_must_agree(log, pins, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({ACCOUNT: USER.public}))
    assert run("verify", log, "--pins", pins, "--pins", other).exit_code == 0
    other.write_text(json.dumps({ACCOUNT: MALLORY.public}))
    result = run("verify", log, "--pins", pins, "--pins", other)
    assert (result.exit_code, "different first keys" in result.output) == (CANNOT_TELL, True)


def look_at(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("state", ["closed", "copied with its write-ahead log"])
def test_nothing_is_written_beside_the_evidence(bus, pins, tmp_path, state):
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    if state == "closed":
        url = f"embedded://{evidence}/bus.db"
        with open_bus(url) as other:
            other.create_topics(derive_topics(partitions=1))
            other.publish_many([Message(f"solekey.{e.stream}.v1", e.account, e.raw) for e in tell_whole()])
        (evidence / "bus.db.lock").unlink(missing_ok=True)
    else:
        for name in ("bus.db", "bus.db-wal"):
            shutil.copy(tmp_path / name, evidence)
    before = look_at(evidence)
    evidence.chmod(0o555)
    try:
        assert run("verify", f"embedded://{evidence}/bus.db", "--pins", pins).exit_code == 0
        assert run("export", f"embedded://{evidence}/bus.db", tmp_path / "bundle").exit_code == 0
    finally:
        evidence.chmod(0o755)
    assert look_at(evidence) == before


def test_a_bundle_is_exported_and_verified(bus, pins, tmp_path):
    result = run("export", bus, tmp_path / "bundle.tar")
    assert (result.exit_code, f"{len(tell_whole())} records in" in result.output) == (0, True)
    assert run("verify", tmp_path / "bundle.tar", "--pins", pins).exit_code == 0
    again = json.loads(run("export", bus, tmp_path / "other", "--json").output)
    assert (again["records"], again["resumed"], again["exporter"]) == (len(tell_whole()), 0, None)
    assert run("export", bus, tmp_path / "second.tar", "--after", tmp_path / "other").exit_code == 0
    pair = run("verify", tmp_path / "other", tmp_path / "second.tar", "--pins", pins)
    assert pair.exit_code == 0
    alone = run("verify", tmp_path / "second.tar", "--pins", pins, "--json")
    assert (alone.exit_code, json.loads(alone.output)["code"]) == (CANNOT_TELL, "bundle_continues")
    unsigned = run("verify", tmp_path / "other", "--pins", pins, "--exporter-key", USER.public)
    assert unsigned.exit_code == VIOLATIONS


def test_pins_do_not_come_with_the_bundle(bus, pins, tmp_path):
    run("export", bus, tmp_path / "bundle")
    shutil.copy(pins, tmp_path / "bundle" / "pins.json")
    result = run("verify", tmp_path / "bundle", "--pins", tmp_path / "bundle" / "pins.json")
    assert (result.exit_code, "pins come from users" in result.output) == (CANNOT_TELL, True)
    assert run("verify", tmp_path / "bundle", "--pins", pins).exit_code == 0  # positive control


def test_options_of_bundles_are_refused_for_lines(bus, log, tmp_path):
    result = run("export", bus, tmp_path / "events.jsonl", "--after", log)
    assert (result.exit_code, "are for bundles" in result.output) == (2, True)
