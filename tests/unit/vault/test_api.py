"""The vault over its kernel: its tables, who is admitted, what it has heard of."""

from dataclasses import replace

import pytest

from solekey_eventlog.errors import NotYetAppliedError, StalePositionError
from solekey_protocol.errors import ForkError, SignatureError
from solekey_protocol.events import Stream, devices
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import compute_digest
from solekey_protocol.statements import Head
from solekey_service.http import Headers
from solekey_service.refusals import DeviceNotTrusted, Forbidden, RevokedDevice
from solekey_vault.tables import metadata
from tests.support.actors import Actor
from tests.support.content import change_of, commit_of
from tests.support.migrated_schema import find_differences
from tests.unit.vault.vault_rig import ITEM, LAPTOP, PHONE, SECOND, live_wraps


def test_the_migrated_schema_is_the_metadata(vault):
    assert find_differences(vault.kernel.engine, metadata) == []


def test_devices_that_may_not_write(vault):
    tablet = Actor("ana", "tablet")
    vault.change_devices((tablet, tablet.enrolled(), {}))
    vault.upload(change_of(ITEM, 1))
    body = commit_of(change_of(ITEM, 1))
    with pytest.raises(DeviceNotTrusted):  # pending
        vault.say(body, tablet)
    with pytest.raises(DeviceNotTrusted):  # unknown
        vault.say(body, Actor("ana", "ghost"))
    with pytest.raises(SignatureError):
        vault.say(body, PHONE, device=tablet.key)
    seen = vault.rig.heads(LAPTOP.account, Stream.DEVICES)
    revoked = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN)
    vault.change_devices((LAPTOP, revoked, {}))
    with pytest.raises(RevokedDevice):
        vault.say(body, PHONE)
    with pytest.raises(RevokedDevice):  # backdated
        vault.say(body, PHONE, heads=seen)
    with pytest.raises(Forbidden):
        vault.post(LAPTOP.sign(body, vault.head(), vault.rig.heads(LAPTOP.account, Stream.DEVICES)), PHONE)
    assert live_wraps(vault, tablet)  # what a pending device needs to become trusted
    assert vault.say(body, LAPTOP).status == 201


@pytest.mark.slow
def test_a_statement_that_saw_more_or_another_history_is_not_decided_on(vault):
    vault.upload(change_of(ITEM, 1))
    body = commit_of(change_of(ITEM, 1))
    known = vault.rig.head(Stream.DEVICES, LAPTOP.account)
    with pytest.raises(NotYetAppliedError):
        vault.say(body, heads={Stream.DEVICES: Head(known.seq + 1, known.digest)})
    with pytest.raises(ForkError):
        vault.say(body, heads={Stream.DEVICES: Head(known.seq, compute_digest(b"another"))})
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    rotation = vault.rig.head(Stream.ROTATION, LAPTOP.account)
    with pytest.raises(ForkError):
        vault.say(
            body, heads={Stream.DEVICES: known, Stream.ROTATION: replace(rotation, digest=known.digest)}
        )
    assert vault.say(body).status == 201


def test_a_feed_that_is_silent_shows_in_health(vault):
    assert vault.api.get_health(LAPTOP.request()).status == 503
    page = vault.api.get_events(LAPTOP.request(method="GET"))
    assert page.headers == {"Solekey-Position": "vault=1"}
    assert Headers(page.headers)["solekey-position"] == "vault=1"


@pytest.mark.postgres
@pytest.mark.parametrize("rig", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_what_is_late_is_refused_as_late(vault, monkeypatch):
    """Another device commits between this one's first look and its decision, as PostgreSQL allows."""
    vault.upload(change_of(ITEM, 1))
    vault.upload(change_of(SECOND, 1))
    handler = vault.api._statements._handler
    gather = handler.gather

    def gather_late(*arguments):
        monkeypatch.setattr(handler, "gather", gather)
        vault.say(commit_of(change_of(SECOND, 1)), PHONE)
        return gather(*arguments)

    monkeypatch.setattr(handler, "gather", gather_late)
    with pytest.raises(StalePositionError):
        vault.say(commit_of(change_of(ITEM, 1)))
    assert vault.commit(change_of(ITEM, 1)).status == 201
