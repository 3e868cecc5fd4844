"""``verify --archive`` and ``export --since``: what an auditor does with an archive."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from solekey.audit import open_log, verify_log
from solekey.audit.archive.archive import Archive
from solekey.audit.archive.errors import ArchiveContinuesError, ArchiveError
from solekey.audit.archive.verdict import read_point
from solekey.audit.bundle.export import export_to_bundle
from solekey.cli import solekey
from tests.support.audit.auditor import AUDITOR, write_key
from tests.support.audit.on_bus import put_on_bus
from tests.support.durability import sign_without_waiting
from tests.support.protocol.story import tell_whole


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nothing waits for the disk."""
    sign_without_waiting(monkeypatch)


OLD = 14
"""So many events of the story were there at the first audit."""


def shorten(log, count):
    """The bus as it was when it held the first events."""
    return put_on_bus(tell_whole()[:count]) if count else log


def run(*arguments):
    return CliRunner().invoke(solekey, ["audit", *(str(each) for each in arguments)])


@pytest.fixture
def scene(tmp_path):
    """Two bundles of a bus that grows, and an auditor's key."""
    export_to_bundle(shorten(None, OLD), tmp_path / "old")
    export_to_bundle(put_on_bus(tell_whole()), tmp_path / "all")
    return tmp_path, write_key(AUDITOR, tmp_path / "auditor.pem")


def verify(scene, source, *more):
    folder, key = scene
    done = run(
        "verify", folder / source, "--archive", folder / "archive", "--signing-key", key, "--json", *more
    )
    return done.exit_code, json.loads(done.stdout)


def test_what_is_new_is_exported_and_the_answer_is_of_the_whole(scene):
    folder, _ = scene
    code, first = verify(scene, "old")
    assert (code, first["verdict"], first["records"]) == (2, "cannot_tell", OLD)
    exported = run("export", folder / "all", folder / "new", "--since", folder / "archive", "--json")
    assert exported.exit_code == 0, exported.output
    assert json.loads(exported.stdout)["records"] < len(tell_whole())
    code, second = verify(scene, "new")
    assert (code, second["findings"], second["records"]) == (2, [], len(tell_whole()))
    assert second["provenance"]["seen"] == first_digest(folder)
    assert second["provenance"]["folded"] == 1
    whole = verify_log(open_log(folder / "all")).summary()
    assert second["checks"] == [
        each if each["check"] not in ("HED-01", "BUN-02", "BUN-03", "BUN-04", "BUS-03", "BUS-07") else other
        for each, other in zip(whole["checks"], second["checks"], strict=True)
    ]


def first_digest(folder):
    """The verdict before the last one."""
    return read_point(folder / "archive").point.before


def test_what_does_not_continue_is_no_verdict(scene):
    folder, _ = scene
    verify(scene, "old")
    assert verify(scene, "old")[1]["code"] == "bundle_continues"
    export_to_bundle(put_on_bus(tell_whole()), folder / "new", since=folder / "archive.verdict.json")
    assert verify(scene, "new")[1]["verdict"] == "cannot_tell"
    code, again = verify(scene, "new")
    assert (code, again["code"]) == (2, "bundle_continues")
    assert "--archive" in again["next"]
    lines = folder / "events.jsonl"
    lines.write_bytes(b"".join(event.raw + b"\n" for event in tell_whole()))
    assert verify(scene, "events.jsonl")[1]["code"] == "log_unreadable"


def test_a_bundle_that_was_damaged_leaves_the_archive_as_it_was(scene):
    folder, _ = scene
    verify(scene, "old")
    export_to_bundle(put_on_bus(tell_whole()), folder / "new", since=folder / "archive")
    part = next((folder / "new" / "records").rglob("*.part"))
    sound = part.read_bytes()
    part.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    before = read_point(folder / "archive")
    code, damaged = verify(scene, "new")
    assert (code, {each["check"] for each in damaged["findings"]} >= {"BUN-02"}) == (1, True)
    assert read_point(folder / "archive") == before
    part.write_bytes(sound)
    assert verify(scene, "new")[1]["findings"] == []
    assert read_point(folder / "archive").point.number == 2


def test_a_bus_is_read_from_where_the_archive_ends(scene, tmp_path):
    log = put_on_bus(tell_whole())
    with Archive(tmp_path / "live", AUDITOR) as archive:
        verify_log(shorten(None, OLD), archive=archive)
    with Archive(tmp_path / "live", AUDITOR) as archive:
        report = verify_log(log, archive=archive)
    assert report.records == len(tell_whole())
    assert [each for each in report.findings if each.check != "BUS-03"] == []
    assert {each.place.topic for each in report.findings} <= {"solekey.heartbeat.v1"}
    assert sum(each.records for each in report.provenance.ranges) == len(tell_whole())
    other = replace(log, bus=replace(log.bus, cluster="another"))
    with (
        Archive(tmp_path / "live", AUDITOR) as archive,
        pytest.raises(ArchiveContinuesError, match="another"),
    ):
        verify_log(other, archive=archive)


def test_an_export_since_an_archive_is_of_the_same_bus(scene):
    folder, _ = scene
    verify(scene, "old")
    log = put_on_bus(tell_whole())
    other = replace(log, bus=replace(log.bus, cluster="another"))
    with pytest.raises(ArchiveContinuesError, match="not the bus"):
        export_to_bundle(other, folder / "new", since=folder / "archive")
    log.kept = [replace(each, raw=b"{}") for each in log.kept]
    with pytest.raises(ArchiveContinuesError, match="no longer holds"):
        export_to_bundle(log, folder / "new", since=folder / "archive")
    (folder / "nothing").write_bytes(b"{}")
    with pytest.raises(ArchiveError):
        export_to_bundle(log, folder / "new", since=folder / "nothing")


def test_options_that_exclude_each_other(scene):
    folder, key = scene
    verify(scene, "old")
    old = folder / "old"
    for arguments in (
        ("verify", old, "--archive", folder / "archive"),
        ("verify", old, "--archive", folder / "archive", "--seen", folder / "seen", "--signing-key", key),
        ("export", old, folder / "new", "--after", old, "--since", folder / "archive"),
        ("export", old, folder / "new.jsonl", "--since", folder / "archive"),
    ):
        assert run(*arguments).exit_code == 2, arguments


def test_a_person_reads_what_was_gone_through(scene):
    folder, key = scene
    verify(scene, "old")
    run("export", folder / "all", folder / "new", "--since", folder / "archive")
    done = run("verify", folder / "new", "--archive", folder / "archive", "--signing-key", key)
    assert "goes on from the verdict sha256:" in done.output
    assert "1 account gone through" in done.output
