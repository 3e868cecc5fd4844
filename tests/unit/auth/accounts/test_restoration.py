"""What was withdrawn after a backup stays withdrawn, as far as a newer log knows of it."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_auth.definition import DEFINITION
from solekey_auth.tables import recovery_codes
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.bus import Message
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream, devices
from solekey_protocol.events import auth as events
from solekey_protocol.ids import Digest, Timestamp
from solekey_protocol.services import TOPICS
from solekey_service.command_line import parse_command_line, run_command_on
from tests.support.actors import Actor
from tests.support.people.person import Person, code_of, read


@pytest.fixture
def secure(desk, tmp_path, capsys):
    """Secure the database as after a restoration; the rig's bus is the newer log."""

    def run():
        bus_url = f"embedded://{tmp_path / 'bus.db'}"
        config = replace(desk.api.kernel.config, bus_url=bus_url, bus_partitions=6)
        code = run_command_on(
            DEFINITION, config, parse_command_line(DEFINITION, ["secure-restored", "--yes"])
        )
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


@pytest.fixture
def revoke(desk, ana, opened):
    """Ana's phone is trusted, and revokes her laptop: the log hears of it, auth's database does not."""
    desk.rig.build(DEVICES)
    laptop, phone = ana.actor, Actor("ana", "phone")

    def append(actor, body):
        signed = actor.sign(body, desk.rig.head(Stream.DEVICES, laptop.account))
        desk.rig.append(signed)

    append(laptop, laptop.founded())
    append(phone, phone.enrolled())
    append(phone, phone.trusted())
    desk.rig.deliver(Stream.AUTH)

    def run(*, delivered=False):
        append(phone, devices.DeviceRevoked(laptop.device, devices.RevocationReason.LOST))
        if delivered:
            desk.rig.deliver(Stream.AUTH)
        else:
            desk.rig.kernels[Stream.DEVICES].publisher.publish_pending()

    return run


def publish_newer(desk, ana, *bodies):
    """Put events into the log that the database does not have: it was restored from before them."""
    head, now = desk.rig.head(Stream.AUTH, ana.actor.account), Timestamp.from_datetime(desk.now)
    for body in bodies:
        event = encode_event(body, account=ana.actor.account, after=head, time=now)
        desk.rig.bus.publish_many([Message(TOPICS[Stream.AUTH], event.account, event.raw)])
        head = event.head


def test_a_device_that_was_revoked_since_does_not_come_back(desk, ana, opened, revoke, secure):
    revoke()
    assert desk.refresh(opened["refresh_token"], ana.device_key).status == 200  # the danger
    told = secure()
    assert "barred 1 devices" in told
    desk.rig.clock.advance(30)
    assert code_of(desk.log_in(ana)) == "403 device_revoked"
    desk.rig.clock.advance(30)
    phone = Person(device="phone").with_(totp_secret=ana.totp_secret)
    assert desk.log_in(phone).status == 201  # nobody else is refused


def test_without_a_newer_log_nobody_is_barred(desk, ana, opened, revoke, secure):
    """The positive control."""
    assert "barred 0 devices" in secure()
    desk.rig.clock.advance(30)
    assert desk.log_in(ana).status == 201


def test_a_revocation_that_the_backup_knows_is_not_barred_twice(desk, ana, opened, revoke, secure):
    revoke(delivered=True)
    assert "barred 0 devices" in secure()
    desk.rig.clock.advance(30)
    assert code_of(desk.log_in(ana)) == "403 device_revoked"


def test_all_sessions_end_by_events(desk, ana, opened, secure):
    eve = Person("eve")
    desk.register(eve)
    hers = read(desk.log_in(eve))
    assert "ended 2 sessions" in secure()
    for person, answer in ((ana, opened), (eve, hers)):
        assert code_of(desk.refresh(answer["refresh_token"], person.device_key)) == "401 session_ended"
        assert desk.said(person)[-1] == events.SessionEnded(
            answer["session"], events.SessionEnd.ENDED_BY_OPERATOR
        )
    assert "ended 0 sessions" in secure()


def test_recovery_codes_do_not_come_back_once_one_was_used_since(desk, ana, opened, secure):
    eve = Person("eve")
    desk.register(eve)
    with desk.api.kernel.store.begin() as uow:
        for person in (ana, eve):
            row = {"digest": f"{person.username:0>64}", "account": person.actor.account, "salt": b"s" * 16}
            uow.connection.execute(recovery_codes.insert().values(row))
    publish_newer(desk, ana, events.RecoveryCodeUsed(Digest("a1" * 32), 9))
    assert "deleted the recovery codes of 1 accounts" in secure()
    with desk.api.kernel.store.read() as uow:
        left = uow.connection.execute(select(recovery_codes.c.account)).scalars().all()
    assert left == [eve.actor.account]


def test_what_only_users_can_put_right_is_listed(desk, ana, opened, secure):
    publish_newer(
        desk,
        ana,
        events.LoginKeyChanged(2, events.LoginKeyChange.PASSWORD_CHANGED),
        events.MfaRemoved(events.Factor.TOTP, Digest("a1" * 32)),
        events.AccountClosed(2),
    )
    told = secure()
    for what in ("the login key of before is in force", "removed since is in force", "it was closed since"):
        assert f"{ana.actor.account}  " in told
        assert what in told
