"""What an operator can do to each service: python -m solekey_<service> rebuild|parked|retry|…"""

import re
from dataclasses import replace

import pytest
from sqlalchemy import delete

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.bus import Message, Record
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import TOPICS
from solekey_protocol.statements import EMPTY_HEAD
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.command_line import parse_command_line, run_command_on
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.actors import Actor
from tests.support.definitions import DEFINITIONS
from tests.support.eventlog.broken_logs import cut_tail

SERVICES = {definition.stream: definition for definition in DEFINITIONS}
OWN = {
    Stream.AUTH: {
        "accounts",
        "account",
        "end-sessions",
        "secure-restored",
        "signing-keys",
        "rotate-signing-key",
    },
    Stream.VAULT: {"rebuild-items", "check-objects", "quota"},
    Stream.ROTATION: {"rebuild-key-ages"},
}
ANA = Actor("ana", "laptop")
TOPIC = TOPICS[Stream.AUTH]


@pytest.fixture
def devices(rig):
    return rig.build(DEVICES)


@pytest.fixture
def operate(rig, tmp_path, capsys):
    def run(api, definition, *arguments):
        config = replace(api.kernel.config, bus_url=f"embedded://{tmp_path / 'bus.db'}", bus_partitions=6)
        code = run_command_on(definition, config, parse_command_line(definition, arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def tell(rig, count):
    """Facts of auth about Ana's account, as records of the bus; they are published too."""
    events, head = [], EMPTY_HEAD
    now = Timestamp.from_datetime(rig.clock.now())
    for _ in range(count):
        fact = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)
        events.append(encode_event(fact, account=ANA.account, after=head, time=now))
        head = events[-1].head
    places = rig.bus.publish_many([Message(TOPIC, event.account, event.raw) for event in events])
    return [
        Record(TOPIC, place.partition, place.offset, event.account, event.raw)
        for place, event in zip(places, events, strict=True)
    ]


ACCOUNT = "acc_aaaqeayeaudaocajbifqydiob4"
NEEDED = {"quota": [ACCOUNT], "account": [ACCOUNT], "end-sessions": [ACCOUNT]}
NEEDED["declare-restored"] = ["--as-of", "2026-11-28T17:00:00.000Z"]


@pytest.mark.parametrize("stream", list(Stream))
def test_every_service_has_the_same_commands_and_its_own(stream, capsys):
    definition = SERVICES[stream]
    with pytest.raises(SystemExit) as ended:
        parse_command_line(definition, ["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    common = {"serve", "rebuild", "parked", "retry", "list-stored", "check", "republish", "declare-restored"}
    for name in common | OWN.get(stream, set()):
        assert re.search(rf"^ +{name}\b", told, re.MULTILINE), told
        assert parse_command_line(definition, [name, *NEEDED.get(name, [])]).command == name
    assert f"python -m solekey_{stream}" in told


def test_without_a_command_it_serves_and_the_file_may_be_named_before_or_after():
    assert parse_command_line(DEVICES, []).command == "serve"
    for arguments in (
        ["--config", "x.toml"],
        ["serve", "--config", "x.toml"],
        ["--config", "x.toml", "parked"],
    ):
        assert str(parse_command_line(DEVICES, arguments).config) == "x.toml"


@pytest.mark.parametrize("arguments", [["rebuild-everything"], ["parked", "all"], ["rotate-signing-key"]])
def test_a_command_that_it_has_not_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_command_line(DEVICES, arguments)
    assert ended.value.code == 2
    assert "usage: python -m solekey_devices" in capsys.readouterr().err


def test_what_is_parked_is_listed_with_its_reason(rig, devices, operate):
    assert operate(devices, DEVICES, "parked")[:2] == (0, "")
    _, second = tell(rig, 2)
    devices.kernel.projector.apply(second)
    code, listed, told = operate(devices, DEVICES, "parked")
    assert code == 0
    assert listed.split()[:4] == [ANA.account, "auth", "2", "sequence_gap"]
    assert "1 accounts are parked" in told
    assert "sequence_gap: an event before it has not come" in told  # and what follows from that


def test_what_is_parked_is_tried_again(rig, devices, operate):
    first, second = tell(rig, 2)
    devices.kernel.projector.apply(second)
    assert "0 of 1 accounts are free again; 1 are still parked" in operate(devices, DEVICES, "retry")[1]
    with devices.kernel.store.begin() as uow:
        row = {"account": ANA.account, "stream": "auth", "seq": 1, "digest": "", "raw": first.value}
        event = encode_event(
            auth.LoginFailed(auth.LoginStage.LOGIN_KEY),
            account=ANA.account,
            after=EMPTY_HEAD,
            time=Timestamp.from_datetime(rig.clock.now()),
        )
        uow.connection.execute(uow.tables.inbox.insert().values(row | {"digest": event.digest}))
    assert "1 of 1 accounts are free again; 0 are still parked" in operate(devices, DEVICES, "retry")[1]


def test_an_inbox_is_rebuilt_by_the_command_that_the_log_names(rig, devices, operate, caplog):
    assert operate(devices, DEVICES, "rebuild")[0] == 0  # notes which log it is, as each start does
    first, second, third = tell(rig, 3)
    for record in (first, third):
        devices.kernel.projector.apply(record)
    named = re.search(r"rebuild the inbox: python -m solekey_devices (.*)", caplog.text)
    assert named is not None
    code, told, _ = operate(devices, DEVICES, *named[1].split())
    assert (code, "rebuilt the inbox from 3 events; 0 accounts are parked" in told) == (0, True)
    with devices.kernel.store.read() as uow:
        assert devices.kernel.streams.position(uow, ANA.account, Stream.AUTH).seq == 3
    assert second.offset == 1


def test_what_rewrites_rows_is_refused_while_the_service_runs(rig, devices, operate):
    tell(rig, 1)
    with open_publisher_lock(devices.kernel.engine) as lock:
        assert lock.acquire()
        code, told, why = operate(devices, DEVICES, "rebuild")
        assert (code, told) == (1, "")
        assert "the devices service is running on this database; stop it first" in why
        assert operate(devices, DEVICES, "parked")[0] == 0
    assert operate(devices, DEVICES, "rebuild")[0] == 0  # positive control


def test_a_bus_that_has_lost_events_is_no_source_of_a_rebuild(rig, devices, operate, tmp_path):
    assert operate(devices, DEVICES, "rebuild")[0] == 0
    for record in tell(rig, 2):
        devices.kernel.projector.apply(record)
    cut_tail(tmp_path / "bus.db", TOPIC, 1)
    code, _, why = operate(devices, DEVICES, "rebuild")
    assert code == 1
    assert f"{TOPIC}: 1 events of 1 accounts ({ANA.account})" in why
    assert "First: python -m solekey_auth republish" in why
    with devices.kernel.store.begin() as uow:
        assert uow.connection.execute(delete(uow.tables.inbox)).rowcount == 2  # nothing was changed


def test_the_read_models_are_rebuilt(rig, operate, tmp_path):
    rig.build(DEVICES)
    vault = rig.build(VAULT, object_store_url=f"file://{tmp_path}/objects")
    rotation = rig.build(ROTATION)
    rig.append(ANA.sign(ANA.founded()))
    rig.deliver()
    assert operate(vault, VAULT, "rebuild-items")[:2] == (0, "rebuilt the items of 0 accounts\n")
    assert operate(rotation, ROTATION, "rebuild-key-ages")[:2] == (0, "rebuilt the key ages of 1 accounts\n")
