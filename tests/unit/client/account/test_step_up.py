"""A second factor that is asked for again: by the library's callback, and by the command."""

import threading
from datetime import timedelta

import pyotp
import pytest

from solekey.connection.second_factor import Passkey, RecoveryCode
from solekey.errors import LoginRefusedError, StepUpRequiredError
from solekey.rotation.rotation import rekey_data
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import Factor, SessionSteppedUp
from tests.support.client.fake_factors import TOTP_SECRET, FakeSecurityKey
from tests.support.client.fake_parts import problem
from tests.support.client.world import PASSWORD

REFUSED, USAGE = 4, 2


@pytest.fixture
def stale(home):
    """The home world, some time after the second factor was proven; codes count once."""
    home.server.desk.single_use = True
    home.server.now += timedelta(minutes=6)
    return home


def step_ups(world):
    return [e.body for e in world.account.events[Stream.AUTH] if isinstance(e.body, SessionSteppedUp)]


def test_without_a_callback_the_refusal_is_raised(stale):
    session = stale.sessions["laptop"]
    session.connection.on_step_up = None
    with pytest.raises(StepUpRequiredError) as refusal:
        session.factors.make_recovery_codes()
    assert refusal.value.problem["max_age_s"] == 300


def test_the_callback_is_called_once_and_the_request_repeated_with_another_proof(stale):
    session, seen = stale.sessions["laptop"], []
    stale.server.before = lambda request: seen.append((request.url.path, request.content, request.headers))
    asked = []
    session.connection.on_step_up = lambda: asked.append(session.step_up(stale.server.code()))
    assert len(session.factors.make_recovery_codes().codes) == 10
    first, again = [each for each in seen if each[0].endswith("/recovery-codes")]
    assert len(asked) == len(step_ups(stale)) == 1
    assert first[1] == again[1]
    assert first[2]["DPoP"] != again[2]["DPoP"]
    assert "auth=" in again[2]["Solekey-After"]
    assert first[2].get("Solekey-After") != again[2]["Solekey-After"]


def test_what_comes_soon_after_is_not_asked_for_again(stale):
    session = stale.sessions["laptop"]
    session.factors.make_recovery_codes()
    session.factors.make_recovery_codes()
    assert len(step_ups(stale)) == 1


def test_a_signed_statement_is_repeated_as_it_was(stale):
    with stale.sessions["laptop"].unlock(stale.key()) as vault:
        rekey_data(vault)
    assert len(step_ups(stale)) == 1
    assert stale.account.states[Stream.VAULT].epoch == 2


def test_a_callback_that_proves_nothing_is_not_called_twice(stale):
    asked = []
    session = stale.sessions["laptop"]
    session.connection.on_step_up = lambda: asked.append(None)
    with pytest.raises(StepUpRequiredError):
        session.factors.make_recovery_codes()
    assert len(asked) == 1


def test_a_callback_whose_own_request_is_refused_ends(stale):
    session = stale.sessions["laptop"]
    session.connection.on_step_up = session.factors.make_recovery_codes
    with pytest.raises(StepUpRequiredError):
        session.factors.make_recovery_codes()


def test_a_reader_is_never_asked(stale):
    """Nothing that is only read asks for it, and a server that says so must not hang who holds a lock."""
    session, asked = stale.sessions["laptop"], []
    session.connection.on_step_up = lambda: asked.append(session.streams.sync())
    stale.server.tamper = lambda *_: problem(403, "step_up_required")
    with pytest.raises(StepUpRequiredError):
        session.streams.sync()
    assert asked == []


def test_threads_that_are_refused_together_ask_once(stale):
    session, asked, done = stale.sessions["laptop"], [], []
    all_refused = threading.Barrier(3)

    def prove():
        asked.append(None)
        session.step_up(stale.server.code())

    def wait(request, response):
        if request.url.path.endswith("/totp") and response.status_code == 403:
            all_refused.wait(timeout=10)
        return response

    def run():
        session.factors._post("totp", {})  # which takes no turns, as parallel transfers take none
        done.append("totp")

    session.connection.on_step_up = prove
    stale.server.tamper = wait
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(done) == 3
    assert len(asked) == 1


def test_every_factor_steps_up(stale):
    session = stale.sessions["laptop"]
    codes = session.factors.make_recovery_codes().codes
    session.factors.add_passkey(FakeSecurityKey(), "desk")
    session.step_up(RecoveryCode(f" {codes[0].upper()} "))
    session.step_up(Passkey(FakeSecurityKey()))
    kinds = [body.factor for body in step_ups(stale)]
    assert kinds == [Factor.TOTP, Factor.RECOVERY_CODES, Factor.PASSKEY]
    with pytest.raises(LoginRefusedError):
        session.step_up(RecoveryCode(codes[0]))


def test_a_script_with_the_secret_is_not_asked(stale, run_cli):
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--totp-secret", TOTP_SECRET, "--json")
    assert code == 0, said
    assert len(step_ups(stale)) == 1


def test_a_script_takes_the_next_code_when_the_present_one_is_used(home, run_cli):
    """Another device has used the present code just now: the script tries the next one, and nothing else."""
    home.server.desk.single_use = True
    home.server.now += timedelta(minutes=6)
    home.log_in("phone")
    home.server.desk.attempts.clear()
    began = home.server.now
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--totp-secret", TOTP_SECRET, "--json")
    assert code == 0, said
    assert home.server.desk.attempts == [pyotp.TOTP(TOTP_SECRET).at(began + timedelta(seconds=30))]


def test_a_script_waits_when_that_one_is_used_too(home, run_cli):
    home.server.desk.single_use = True
    home.server.now += timedelta(minutes=6)
    home.server.desk.used_step = int(home.server.now.timestamp()) // 30 + 1
    began = home.server.now
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--totp-secret", TOTP_SECRET, "--json")
    assert code == 0, said
    assert timedelta(0) < home.server.now - began <= timedelta(seconds=31)
    assert len(home.server.desk.attempts) <= 5


def test_a_person_is_told_why_and_may_mistype(stale, run_cli, at_terminal):
    at_terminal("000000", stale.server.code)
    code, out, said = run_cli("laptop", "factors", "recovery-codes")
    assert code == 0, said
    assert "asks for your second factor again" in said
    assert "not accepted" in said
    assert len(out.split()) == 10


def test_a_person_is_told_that_the_present_code_is_used(home, run_cli, at_terminal):
    home.server.desk.single_use = True
    home.server.now += timedelta(minutes=6)
    home.log_in("phone")
    at_terminal(lambda: pyotp.TOTP(TOTP_SECRET).at(home.server.now + timedelta(seconds=30)))
    code, _, said = run_cli("laptop", "factors", "recovery-codes")
    assert code == 0, said
    assert "each works once, and the present one is used" in said


def test_three_wrong_codes_are_enough(stale, run_cli, at_terminal):
    at_terminal("000000", "000001", "000002")
    code, _, said = run_cli("laptop", "factors", "recovery-codes")
    assert code == REFUSED
    assert "login_refused" in said


def test_nobody_at_the_keyboard_is_told_which_option_to_give(stale, run_cli):
    code, _, said = run_cli("laptop", "factors", "recovery-codes")
    assert code == USAGE
    assert "--code" in said


def test_revoking_a_device_takes_the_code_of_its_own_option(stale, run_cli, tmp_path):

    from solekey import UserKey

    phone = stale.add_device("phone")
    stale.server.now += timedelta(minutes=6)
    command = (
        "devices",
        "revoke",
        phone.devices.own_id,
        "--yes",
        "--accept-risk",
        "--user-key",
        stale.phrase,
    )
    new = UserKey.make().to_phrase()
    code, _, said = run_cli("laptop", *command, "--new-user-key", new)
    assert code == USAGE
    code, _, said = run_cli("laptop", *command, "--new-user-key", new, "--code", stale.server.code())
    assert code == 0, said


def test_a_login_with_a_recovery_code_and_with_a_passkey(stale, run_cli, monkeypatch):
    from solekey.cli.input import factor_prompt as second_factor

    session = stale.sessions["laptop"]
    codes = session.factors.make_recovery_codes().codes
    session.factors.add_passkey(FakeSecurityKey(), "desk")
    code, _, said = run_cli("laptop", "login", "--password", PASSWORD, "--recovery-code", codes[3])
    assert code == 0, said
    monkeypatch.setattr(second_factor, "open_key", FakeSecurityKey)
    assert run_cli("laptop", "login", "--password", PASSWORD, "--passkey")[0] == 0
    opened = [e.body.factor for e in stale.account.events[Stream.AUTH] if hasattr(e.body, "expires_at")]
    assert opened[-2:] == [Factor.RECOVERY_CODES, Factor.PASSKEY]
    code, _, said = run_cli("laptop", "login", "--password", PASSWORD, "--recovery-code", codes[3])
    assert code == REFUSED


def test_what_was_mistyped_is_asked_for_again_and_sent_nowhere(stale, run_cli, at_terminal):
    attempts = stale.server.desk.attempts
    attempts.clear()
    at_terminal("12345", "abcde-fgh21", lambda: f" {stale.server.code()[:3]} {stale.server.code()[3:]} ")
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--json")
    assert code == 0, said
    assert said.count("ten letters and digits") == 2
    assert attempts == [stale.server.code()]


def test_a_recovery_code_may_be_typed_where_a_code_is_asked_for(stale, run_cli, at_terminal):
    codes = stale.sessions["laptop"].factors.make_recovery_codes().codes
    stale.server.now += timedelta(minutes=6)
    at_terminal(f" {codes[0].upper()} ")
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--json")
    assert code == 0, said
    assert step_ups(stale)[-1].factor is Factor.RECOVERY_CODES


def test_who_types_neither_is_not_asked_for_ever(stale, run_cli, at_terminal):
    at_terminal("no", "still no", "no code")
    code, _, said = run_cli("laptop", "factors", "recovery-codes")
    assert (code, "neither" in said) == (USAGE, True)
    assert (step_ups(stale), stale.account.codes) == ([], [])


@pytest.mark.parametrize("given", ["qwert", "abcde-fgh21", "123456"])
def test_a_recovery_code_of_another_shape_is_the_users_mistake(stale, run_cli, given):
    code, _, said = run_cli("laptop", "factors", "recovery-codes", "--recovery-code", given)
    assert (code, "ten letters and digits" in said) == (USAGE, True)
    assert given not in said
    codes = stale.sessions["laptop"].factors.make_recovery_codes().codes
    stale.server.now += timedelta(minutes=6)
    assert run_cli("laptop", "factors", "recovery-codes", "--recovery-code", codes[0])[0] == 0
