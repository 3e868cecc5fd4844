"""What one account may store, send and say is bounded; what another does is not."""

import shutil
from argparse import ArgumentParser
from datetime import timedelta
from types import SimpleNamespace

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.vault import ObjectsPurged
from solekey_protocol.ids import ItemId
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.refusals import QuotaExceeded, RateLimited
from solekey_vault import api as vault_api
from solekey_vault.definition import DEFINITION
from solekey_vault.gauges import GAUGES
from solekey_vault.purge import UNCLAIMED_KEPT
from solekey_vault.quota_command import QUOTA
from solekey_vault.usage_repository import Quota, Usage, UsageRepository
from solekey_vault.wrap_repository import MAX_UNCLAIMED_WRAPS
from tests.support.content import change_of, commit_of, seal_wrap_like
from tests.unit.vault.vault_rig import LAPTOP, NEW_KEY, OLD_KEY, Vault

LARGE = 100_000
"""More than a row holds: a blob."""


def make_vault(rig, folder, monkeypatch, **settings):
    build = rig.build
    monkeypatch.setattr(
        rig,
        "build",
        lambda definition, **members: build(
            definition, **members, **(settings if definition is DEFINITION else {})
        ),
    )
    vault = Vault(rig, folder)
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    rig.log_in(LAPTOP)
    assert vault.add_wrap().status == 201
    return vault


def fill_with_wraps(rig, folder, monkeypatch, key):
    """Make a vault in which as many wraps wait for their statements as may, and more wraps."""
    vault = make_vault(rig, folder, monkeypatch)
    monkeypatch.setattr(vault_api, "MAX_UNCLAIMED_WRAPS", 3)
    waiting = [seal_wrap_like(1, version, key.key_id) for version in range(2, 12)]
    for wrap in waiting[:3]:
        vault.put_wrap(wrap)
    return vault, waiting


def usage_of(vault):
    with vault.kernel.store.read() as uow:
        return UsageRepository(uow).find_usage(LAPTOP.account)


def test_the_operator_sees_how_much_is_stored_and_how_much_room_there_is(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch)
    names = ("object_bytes", "objects", "object_store_free_bytes", "object_store_reserve_bytes")
    gauges = {gauge.name.removeprefix("solekey_"): gauge for gauge in GAUGES}
    assert tuple(gauges) == names
    vault.put(bytes(100), bytes(LARGE))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12345))
    found = {name: gauges[name].read(vault.api)[()] for name in names}
    assert found == dict(zip(names, (100 + LARGE, 2, 12345, 256 * 1024**2), strict=True))


@pytest.mark.parametrize("size", [100, LARGE], ids=["rows", "blobs"])
def test_bytes_have_a_quota_whether_claimed_or_not(rig, tmp_path, monkeypatch, size):
    vault = make_vault(rig, tmp_path, monkeypatch, account_bytes=3 * size)
    bodies = [bytes([number]) * size for number in range(4)]
    vault.put(*bodies[:3])
    with pytest.raises(QuotaExceeded) as refused:
        vault.put(bodies[3])
    assert refused.value.extras == {"unit": "bytes", "limit": 3 * size, "used": 3 * size}
    assert vault.has(*bodies) == [True, True, True, False]
    vault.put(*bodies[:3])  # is there already
    assert usage_of(vault).bytes == 3 * size
    vault.rig.clock.advance((UNCLAIMED_KEPT + timedelta(minutes=1)).total_seconds())
    vault.api.purge_unclaimed()
    assert (usage_of(vault).bytes, usage_of(vault).objects) == (0, 0)
    vault.put(bodies[3])


def test_objects_have_a_quota(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, account_objects=2)
    vault.put(b"a", b"b")
    with pytest.raises(QuotaExceeded):
        vault.put(b"c")


def operate(vault, *arguments):
    parser = ArgumentParser()
    QUOTA.add_arguments(parser)
    QUOTA.run(vault.api, parser.parse_args([LAPTOP.account, *arguments]))


def test_an_operator_sets_the_quota_of_one_account(rig, tmp_path, monkeypatch, capsys):
    vault = make_vault(rig, tmp_path, monkeypatch, account_objects=2)
    vault.put(b"a", b"b")
    with pytest.raises(QuotaExceeded) as refused:
        vault.put(b"c")
    assert refused.value.extras == {"unit": "objects", "limit": 2, "used": 2}
    operate(vault, "--objects", "3", "--bytes-per-hour", "1000")
    assert "objects           2 of 3\n" in capsys.readouterr().out
    vault.put(b"c")
    with pytest.raises(QuotaExceeded):
        vault.put(b"d")
    operate(vault, "--objects", "9")
    with pytest.raises(RateLimited):
        vault.put(b"e" * 1000)
    operate(vault, "--default")
    with vault.kernel.store.read() as uow:
        assert UsageRepository(uow, Quota(objects=2)).find_quota(LAPTOP.account) == Quota(objects=2)
    with pytest.raises(QuotaExceeded):
        vault.put(b"d")


def test_what_is_sent_in_an_hour_has_a_limit(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, account_bytes_per_hour=250, account_objects_per_hour=3)
    vault.put(b"a" * 100, b"b" * 100)
    with pytest.raises(RateLimited) as refused:
        vault.put(b"c" * 100)
    assert refused.value.extras["unit"] == "bytes"
    vault.put(b"d")
    with pytest.raises(RateLimited) as refused:
        vault.put(b"e")
    assert refused.value.extras["unit"] == "objects"
    vault.rig.clock.advance(refused.value.retry_after_s)
    vault.put(b"c" * 100, b"e")
    assert usage_of(vault) == Usage(302, 5, 101, 2)


def test_purged_objects_count_no_longer(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch)
    item = ItemId.from_raw(bytes(16))
    vault.commit(change_of(item, 1))
    vault.commit(change_of(item, 2))
    before = usage_of(vault)
    vault.say(ObjectsPurged(2))
    assert usage_of(vault).objects < before.objects


def test_statements_have_a_rate(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, statements_per_minute=4)
    items = [ItemId.from_raw(bytes([number]) * 16) for number in range(9)]
    for item in items[:3]:
        assert vault.commit(change_of(item, 1)).status == 201
    with pytest.raises(RateLimited) as refused:
        vault.commit(change_of(items[3], 1))
    assert 0 < refused.value.retry_after_s <= 60
    assert refused.value.extras == {"unit": "events", "limit": 4, "window_s": 60}
    vault.rig.clock.advance(refused.value.retry_after_s)
    assert vault.commit(change_of(items[3], 1)).status == 201


def test_nobody_waits_for_the_time_that_the_clock_had_been_ahead(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, statements_per_minute=4)
    items = [ItemId.from_raw(bytes([number]) * 16) for number in range(9)]
    right = rig.clock.now()
    rig.clock.set_wall(right + timedelta(days=400))
    for item in items[:4]:
        assert vault.commit(change_of(item, 1)).status == 201
    with pytest.raises(RateLimited):
        vault.commit(change_of(items[4], 1))
    rig.clock.set_wall(right)
    for item in items[4:8]:
        assert vault.commit(change_of(item, 1)).status == 201
    with pytest.raises(RateLimited):  # control: what is stated by the right clock counts
        vault.commit(change_of(items[8], 1))


def test_a_day_and_a_stream_have_limits(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, statements_per_day=2, max_events=3)
    items = [ItemId.from_raw(bytes([number]) * 16) for number in range(3)]
    vault.commit(change_of(items[0], 1))
    with pytest.raises(RateLimited) as refused:
        vault.commit(change_of(items[1], 1))
    assert refused.value.extras["window_s"] == 86_400
    vault.rig.clock.advance(refused.value.retry_after_s)
    vault.commit(change_of(items[1], 1))
    vault.rig.clock.advance(86_400)
    with pytest.raises(QuotaExceeded) as refused:
        vault.commit(change_of(items[2], 1))
    assert refused.value.extras == {"unit": "events", "limit": 3, "used": 3}


def test_a_statement_that_was_taken_is_answered_again_at_the_limit(rig, tmp_path, monkeypatch):
    vault = make_vault(rig, tmp_path, monkeypatch, statements_per_minute=2)
    item = ItemId.from_raw(bytes(16))
    change = change_of(item, 1)
    vault.upload(change)
    signed = LAPTOP.sign(
        commit_of(change), vault.head(), rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    )
    assert [vault.post(signed).status for _ in range(3)] == [201, 200, 200]


def test_wraps_that_no_statement_names_have_a_quota(rig, tmp_path, monkeypatch):
    vault, waiting = fill_with_wraps(rig, tmp_path, monkeypatch, OLD_KEY)
    with pytest.raises(QuotaExceeded) as refused:
        vault.put_wrap(waiting[3])
    assert refused.value.extras == {"unit": "wraps", "limit": 3, "used": 3}
    vault.put_wrap(waiting[0])  # is there already
    assert vault.add_wrap(version=2).status == 201  # the very first of them is named now
    vault.put_wrap(waiting[3])
    vault.rig.clock.advance((UNCLAIMED_KEPT + timedelta(minutes=1)).total_seconds())
    vault.api.purge_unclaimed()
    assert MAX_UNCLAIMED_WRAPS == 1000
    vault.put_wrap(waiting[1])


@pytest.mark.parametrize(
    ("settings", "bodies"),
    [
        ({"account_bytes": 300}, [bytes([number]) * 100 for number in range(10)]),
        ({"account_bytes": 3 * LARGE}, [bytes([number]) * LARGE for number in range(10)]),
        ({"account_objects": 3}, [bytes([number]) for number in range(10)]),
        ({"account_bytes_per_hour": 300}, [bytes([number]) * 100 for number in range(10)]),
        ({"account_objects_per_hour": 3}, [bytes([number]) for number in range(10)]),
    ],
    ids=["bytes", "blobs", "objects", "bytes an hour", "objects an hour"],
)
def test_a_full_account_is_rotated_all_the_same(rig, tmp_path, monkeypatch, settings, bodies):
    """Its own items fill it, or a thief has with a stolen device: what shuts him out needs room."""
    vault = make_vault(rig, tmp_path, monkeypatch, **settings)
    vault.put(*bodies[:3])
    with pytest.raises((QuotaExceeded, RateLimited)):
        vault.put(bodies[3])
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    vault.put(*bodies[3:9])
    with pytest.raises((QuotaExceeded, RateLimited)):
        vault.put(bodies[9])


def test_a_thief_who_fills_the_room_for_wraps_holds_up_no_rotation(rig, tmp_path, monkeypatch):
    vault, waiting = fill_with_wraps(rig, tmp_path, monkeypatch, NEW_KEY)
    with pytest.raises(QuotaExceeded):
        vault.put_wrap(waiting[3])
    vault.rotate(RotationKind.USER_KEY, to_key=NEW_KEY)
    for wrap in waiting[3:9]:
        vault.put_wrap(wrap)
    with pytest.raises(QuotaExceeded):
        vault.put_wrap(waiting[9])


def test_a_fold_remembers_a_bounded_number_of_wraps(rig, tmp_path, monkeypatch):
    """Each of them costs everybody something with each request of the account, for ever."""
    vault = make_vault(rig, tmp_path, monkeypatch, account_wraps=2)
    assert vault.add_wrap(version=2).status == 201
    with pytest.raises(QuotaExceeded) as refused:
        vault.add_wrap(version=3)
    assert refused.value.extras == {"unit": "wraps", "limit": 2, "used": 2}
    vault.rotate(RotationKind.USER_KEY, to_key=NEW_KEY)  # control: a rotation has room
    for version in range(3, 7):
        assert vault.add_wrap(version=version).status == 201
    with pytest.raises(QuotaExceeded):
        vault.add_wrap(version=7)


def test_streams_whose_folds_remember_each_event_are_shorter():
    limits = {
        service.entry.stream: service.config.__dataclass_fields__["max_events"].default
        for service in (DEVICES, ROTATION, DEFINITION)
    }
    assert limits == {Stream.DEVICES: 10_000, Stream.ROTATION: 10_000, Stream.VAULT: 1_000_000}


@pytest.mark.parametrize("arguments", [["--bytes", "0"], ["--objects", "-1"], ["--objects", "many"]])
def test_a_limit_that_is_none_is_refused(rig, tmp_path, monkeypatch, arguments, capsys):
    vault = make_vault(rig, tmp_path, monkeypatch)
    with pytest.raises(SystemExit):
        operate(vault, *arguments)
    assert "expected" in capsys.readouterr().err
