"""Second factors and sessions: listed as the verified events say, changed, shown once."""

import json
import stat
import subprocess
from datetime import timedelta

import pytest

from solekey.connection.second_factor import RecoveryCode, TotpCode
from solekey.errors import (
    BadAnswerError,
    LoginRefusedError,
    NotLoggedInError,
    SessionEndedError,
    SessionMissingError,
)
from solekey_protocol.events.auth import Factor
from tests.support.client.fake_factors import NEW_TOTP_SECRET, TOTP_ID, TOTP_SECRET, FakeSecurityKey
from tests.support.client.fake_parts import answer
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

FAILED, REFUSED, MISSING, SERVER_REFUSED = 1, 4, 7, 9


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_listed_comes_from_the_verified_events(home):
    session = home.sessions["laptop"]
    session.factors.make_recovery_codes()
    session.factors.add_passkey(FakeSecurityKey(), "desk")
    listed = session.factors.list()
    assert [(info.factor, info.name, info.codes_left) for info in listed] == [
        (Factor.TOTP, None, None),
        (Factor.RECOVERY_CODES, None, 10),
        (Factor.PASSKEY, "desk", None),
    ]
    invented = {"factor": "totp", "factor_id": "ab" * 32, "codes_left": 99}
    home.server.tamper = lambda request, response: (
        answer({"factors": [invented]}) if request.url.path.endswith("/factors") else response
    )
    assert [info.id for info in session.factors.list()] == [info.id for info in listed]


def test_used_recovery_codes_are_counted_by_the_events(home):
    session = home.sessions["laptop"]
    codes = session.factors.make_recovery_codes().codes
    session.step_up(RecoveryCode(codes[0]))
    assert session.factors.list()[1].codes_left == 9


def test_a_new_set_of_codes_replaces_the_old_one(home):
    session = home.sessions["laptop"]
    old = session.factors.make_recovery_codes().codes
    new = session.factors.make_recovery_codes().codes
    with pytest.raises(LoginRefusedError):
        session.step_up(RecoveryCode(old[0]))
    session.step_up(RecoveryCode(new[0]))
    assert [info.factor for info in session.factors.list()] == [Factor.TOTP, Factor.RECOVERY_CODES]


@pytest.mark.parametrize("codes", [None, [], "abc", [1], ["x" * 65], ["a"] * 101, ["\x1b[2J"]])
def test_what_is_no_list_of_codes_is_refused(home, codes):
    home.server.tamper = lambda *_: answer({"codes": codes})
    with pytest.raises(BadAnswerError):
        home.sessions["laptop"].factors.make_recovery_codes()


def test_a_new_authenticator_is_in_force_when_its_code_came(home):
    session = home.sessions["laptop"]
    totp = session.factors.add_totp()
    with pytest.raises(LoginRefusedError):
        session.factors.confirm_totp("000000")
    assert session.factors.list()[0].id == TOTP_ID
    session.step_up(home.server.code())  # the old one still works
    home.server.desk.secret = totp.secret
    session.factors.confirm_totp(home.server.code())
    assert [info.factor for info in session.factors.list()] == [Factor.TOTP]
    assert session.factors.list()[0].id != TOTP_ID


def test_a_code_is_taken_as_people_write_it(home):
    code = home.server.code()
    home.sessions["laptop"].step_up(TotpCode(f" {code[:3]} {code[3:]}\n"))


def test_the_commands_of_recovery_codes(home, run_cli, tmp_path):
    path = tmp_path / "codes.txt"
    code, out, said = run_cli("laptop", "factors", "recovery-codes", "--output", path)
    assert code == 0, said
    assert (out, mode(path)) == ("", 0o600)
    assert len(path.read_text().split()) == 10
    assert "open no data" in said.replace("\n", " ")
    before = path.read_bytes()
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--output", path)
    assert (code, "output_exists" in said, path.read_bytes()) == (FAILED, True, before)
    assert home.sessions["laptop"].factors.list()[1].codes_left == 10
    code, out, said = run_cli("laptop", "factors", "recovery-codes")
    assert out.split() == home.account.codes
    assert "shown once" in said
    code, out, _ = run_cli("laptop", "factors", "recovery-codes", "--json")
    assert json.loads(out) == {"codes": home.account.codes}


def test_a_file_is_not_left_behind_when_no_codes_came(home, run_cli, tmp_path):
    home.server.now += timedelta(minutes=6)
    code, _, _ = run_cli(
        "laptop", "factors", "recovery-codes", "--output", tmp_path / "x", "--code", "000000"
    )
    assert code == REFUSED
    assert not (tmp_path / "x").exists()


def test_few_codes_are_mentioned(home, run_cli):
    session = home.sessions["laptop"]
    for code in session.factors.make_recovery_codes().codes[:8]:
        session.step_up(RecoveryCode(code))
    code, out, said = run_cli("laptop", "factors", "list")
    assert code == 0
    assert "2 left" in out
    assert "Few recovery codes" in said


def test_the_last_required_factor_stays(home, run_cli):
    code, out, _ = run_cli("laptop", "factors", "list", "--json")
    (row,) = json.loads(out)["factors"]
    assert row["factor_id"] == TOTP_ID
    code, _, said = run_cli("laptop", "factors", "remove", "totp")
    assert code == SERVER_REFUSED
    assert "factor_required" in said
    assert "factors add-totp" in said
    home.sessions["laptop"].factors.add_passkey(FakeSecurityKey(), "desk")
    code, out, said = run_cli("laptop", "factors", "remove", TOTP_ID[:8], "--json")
    assert json.loads(out) == {"removed": TOTP_ID, "factor": "totp"}
    code, _, said = run_cli("laptop", "factors", "remove", TOTP_ID[:8])
    assert (code, "factor_missing" in said) == (MISSING, True)


def test_a_passkey_is_added_and_removed_by_its_id_and_not_by_its_name(home, run_cli, monkeypatch):
    from solekey.cli.commands import factors

    monkeypatch.setattr(factors, "open_key", FakeSecurityKey)
    assert run_cli("laptop", "factors", "add-passkey", "--name", "blue key")[0] == 0
    _, out, _ = run_cli("laptop", "factors", "list")
    assert "blue key" in out
    assert run_cli("laptop", "factors", "remove", "blue key")[0] == MISSING  # a name is the server's word
    home.sessions["laptop"].sync()
    passkey = home.sessions["laptop"].factors.list()[1].id
    assert run_cli("laptop", "factors", "remove", passkey[:8])[0] == 0
    assert [info.factor for info in home.sessions["laptop"].factors.list()] == [Factor.TOTP]


@pytest.mark.parametrize(
    "totp",
    [
        {"secret": "\x1b]0;x\x07" * 8, "uri": "otpauth://totp/x"},
        {"secret": TOTP_SECRET, "uri": "https://evil.test/"},
        {"secret": TOTP_SECRET, "uri": "otpauth://totp/\x1b[2J"},
        {"secret": TOTP_SECRET},
    ],
)
def test_an_authenticators_secret_that_is_none_is_not_shown(home, run_cli, totp):
    home.server.tamper = lambda *_: answer(totp)
    code, out, said = run_cli("laptop", "factors", "add-totp", "--new-code", "auto")
    assert (code, out, "bad_answer" in said) == (FAILED, "", True)


def test_a_foreign_name_does_nothing_to_the_terminal(home, run_cli):
    key = FakeSecurityKey()
    home.sessions["laptop"].factors.add_passkey(key, "[red]x\x1b[2J")
    _, out, _ = run_cli("laptop", "factors", "list")
    assert "\x1b" not in out
    assert "[red]x" in out


def test_the_authenticators_picture_is_read_by_a_real_scanner(home, run_cli, program, tmp_path):
    path = tmp_path / "totp.png"
    code, out, said = run_cli(
        "laptop", "factors", "add-totp", "--new-code", "auto", "--totp-qr", path, "--json"
    )
    assert code == 0, said
    step, result = (json.loads(line) for line in out.splitlines())
    assert step["secret"] == NEW_TOTP_SECRET
    assert result["factor"] == "totp"
    assert mode(path) == 0o600
    assert scan(program, path) == step["uri"]
    code, _, said = run_cli("laptop", "factors", "add-totp", "--new-code", "auto", "--totp-qr", path)
    assert code == 0, said  # the same picture: it stays
    path.write_text("something else")
    code, _, said = run_cli("laptop", "factors", "add-totp", "--new-code", "auto", "--totp-qr", path)
    assert (code, "output_exists" in said) == (FAILED, True)
    assert path.read_text() == "something else"


def scan(program, path):
    done = subprocess.run(
        [program("zbarimg"), "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_sign_up_writes_the_picture_and_shows_the_text(world, run_cli, program, tmp_path):
    path = tmp_path / "totp.png"
    arguments = (
        "signup",
        "--server",
        ORIGIN,
        "--username",
        USERNAME,
        "--password",
        PASSWORD,
        "--accept-risk",
    )
    code, out, said = run_cli(
        "laptop", *arguments, "--password", PASSWORD, "--code", "auto", "--totp-qr", path
    )
    assert code == 0, said
    assert TOTP_SECRET in out
    assert "delete the file" in said
    assert mode(path) == 0o600
    assert scan(program, path) in out


def test_a_person_may_mistype_the_new_authenticators_code(home, run_cli, at_terminal):
    import pyotp

    at_terminal("000000", lambda: pyotp.TOTP(NEW_TOTP_SECRET).at(home.server.now))
    code, _, said = run_cli("laptop", "factors", "add-totp")
    assert code == 0, said
    assert "that the new one shows" in said
    assert "Delete the old entry" in said


def test_sessions_are_listed_with_the_names_of_their_devices(home):
    home.log_in("phone")
    first, second = home.sessions["laptop"].sessions.list()
    assert (first.device_name, first.current) == ("laptop", True)
    assert (second.device_name, second.current) == ("phone", False)


def test_a_session_is_ended_from_another_device(home, run_cli):
    phone = home.log_in("phone")
    code, out, _ = run_cli("laptop", "sessions", "list")
    assert (code, "this session" in out, "phone" in out) == (0, True, True)
    assert run_cli("laptop", "sessions", "end", "phone")[0] == MISSING  # by ids alone
    device = phone.devices.own_id
    assert run_cli("laptop", "sessions", "end", device[:12])[0] == 0
    with pytest.raises(SessionEndedError):
        phone.sync()
    code, _, said = run_cli("laptop", "sessions", "end", device)
    assert (code, "session_missing" in said) == (MISSING, True)
    home.sessions["laptop"].sync()


def test_all_other_sessions_are_ended(home, run_cli):
    home.log_in("phone")
    home.log_in("tablet")
    code, out, _ = run_cli("laptop", "sessions", "end", "--others", "--json")
    assert (code, len(json.loads(out)["ended"])) == (0, 2)
    assert [info.current for info in home.sessions["laptop"].sessions.list()] == [True]
    assert run_cli("laptop", "sessions", "end")[0] == 2
    assert run_cli("laptop", "sessions", "end", "phone", "--others")[0] == 2


def test_ending_ones_own_session_is_logging_out(home):
    session = home.sessions["laptop"]
    session.sessions.end(session.connection.tokens.session)
    with pytest.raises(NotLoggedInError):
        home.reopen("laptop")


def test_several_sessions_of_a_device_are_told_apart_by_their_ids(home):
    home.log_in("phone")
    home.log_in("phone")
    sessions = home.sessions["laptop"].sessions
    with pytest.raises(SessionMissingError):
        sessions.find(home.sessions["phone"].devices.own_id)
    assert sessions.find(sessions.list()[1].id).device_name == "phone"
