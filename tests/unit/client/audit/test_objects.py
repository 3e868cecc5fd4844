"""What lies in the vault and what the events say explain each other: OBJ-01 to OBJ-05."""

import hashlib
import json
from base64 import b64encode

import pytest

from solekey.audit import verify_log
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.bundle.stored import StoredList
from solekey.audit.sources import LogError, open_log
from solekey_protocol.encoding import encode_cbor
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.page_list import parse_page_list
from tests.support.audit.on_bus import put_on_bus
from tests.support.client.world import USERNAME
from tests.support.protocol.story import publish_signing_key

MADE_AT = "2026-11-28T12:00:00.000Z"


class Store:
    """A vault and its bus, in memory, to be tampered with."""

    def __init__(self, world):
        vault = world.unlock("laptop")
        vault.put("first", "one")
        vault.put("second", "two" * 400)
        vault.put("first", "three")
        vault.remove("second")
        self.account = world.server.accounts[USERNAME]
        self.events = [publish_signing_key()]
        for stream in Stream:
            self.events += self.account.events[stream]
        commits = [e.body for e in self.account.events[Stream.VAULT] if isinstance(e.body, ItemsCommitted)]
        self.lists = {body.changes for body in commits}
        for body in commits:
            if body.kind is CommitKind.SNAPSHOT:
                self.lists |= {page.digest for page in parse_page_list(self.account.objects[body.changes])}
        self.rows = [self.row("wrap", digest, body) for digest, body in self.account.wraps.items()]
        self.rows += [self.row("object", digest, body) for digest, body in self.account.objects.items()]
        self.rows += [
            {
                "kind": "event",
                "account": event.account,
                "stream": "vault",
                "seq": event.seq,
                "digest": event.digest,
            }
            for event in self.account.events[Stream.VAULT]
        ]

    def row(self, kind, digest, body, **members):
        row = {
            "kind": kind,
            "account": self.account.account,
            "digest": digest,
            "found": hashlib.sha256(body).hexdigest(),
            "size": len(body),
            "claimed": True,
            "stored_at": MADE_AT,
            "dropped": False,
        }
        if digest in self.lists:
            row["content"] = b64encode(body).decode()
        return row | members

    def find(self, kind, *, is_list=False):
        return next(r for r in self.rows if r["kind"] == kind and ("content" in r) == is_list)

    def find_part(self):
        """A part of a live item: the last that was put."""
        return [r for r in self.rows if r["kind"] == "object" and "content" not in r][-1]

    def lines(self):
        head = {"kind": "list", "format": "solekey-stored/v1", "service": "vault", "made_at": MADE_AT}
        return [
            json.dumps(row).encode() for row in (head, *self.rows, {"kind": "end", "rows": len(self.rows)})
        ]

    def judge(self):
        log = put_on_bus(self.events)
        log.objects = StoredList(lambda: iter(self.lines()))
        report = verify_log(log)
        found = [each for each in report.findings if each.check.startswith("OBJ")]
        return report, {(each.check, each.code) for each in found}, found


@pytest.fixture
def store(home):
    return Store(home)


def test_an_honest_vault_is_explained(store):
    report, codes, _ = store.judge()
    assert codes == set()
    rows = {row.check.id: row.looked_at for row in report.coverage}
    assert all(rows[f"OBJ-0{number}"] for number in range(1, 6))


def plaintext(store):
    store.rows.append(store.row("object", hashlib.sha256(b"dear diary").hexdigest(), b"dear diary"))


def exchange_list(store):
    row = store.find("object", is_list=True)
    row["content"] = b64encode(encode_cbor([2, []])).decode()


TAMPERED = {
    "a wrap gone": (lambda s: s.rows.remove(s.find("wrap")), "OBJ-01", "wrap_missing"),
    "a wrap without bytes": (lambda s: s.find("wrap").update(found=None), "OBJ-01", "wrap_missing"),
    "a wrap with a bit flipped": (lambda s: s.find("wrap").update(found="0" * 64), "OBJ-01", "wrap_changed"),
    "a change list gone": (
        lambda s: s.rows.remove(s.find("object", is_list=True)),
        "OBJ-02",
        "change_list_missing",
    ),
    "a change list exchanged": (exchange_list, "OBJ-02", "change_list_wrong"),
    "a part gone": (lambda s: s.rows.remove(s.find_part()), "OBJ-03", "part_missing"),
    "a part with a bit flipped": (lambda s: s.find_part().update(found="0" * 64), "OBJ-03", "part_changed"),
    "a part cut": (lambda s: s.find_part().update(size=1), "OBJ-03", "part_changed"),
    "plaintext that no event explains": (plaintext, "OBJ-04", "object_unexplained"),
    "plaintext in a blob that no row names": (
        lambda s: s.rows.append({"kind": "blob", "name": "diary", "size": 10}),
        "OBJ-04",
        "object_unexplained",
    ),
    "something of an account that the log does not know": (
        lambda s: s.rows.append(s.row("object", "0" * 64, b"x", account="acc_" + "a" * 26)),
        "OBJ-04",
        "object_unexplained",
    ),
    "a table without an event": (lambda s: s.rows.remove(s.find("event")), "OBJ-05", "event_not_stored"),
    "a table with another event": (
        lambda s: s.find("event").update(digest="0" * 64),
        "OBJ-05",
        "event_differs",
    ),
    "a bus without the newest event": (lambda s: s.events.remove(newest(s)), "OBJ-05", "event_not_published"),
}


def newest(store):
    return store.account.events[Stream.VAULT][-1]


@pytest.mark.parametrize("how", TAMPERED)
def test_tampering_with_what_is_stored_is_found(store, how):
    tamper, check, code = TAMPERED[how]
    tamper(store)
    _, codes, _ = store.judge()
    assert (check, code) in codes


def test_a_finding_names_the_event(store):
    store.find("wrap").update(found="0" * 64)
    _, _, (finding,) = store.judge()
    assert (finding.account, finding.stream, finding.seq) == (store.account.account, "vault", 1)
    assert finding.place is not None


def test_what_was_sent_a_short_time_ago_is_counted_and_no_violation(store):
    plaintext(store)
    store.rows[-1].update(claimed=False)
    report, codes, _ = store.judge()
    assert codes == set()
    (notice,) = [each for each in report.notices if each.check == "OBJ-04"]
    assert notice.detail.startswith("1 objects")
    store.rows[-1].update(
        stored_at="2026-11-27T10:00:00.000Z"
    )  # positive control: longer than the grace time
    assert store.judge()[1] == {("OBJ-04", "object_unexplained")}


def test_a_list_goes_into_a_bundle_and_is_checked_there(store, tmp_path):
    listed = tmp_path / "vault.stored"
    listed.write_bytes(b"\n".join(store.lines()) + b"\n")
    export_to_bundle(put_on_bus(store.events), tmp_path / "bundle", stored=[listed])
    assert not [f for f in verify_log(open_log(tmp_path / "bundle")).findings if f.check.startswith("OBJ")]
    store.rows.remove(store.find("wrap"))
    listed.write_bytes(b"\n".join(store.lines()) + b"\n")
    export_to_bundle(put_on_bus(store.events), tmp_path / "other", stored=[listed])
    codes = {finding.code for finding in verify_log(open_log(tmp_path / "other")).findings}
    assert "wrap_missing" in codes


@pytest.mark.parametrize("lines", [b"", b"x\n"], ids=["cut", "no JSON"])
def test_a_list_that_is_none_is_refused_when_it_is_exported(store, tmp_path, lines):
    listed = tmp_path / "vault.stored"
    listed.write_bytes(b"\n".join(store.lines()[:-1]) + b"\n" + lines)
    with pytest.raises(LogError, match="list of what is stored"):
        export_to_bundle(put_on_bus(store.events), tmp_path / "bundle", stored=[listed])
