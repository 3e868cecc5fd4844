"""What an operator sees of accounts, and that ending their sessions is a fact that everybody can check."""

import io
import sys
from dataclasses import replace

import pytest

from solekey_auth.definition import DEFINITION
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_service.command_line import parse_command_line, run_command_on
from tests.support.people.person import Person, code_of, read


@pytest.fixture
def operate(desk, tmp_path, capsys):
    def run(*arguments):
        bus_url = f"embedded://{tmp_path / 'bus.db'}"
        config = replace(desk.api.kernel.config, bus_url=bus_url, bus_partitions=6)
        code = run_command_on(DEFINITION, config, parse_command_line(DEFINITION, arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ends(desk, ana):
    return [body for body in desk.said(ana) if isinstance(body, events.SessionEnded)]


def test_accounts_are_listed_and_found_by_name_or_id(desk, ana, opened, operate):
    eve = Person("eve")
    desk.register(eve)
    code, listed, told = operate("accounts")
    assert (code, "2 accounts" in told) == (0, True)
    by_account = {line.split()[0]: line for line in listed.splitlines()}
    assert by_account[ana.actor.account].endswith(f"in use  {ana.username}")
    assert by_account[eve.actor.account].endswith(f"not logged in to yet  {eve.username}")
    by_name = operate("account", ana.username.upper())
    assert by_name == operate("account", ana.actor.account)
    assert f"session     {opened['session']}  {ana.actor.device}" in by_name[1]
    assert "factors     totp" in by_name[1]


def test_nothing_secret_is_shown(desk, ana, opened, operate):
    shown = operate("accounts")[1] + operate("account", ana.username)[1]
    with desk.api.kernel.store.read() as uow:
        row = uow.connection.exec_driver_sql("SELECT login_key, kdf_salt, totp_salt FROM credentials").one()
    hidden = [row.login_key, bytes(row.kdf_salt).hex(), bytes(row.totp_salt).hex(), ana.totp_secret]
    assert [each for each in hidden if each in shown] == []
    assert ana.actor.account in shown  # positive control: it is this account that was shown


@pytest.mark.parametrize("name", ["nobody", "acc_aaaqeayeaudaocajbifqydiob4", "no user name"])
def test_an_account_that_is_not_there_is_not_found(operate, name):
    code, shown, why = operate("account", name)
    assert (code, shown) == (1, "")
    assert "no account has" in why or "username: expected" in why


def test_the_operator_ends_every_session_by_an_event_that_says_so(desk, ana, opened, operate):
    other = read(desk.log_in(ana))
    told = operate("end-sessions", ana.username, "--yes")
    assert told[:2] == (0, f"ended 2 sessions of {ana.actor.account}\n")
    assert {(body.session, body.reason) for body in ends(desk, ana)} == {
        (opened["session"], events.SessionEnd.ENDED_BY_OPERATOR),
        (other["session"], events.SessionEnd.ENDED_BY_OPERATOR),
    }
    for answer in (opened, other):
        assert code_of(desk.refresh(answer["refresh_token"], ana.device_key)) == "401 session_ended"
    desk.rig.clock.advance(30)
    assert desk.log_in(ana).status == 201  # the account is not locked
    before = desk.rig.events(Stream.AUTH, ana.actor.account)
    assert operate("end-sessions", ana.username, "--yes")[0] == 0
    assert operate("end-sessions", ana.username, "--yes")[1].startswith("ended 0 sessions")
    assert len(desk.rig.events(Stream.AUTH, ana.actor.account)) == len(before) + 1


@pytest.mark.parametrize(
    ("stdin", "is_done"),
    [
        (lambda: Terminal("y\n"), True),
        (lambda: Terminal("\n"), False),
        (lambda: Terminal(""), False),
        (lambda: io.StringIO("y\n"), False),
    ],
    ids=["yes", "enter", "end of input", "yes, but nobody is there"],
)
def test_it_asks_first(desk, ana, opened, operate, monkeypatch, stdin, is_done):
    monkeypatch.setattr(sys, "stdin", stdin())
    code, _, asked = operate("end-sessions", ana.username)
    assert f"End 1 sessions of {ana.actor.account}" in asked
    assert (code, len(ends(desk, ana))) == ((0, 1) if is_done else (1, 0))
    assert ("nothing was changed" in asked) is not is_done
