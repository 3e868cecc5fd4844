"""What own events took away is taken away again when they come back from the log."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_auth.definition import DEFINITION
from solekey_auth.tables import credentials, passkeys, recovery_codes
from solekey_eventlog.bus import Message
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_protocol.ids import Digest, SessionId, Timestamp
from solekey_protocol.services import TOPICS
from solekey_service.command_line import parse_command_line, run_command_on
from tests.support.people.person import Person, code_of

FACTOR = Digest("a1" * 32)


@pytest.fixture
def recover(desk, ana, opened, tmp_path, capsys):
    """Put events into the log that the database does not have, and take them back."""

    def run(*bodies):
        desk.rig.kernels[Stream.AUTH].publisher.publish_pending()
        head, now = desk.rig.head(Stream.AUTH, ana.actor.account), Timestamp.from_datetime(desk.now)
        for body in bodies:
            event = encode_event(body, account=ana.actor.account, after=head, time=now)
            desk.rig.bus.publish_many([Message(TOPICS[Stream.AUTH], event.account, event.raw)])
            head = event.head
        config = replace(
            desk.api.kernel.config, bus_url=f"embedded://{tmp_path / 'bus.db'}", bus_partitions=6
        )
        arguments = parse_command_line(DEFINITION, ["recover-own", "--yes"])
        code = run_command_on(DEFINITION, config, arguments)
        assert code == 0, capsys.readouterr().err
        assert desk.rig.head(Stream.AUTH, ana.actor.account) == head

    return run


def read_accounts(desk, table):
    with desk.api.kernel.store.read() as uow:
        return set(uow.connection.execute(select(table.c.account)).scalars())


def test_an_account_that_was_closed_is_closed_again_and_its_name_is_not_given_again(desk, ana, recover):
    eve = Person("eve")
    desk.register(eve)
    recover(events.AccountClosed(1))
    assert read_accounts(desk, credentials) == {eve.actor.account}
    desk.rig.clock.advance(30)
    assert code_of(desk.log_in(ana)) == "401 login_refused"
    assert desk.log_in(eve).status == 201  # positive control


def test_a_session_that_ended_gives_no_tokens(desk, ana, opened, recover):
    recover(events.SessionEnded(SessionId(opened["session"]), events.SessionEnd.LOGOUT))
    assert code_of(desk.refresh(opened["refresh_token"], ana.device_key)) == "401 session_ended"


def test_recovery_codes_go_with_the_one_that_was_used_and_a_passkey_that_was_removed(desk, ana, recover):
    eve = Person("eve")
    desk.register(eve)
    with desk.api.kernel.store.begin() as uow:
        for person in (ana, eve):
            code = {"digest": f"{person.username:0>64}", "account": person.actor.account, "salt": b"s" * 16}
            uow.connection.execute(recovery_codes.insert().values(code))
            passkey = {"factor_id": FACTOR if person is ana else "b2" * 32, "account": person.actor.account}
            passkey |= {"credential": b"c", "public_key": b"k", "sign_count": 1, "name": "n"}
            uow.connection.execute(passkeys.insert().values(passkey | {"added_at": desk.now}))
    recover(events.RecoveryCodeUsed(FACTOR, 9), events.MfaRemoved(events.Factor.PASSKEY, FACTOR))
    assert read_accounts(desk, recovery_codes) == read_accounts(desk, passkeys) == {eve.actor.account}
