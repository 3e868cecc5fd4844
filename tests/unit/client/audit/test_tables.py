"""Tables hold what verifies; forged rows and contested ones are no facts, and are marked."""

import pytest

from solekey.audit import LogError, Pin, Tables, verify_log
from solekey.audit.tables.columns import TABLES
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, auth, rotation, vault
from solekey_protocol.statements import Head
from tamper.classes.collusion import COLLUSION
from tests.support.audit.on_bus import put_on_bus
from tests.support.protocol.keyring import (
    ACCOUNT,
    KEY_ID,
    LAPTOP,
    MALLORY,
    NEXT_USER,
    PHONE,
    USER,
    record,
    say,
)
from tests.support.protocol.story import PHONE_SESSION, tell, tell_whole, wrapped


@pytest.fixture
def make_tables(tmp_path):
    def make(records, pins=None):
        path = tmp_path / "tables.duckdb"
        report = verify_log(records, pins, tables=path)
        return Tables(path), report

    return make


def of_type(log, kind):
    return [event for event in log if isinstance(event.body, kind)]


def test_an_honest_log(make_tables):
    log = tell_whole()
    tables, report = make_tables([event.raw for event in log], {ACCOUNT: Pin(USER.public)})
    with tables:
        events = tables.events()
        assert len(events) == len(log)
        assert list(events["time"]) == sorted(events["time"])
        assert str(events["time"].dt.tz) == "UTC"
        assert set(events["digest"]) == {event.digest for event in log}
        wraps = tables.wraps()
        assert list(wraps["wrap_version"]) == [1, 2]
        assert list(wraps["retired"].isna()) == [False, True]
        devices = tables.devices().set_index("device")
        assert dict(devices["status"]) == {LAPTOP.device: "trusted", PHONE.device: "revoked"}
        assert list(devices["revoked_at"].isna()) == [device != PHONE.device for device in devices.index]
        assert set(tables.revocations()["what"]) == {"device", "session"}
        assert list(tables.commits()["commit"]) == [1, 2, 3]
        assert list(tables.rotations()["step"]) == ["started", "verified", "committed", "completed"]
        assert set(tables.rotations()["kind"]) == {"user_key"}
        sessions = tables.sessions().set_index("session")
        assert sessions.loc[PHONE_SESSION, "reason"] == "device_revoked"
        assert tables.findings().empty
        assert len(tables.rotations_due()) == len(of_type(log, rotation.RotationDue))
        assert tables.fields()["longest"].max() <= 128
        accounts = tables.accounts().set_index("account")
        assert accounts.loc[ACCOUNT, ["events", "verified", "pinned"]].tolist() == [len(log) - 1] * 2 + [True]
        assert list(tables.coverage()["check"]) == [row.check.id for row in report.coverage]
        assert tables.about()["verdict"] == "clean"
        assert tables.about()["digest"] == report.provenance.digest


def test_an_account_and_a_limit(make_tables):
    tables, _ = make_tables([event.raw for event in tell_whole()])
    with tables:
        assert set(tables.events(accounts=[ACCOUNT])["account"]) == {ACCOUNT}
        assert len(tables.events(limit=3)) == 3
        assert len(tables.events(accounts=[])) == 0
        most = tables.query("SELECT max(seq) AS last FROM events WHERE stream = ?", ["vault"])
        assert most["last"].tolist() == [6]


def test_every_table_has_its_columns_where_the_log_is_empty(make_tables):
    tables, _ = make_tables([])
    with tables:
        for name, columns in TABLES.items():
            assert list(tables.query(f"SELECT * FROM {name}")) == list(columns)  # noqa: S608 - our names


def forge_wrap(log):
    """A wrap that the operator has written behind the last one, under a key of its own."""
    last = [event for event in log if event.stream == Stream.VAULT][-1].head
    return record(say(wrapped(1, 3, KEY_ID), last, account=MALLORY), last)


def test_a_forged_wrap_is_no_live_one(make_tables):
    log = tell()
    tables, report = make_tables([event.raw for event in (*log, forge_wrap(log))])
    with tables:
        assert report.findings
        assert list(tables.wraps()["wrap_version"]) == [1, 2]
        forged = tables.wraps(unverified=True).iloc[-1]
        assert (forged["wrap_version"], forged["verified"]) == (3, False)
        assert forged["cause"].split()[0] in {"SIG-01", "CHN-02"}


def fork(log):
    """Another end of the auth stream."""
    last = [event for event in log if event.stream == Stream.AUTH][-1]
    other = auth.SessionEnded(PHONE_SESSION, auth.SessionEnd.LOGOUT)
    return last, record(other, Head(last.seq - 1, last.prev))


@pytest.mark.parametrize("order", [1, -1])
def test_on_a_fork_the_pinned_branch_is_followed_and_without_a_pin_neither(make_tables, order):
    log = tell()
    real, forged = fork(log)
    records = [event.raw for event in (*log, forged)][::order]
    tables, report = make_tables(records)
    with tables:
        assert {finding.code for finding in report.findings} >= {"chain_fork"}
        contested = tables.events(unverified=True).query("not verified")
        assert set(contested["digest"]) == {real.digest, forged.digest}
        assert set(contested["cause"]) == {"CHN-02 chain_fork"}
        assert tables.revocations().query("what == 'session'").empty
        assert report.accounts[ACCOUNT].head(Stream.AUTH) == real.seq - 1
    tables, report = make_tables(records, {ACCOUNT: Pin(USER.public, {Stream.AUTH: real.head})})
    with tables:
        assert {finding.code for finding in report.findings} == {"chain_fork"}
        assert list(tables.revocations().query("what == 'session'")["reason"]) == ["device_revoked"]
        assert list(tables.events(unverified=True).query("not verified")["digest"]) == [forged.digest]
    tables, report = make_tables(records, {ACCOUNT: Pin(USER.public, {Stream.AUTH: forged.head})})
    with tables:  # what statements have seen contradicts the pin
        others = tables.events(unverified=True).query("not verified").set_index("digest")["cause"]
        assert dict(others) == {real.digest: "CHN-02 chain_fork", forged.digest: "CHN-03 chain_fork"}


def test_a_wrap_that_breaks_the_lineage_is_marked(make_tables):
    log = tell()
    heads = {stream: [each for each in log if each.stream == stream][-1].head for stream in Stream}
    after = heads.pop(Stream.VAULT)
    escrow = record(say(wrapped(1, 3, KEY_ID), after, heads=heads, account=NEXT_USER), after)
    tables, report = make_tables([event.raw for event in (*log, escrow)])
    with tables:
        assert "LIN-01 key_not_current" in {f"{each.check} {each.code}" for each in report.findings}
        assert list(tables.wraps()["wrap_version"]) == [1, 2]
        assert tables.wraps(unverified=True).iloc[-1]["cause"] == "LIN-01 key_not_current"


def test_what_is_no_file_of_tables(tmp_path):
    (tmp_path / "x").write_text("no tables")
    for path in (tmp_path / "x", tmp_path / "absent"):
        with pytest.raises(LogError, match="no tables of an audit"):
            Tables(path)


def test_a_query_changes_nothing_and_reads_nothing_else(make_tables, tmp_path):
    import duckdb

    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    tables, _ = make_tables([event.raw for event in tell_whole()])
    with tables:
        for sql in (f"SELECT * FROM read_csv('{secret}')", "DROP TABLE events"):  # noqa: S608 - our names
            with pytest.raises(duckdb.Error):
                tables.query(sql)


def test_commit_fields_are_counted(make_tables):
    tables, _ = make_tables([event.raw for event in tell_whole()])
    with tables:
        fields = tables.fields().set_index(["event", "field"])
        assert fields.loc[(vault.ItemsCommitted.__name__, "commit"), "count"] == 3


def test_what_only_two_accounts_together_show_is_named_at_its_event(make_tables):
    """A wrap that two accounts have: each of them alone has nothing wrong."""
    exhibit = next(each for each in COLLUSION.classes if each.what == "two accounts have one data key").make()
    tables, report = make_tables(exhibit.log)
    (found,) = (each for each in report.findings if each.code == "key_repeated")
    assert report.across == (found,)
    assert report.accounts[found.account].findings >= 1
    with tables:
        events = tables.events()
        caused = events[events["cause"] == "WRP-02 key_repeated"]
        assert [(row.account, row.stream, row.seq) for row in caused.itertuples()] == [
            (found.account, found.stream, found.seq)
        ]
        assert caused["verified"].all()
        assert len(events) == len(exhibit.log)
        wraps = tables.wraps()
        assert list(wraps[wraps["cause"].notna()]["account"]) == [found.account]


def test_a_cause_across_accounts_has_its_place_on_the_bus(make_tables):
    exhibit = next(each for each in COLLUSION.classes if each.what == "two accounts have one data key").make()
    log = put_on_bus(map(parse_event, exhibit.log))
    (found,) = (each for each in verify_log(log).findings if each.code == "key_repeated")
    assert next(each.raw for each in log.kept if each.place == found.place) in exhibit.log
