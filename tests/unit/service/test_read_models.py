"""What services derive from events is rebuilt by the one command: compared, and switched where it differs."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.snapshots import save_snapshot
from solekey_protocol.streams import DevicesStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_rotation.tables import key_ages
from solekey_service.command_line import parse_command_line, run_command_on
from tests.support.actors import Actor

ANA, BOB = Actor("ana", "laptop"), Actor("bob", "laptop")


@pytest.fixture
def operate(rig, tmp_path, capsys):
    def run(api, definition, *arguments):
        config = replace(api.kernel.config, bus_url=f"embedded://{tmp_path / 'bus.db'}", bus_partitions=6)
        code = run_command_on(definition, config, parse_command_line(definition, arguments))
        return code, capsys.readouterr().out

    return run


def read(store, *columns):
    with store.read() as uow:
        return uow.connection.execute(select(*columns).order_by(columns[0])).all()


def test_key_ages_are_compared_and_what_differs_is_made_anew(rig, operate):
    rig.build(DEVICES)
    rotation = rig.build(ROTATION)
    for actor in (ANA, BOB):
        rig.append(actor.sign(actor.founded()))
    rig.deliver()
    store, columns = rotation.kernel.store, (key_ages.c.account, key_ages.c.user_key_since)
    right = read(store, *columns)
    code, told = operate(rotation, ROTATION, "rebuild")
    assert (code, "key ages: as the events say" in told) == (0, True)
    with store.begin() as uow:
        uow.connection.execute(
            update(key_ages).where(key_ages.c.account == ANA.account).values(user_key_since=None)
        )
        uow.connection.execute(delete(key_ages).where(key_ages.c.account == BOB.account))
    wrong = read(store, *columns)
    code, told = operate(rotation, ROTATION, "rebuild", "--dry-run")
    assert (code, "key ages: those of 2 accounts differ\n" in told) == (1, True)
    assert read(store, *columns) == wrong
    code, told = operate(rotation, ROTATION, "rebuild")
    assert (code, "those of 2 accounts differed, and are made anew" in told) == (0, True)
    assert read(store, *columns) == right


def test_a_snapshot_that_the_events_do_not_amount_to_is_deleted(rig, operate):
    """One whose head is right and whose fold is not: nothing else finds it."""
    service = rig.build(DEVICES)
    rig.append(ANA.sign(ANA.founded()))
    store, table = service.kernel.store, service.kernel.store.tables.fold_snapshots
    with store.begin() as uow:
        fold = service.kernel.streams.fold(uow, ANA.account, DevicesStream)
        save_snapshot(uow, fold)
    code, told = operate(service, DEVICES, "rebuild", "--dry-run")
    assert (code, "snapshots" in told) == (0, False)  # control: a right one is none
    with store.begin() as uow:
        save_snapshot(uow, replace(fold, keys=()))
    code, told = operate(service, DEVICES, "rebuild", "--dry-run")
    assert (code, "fold snapshots: 1 differ\n" in told) == (1, True)
    assert len(read(store, table.c.account)) == 1
    code, told = operate(service, DEVICES, "rebuild")
    assert (code, "fold snapshots: 1 differed, and are made anew" in told) == (0, True)
    assert read(store, table.c.account) == []
