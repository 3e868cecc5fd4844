"""A bundle holds whatever lies on a bus, byte for byte, and goes on where its export was interrupted."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from solekey.audit import Bounds, LogError, Pin, Verdict, open_log, read_log, verify_log
from solekey.audit.bundle import writer
from solekey.audit.bundle.errors import BundleContinuesError, BundleUnfinishedError
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.bundle.reader import BundleLog
from solekey.audit.sources import BusPlace, Extent, Record, export_log
from solekey.errors import OutputExistsError, TargetError
from solekey_eventlog.bus import Message, derive_topics, open_bus
from solekey_protocol.ids import PublicKey
from solekey_protocol.partition import derive_partition
from tests.support.audit.on_bus import PARTITIONS, put_on_bus
from tests.support.protocol.keyring import ACCOUNT, MALLORY, USER
from tests.support.protocol.story import tell_whole

PINS = {ACCOUNT: Pin(USER.public)}
TOPIC = "solekey.vault.v1"
FOLDER_OR_FILE = pytest.mark.parametrize("name", ["bundle", "bundle.tar"])


@pytest.fixture
def log():
    return put_on_bus(tell_whole())


@pytest.fixture
def key(tmp_path):
    """A PEM file with an exporter's key, and the public key."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    path = tmp_path / "exporter.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path, PublicKey(private.public_key().public_bytes_raw().hex())


def records(log):
    return list(log.records())


def verdict(*paths, **bounds):
    report = verify_log(open_log(*paths), PINS, Bounds(**bounds))
    return report.verdict, {each.code for each in report.findings}


@FOLDER_OR_FILE
def test_an_honest_log_comes_back_as_it_was(log, tmp_path, name):
    target = tmp_path / name
    exported = export_to_bundle(log, target)
    bundle = open_log(target)
    assert records(bundle) == records(log)
    assert (bundle.bus, bundle.total, exported.records) == (log.bus, log.total, log.total)
    assert bundle.bundles[0].name == exported.name
    assert verdict(target) == (Verdict.CLEAN, set())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@FOLDER_OR_FILE
def test_a_bundle_holds_what_no_line_can_hold(log, tmp_path, name):
    place = BusPlace(TOPIC, derive_partition(ACCOUNT, PARTITIONS), 0)
    odd = [
        Record(b'{"a":\n1}\r\n', place, b"key"),
        Record(None, replace(place, offset=1), None, 7),
        Record(b"x" * 200_000, replace(place, offset=2), b"", 8),
        Record(b"", replace(place, offset=3), b"\xff\x00", None, (("name", b"\n"), ("", b""))),
    ]
    log.kept = odd
    export_to_bundle(log, tmp_path / name)
    assert records(open_log(tmp_path / name)) == odd
    with pytest.raises(LogError, match="only a bundle can hold it"):  # positive control
        export_log(tmp_path / name, tmp_path / "events.jsonl")


def test_lines_come_out_of_a_bundle(log, tmp_path):
    export_to_bundle(log, tmp_path / "bundle")
    count = export_log(tmp_path / "bundle", tmp_path / "events.jsonl")
    assert count == len(tell_whole())
    assert set(read_log(tmp_path / "events.jsonl")) == {event.raw for event in tell_whole()}
    with pytest.raises(LogError, match="no places on the bus"):
        export_to_bundle(open_log(tmp_path / "events.jsonl"), tmp_path / "other")


def test_a_bundle_of_an_embedded_bus(tmp_path):
    url = f"embedded://{tmp_path / 'bus.db'}"
    with open_bus(url) as bus:
        bus.create_topics(derive_topics())
        bus.publish_many([Message(f"solekey.{e.stream}.v1", e.account, e.raw) for e in tell_whole()])
        export_to_bundle(open_log(url), tmp_path / "bundle.tar")
    assert verdict(tmp_path / "bundle.tar") == (Verdict.CLEAN, set())
    assert set(read_log(tmp_path / "bundle.tar")) == {event.raw for event in tell_whole()}


def test_parts_are_split(log, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PART_BYTES", 2000)
    exported = export_to_bundle(log, tmp_path / "bundle")
    parts = [path for path in BundleLog(tmp_path / "bundle").manifest.files if path.startswith("records/")]
    assert exported.records == log.total
    assert len(parts) > 10
    assert records(open_log(tmp_path / "bundle")) == records(log)


class KilledError(Exception):
    """What a signal is."""


@FOLDER_OR_FILE
def test_an_export_that_is_killed_goes_on_and_does_at_most_a_part_again(log, tmp_path, monkeypatch, name):
    monkeypatch.setattr(writer, "PART_BYTES", 2000)
    target, whole, read = tmp_path / name, log.records, []

    def counted(ranges=None, *, until=None):
        for record in whole(ranges):
            if len(read) == until:
                raise KilledError
            read.append(record)
            yield record

    log.records = lambda ranges=None: counted(ranges, until=17)
    with pytest.raises(KilledError):
        export_to_bundle(log, target)
    assert not target.exists() or not (target / "manifest.json").exists()
    read.clear()
    log.records = counted
    exported = export_to_bundle(log, target)
    assert exported.resumed > 10
    assert len(read) == log.total - exported.resumed
    assert len(read) <= log.total - 17 + 4  # at most a part again: three records, and the one that was read
    assert verdict(target) == (Verdict.CLEAN, set())
    log.records = whole
    assert records(open_log(target)) == records(log)


def test_an_interrupted_export_is_no_bundle_and_is_of_its_bus(log, tmp_path):
    export_to_bundle(log, tmp_path / "bundle")
    (tmp_path / "bundle" / "manifest.json").unlink()
    with pytest.raises(BundleUnfinishedError):
        open_log(tmp_path / "bundle")
    other = put_on_bus(tell_whole())
    other.bus = replace(other.bus, cluster="another")
    with pytest.raises(LogError, match="of another bus"):
        export_to_bundle(other, tmp_path / "bundle")
    assert export_to_bundle(log, tmp_path / "bundle").resumed == log.total


def test_a_damaged_part_of_an_interrupted_export_is_written_again(log, tmp_path):
    export_to_bundle(log, tmp_path / "bundle")
    (tmp_path / "bundle" / "manifest.json").unlink()
    part = next((tmp_path / "bundle").glob(f"records/{TOPIC}/*/*.part"))
    part.write_bytes(part.read_bytes()[:-5])
    export_to_bundle(log, tmp_path / "bundle")
    assert verdict(tmp_path / "bundle") == (Verdict.CLEAN, set())


def test_nothing_is_overwritten(log, tmp_path):
    for name in ("bundle", "bundle.tar"):
        export_to_bundle(log, tmp_path / name)
        with pytest.raises(OutputExistsError):
            export_to_bundle(log, tmp_path / name)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary").write_text("dear")
    with pytest.raises(TargetError, match="not empty"):
        export_to_bundle(log, tmp_path / "full")


def test_only_what_is_new_is_exported_and_audited_with_what_was_before(log, tmp_path):
    earlier = put_on_bus(tell_whole()[:14])
    beats = [record for record in log.kept if record.is_heartbeat]
    log.kept = [record for record in log.kept if not record.is_heartbeat]
    log.kept += [record for record in earlier.kept if record.is_heartbeat]
    log.kept += [replace(each, place=replace(each.place, offset=each.place.offset + 4)) for each in beats]
    log.change_topic("solekey.heartbeat.v1", partitions={0: Extent(0, 8)})
    first, second = tmp_path / "first", tmp_path / "second.tar"
    export_to_bundle(earlier, first)
    exported = export_to_bundle(log, second, after=first)
    assert exported.records == log.total - earlier.total
    assert verdict(first, second) == (Verdict.CLEAN, set())
    assert records(open_log(first, second)) != records(log)  # bundle by bundle
    assert sorted(records(open_log(first, second)), key=str) == sorted(records(log), key=str)
    for wrong in ((second,), (second, first), (first, second, second)):
        with pytest.raises(BundleContinuesError):
            open_log(*wrong)


def test_a_bundle_that_was_to_hold_more(log, tmp_path):
    export_to_bundle(log, tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "manifest.json"
    document = json.loads(manifest.read_bytes())
    document["ranges"] = [each for each in document["ranges"] if each["topic"] != TOPIC]
    manifest.write_bytes(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())
    assert verdict(tmp_path / "bundle") == (Verdict.VIOLATIONS, {"range_missing"})


@FOLDER_OR_FILE
def test_a_bundle_is_signed(log, tmp_path, key, name):
    path, public = key
    assert export_to_bundle(log, tmp_path / name, signing_key=path).exporter == public
    assert verdict(tmp_path / name, exporter=public) == (Verdict.CLEAN, set())
    assert verdict(tmp_path / name, exporter=MALLORY.public) == (Verdict.VIOLATIONS, {"bundle_unsigned"})


@pytest.mark.parametrize("what", ["absent", "no JSON", "of another manifest"])
def test_a_signature_that_is_none(log, tmp_path, key, what):
    path, public = key
    bundle = tmp_path / "bundle"
    export_to_bundle(log, bundle, signing_key=path)
    signature = bundle / "manifest.sig"
    if what == "absent":
        signature.unlink()
    elif what == "no JSON":
        signature.write_bytes(b"x")
    else:
        manifest = bundle / "manifest.json"
        manifest.write_bytes(manifest.read_bytes().replace(b'"tool":"solekey', b'"tool":"Solekey'))
    assert verdict(bundle, exporter=public) == (Verdict.VIOLATIONS, {"bundle_unsigned"})


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", MALLORY.public.encode()])
def test_a_key_that_is_none(log, tmp_path, content):
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(LogError, match="no key"):
        export_to_bundle(log, tmp_path / "bundle", signing_key=path)
