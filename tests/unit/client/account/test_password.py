"""The password: changed, stretched with more work, never with less; and the account closed."""

import json
from datetime import timedelta

import httpx
import pytest

from solekey import Server
from solekey.account.enrolment import log_in
from solekey.account.moving import log_in_elsewhere
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.crypto import (
    KdfStrength,
    LoginIdentity,
    UntrustedKdfParameters,
    accept_kdf_parameters,
    derive_login_key,
)
from solekey.errors import (
    KdfDowngradeError,
    KdfExcessiveError,
    KdfSaltError,
    LoginRefusedError,
    NotLoggedInError,
    SessionEndedError,
    UnavailableError,
    WeakPasswordError,
)
from solekey.profile.profile import Profile
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import AccountClosed, LoginKeyChange, LoginKeyChanged
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

NEW = "another horse, another staple"
REFUSED, USAGE, MISBEHAVED = 4, 2, 6
STRONGER = {"memory_kib": 128 * 1024, "iterations": 4, "lanes": 4}


def changes(world):
    return [e.body.reason for e in world.account.events[Stream.AUTH] if isinstance(e.body, LoginKeyChanged)]


def log_in_with(world, password, name="laptop"):
    known = (world.folder / name / "profile.json").exists()
    return log_in(
        world.folder / name,
        None if known else Server(ORIGIN),
        username=None if known else USERNAME,
        password=password,
        code=world.server.code(),
        runtime=world.runtime,
    )


def test_a_changed_password_ends_the_other_sessions(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    laptop.change_password(PASSWORD, NEW)
    laptop.sync()
    with pytest.raises(SessionEndedError):
        phone.sync()
    with pytest.raises(LoginRefusedError):
        log_in_with(home, PASSWORD)
    log_in_with(home, NEW).close()
    assert changes(home) == [LoginKeyChange.PASSWORD_CHANGED]


def test_a_lost_answer_changes_the_password_once(home):
    lost = []

    def lose_once(request, response):
        if request.url.path.endswith("/login-key") and not lost:
            lost.append(response.status_code)
            raise httpx.ReadError("lost")
        return response

    home.server.tamper = lose_once
    home.sessions["laptop"].change_password(PASSWORD, NEW)
    home.server.be_honest()
    assert (lost, changes(home)) == ([200], [LoginKeyChange.PASSWORD_CHANGED])
    log_in_with(home, NEW).close()


def test_a_changed_password_has_a_salt_of_its_own_and_opens_the_same_data(home):
    home.unlock("laptop").put("a", "1")
    salt = home.account.kdf["salt"]
    home.sessions["laptop"].change_password(PASSWORD, NEW)
    assert home.account.kdf["salt"] != salt
    assert home.unlock("laptop").get("a").content == b"1"


def test_the_wrong_present_password_changes_nothing(home):
    before = dict(home.account.kdf)
    with pytest.raises(LoginRefusedError):
        home.sessions["laptop"].change_password("wrong", NEW)
    assert (home.account.kdf, changes(home)) == (before, [])


def test_the_command_says_what_has_become_of_the_other_sessions(home, run_cli, at_terminal):
    home.log_in("phone")
    at_terminal(PASSWORD, NEW)
    code, _, said = run_cli("laptop", "password", "change")
    assert code == 0, said
    assert "other sessions have ended" in said
    code, out, _ = run_cli(
        "laptop", "password", "change", "--password", NEW, "--new-password", "x" * 9, "--json"
    )
    assert json.loads(out)["changed"] is True
    code, _, said = run_cli("laptop", "password", "change", "--password", "wrong", "--new-password", NEW)
    assert code == REFUSED


def test_the_password_is_stretched_with_more_work_when_the_server_asks_for_it(home):
    home.server.desk.kdf_wanted = STRONGER
    phone = home.log_in("phone")
    log_in_with(home, PASSWORD).close()
    assert {name: home.account.kdf[name] for name in STRONGER} == STRONGER
    assert changes(home) == [LoginKeyChange.KDF_UPGRADED]
    phone.sync()  # no session has ended
    log_in_with(home, PASSWORD).close()
    assert len(changes(home)) == 1
    assert Profile.open(home.folder / "laptop").kdf_known.strength == KdfStrength(**STRONGER)


def test_an_upgrade_that_is_refused_now_does_not_stop_the_login(home):
    home.server.desk.kdf_wanted = STRONGER

    def refuse(request, response):
        if request.url.path.endswith("/login-key"):
            raise UnavailableError("unavailable", 503, {})
        return response

    home.server.tamper = refuse
    log_in_with(home, PASSWORD).close()
    home.server.be_honest()
    log_in_with(home, PASSWORD).close()


@pytest.mark.parametrize("wanted", [{"memory_kib": 1024}, {"iterations": 1}, {"lanes": 1}])
def test_who_asks_for_less_gets_no_less(home, wanted):
    weaker = {"memory_kib": 64 * 1024, "iterations": 3, "lanes": 4, **wanted}
    home.server.desk.kdf_wanted = STRONGER
    log_in_with(home, PASSWORD).close()
    before = dict(home.account.kdf)
    home.server.desk.kdf_wanted = weaker
    with pytest.raises(KdfDowngradeError):
        log_in_with(home, PASSWORD)
    assert dict(home.account.kdf) == before


def test_a_wish_is_carried_out_no_further_than_small_devices_can(home):
    """The positive control is the test before: what is below the bounds is carried out in full."""
    home.server.desk.kdf_wanted = {"memory_kib": 64 * 1024, "iterations": 16, "lanes": 16}
    log_in_with(home, PASSWORD).close()
    kdf = home.account.kdf
    assert (kdf["memory_kib"], kdf["iterations"], kdf["lanes"]) == (64 * 1024, 8, 4)
    log_in_with(home, PASSWORD).close()
    assert len(changes(home)) == 1  # and not tried again at each login


def test_memory_is_bounded_too():
    assert KdfStrength(2**20, 16, 16).capped() == KdfStrength(256 * 1024, 8, 4)
    assert KdfStrength(128 * 1024, 4, 4).capped() == KdfStrength(128 * 1024, 4, 4)


def test_a_weaker_wish_that_is_above_the_floor_weakens_nothing(home):
    home.server.desk.kdf_wanted = STRONGER
    log_in_with(home, PASSWORD).close()
    home.server.desk.kdf_wanted = {"memory_kib": 64 * 1024, "iterations": 16, "lanes": 4}
    session = log_in_with(home, PASSWORD)
    session.change_password(PASSWORD, NEW)
    kdf = home.account.kdf
    assert (kdf["memory_kib"], kdf["iterations"], kdf["lanes"]) == (128 * 1024, 8, 4)
    session.close()


def test_parameters_that_became_weaker_are_refused_before_the_password_is_used(home):
    """A server that rolls an account back to a login key that it could guess more quickly."""
    home.server.desk.kdf_wanted = STRONGER
    log_in_with(home, PASSWORD).close()
    home.server.desk.kdf_wanted = None
    home.account.kdf = {**home.account.kdf, "iterations": 3}
    home.server.requests.clear()
    with pytest.raises(KdfDowngradeError):
        log_in_with(home, PASSWORD)
    assert [path for _, path in home.server.requests] == ["/v1/auth/challenges"]


@pytest.mark.parametrize("wanted", [{"memory_kib": 2**21}, {"iterations": 17}, {"lanes": 17}])
def test_absurd_wishes_are_refused_before_the_password_is_used(home, run_cli, wanted):
    home.server.desk.kdf_wanted = {**STRONGER, **wanted}
    home.server.requests.clear()
    with pytest.raises(KdfExcessiveError):
        log_in_with(home, PASSWORD)
    assert [path for _, path in home.server.requests] == ["/v1/auth/challenges"]
    code, _, said = run_cli("laptop", "login", "--password", PASSWORD, "--code", home.server.code())
    assert (code, "kdf_excessive" in said) == (MISBEHAVED, True)


def test_a_closed_account_is_closed_everywhere(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    laptop.close_account(PASSWORD)
    with pytest.raises(SessionEndedError):
        phone.sync()
    with pytest.raises(NotLoggedInError):
        Session.open(home.folder / "laptop", home.runtime)
    assert isinstance(home.account.events[Stream.AUTH][-1].body, AccountClosed)


def test_closing_asks_for_the_name_and_says_what_is_lost(home, run_cli, at_terminal):
    home.server.now += timedelta(minutes=6)
    home.unlock("laptop").put("a", "1")
    at_terminal("somebody else")
    code, _, said = run_cli("laptop", "account", "close")
    assert (code, "nothing was closed" in said) == (USAGE, True)
    at_terminal(USERNAME, PASSWORD, home.server.code)
    code, _, said = run_cli("laptop", "account", "close")
    assert code == 0, said
    for lost in ("cannot be taken back", "24 words", "devices", "solekey get"):
        assert lost in said
    assert home.account.states[Stream.AUTH].closed


def test_a_script_closes_with_the_name_only(home, run_cli):
    assert run_cli("laptop", "account", "close", "--password", PASSWORD)[0] == USAGE
    assert run_cli("laptop", "account", "close", "--password", PASSWORD, "--confirm", "x")[0] == USAGE
    assert not home.account.states[Stream.AUTH].closed
    code, out, _ = run_cli(
        "laptop", "account", "close", "--password", PASSWORD, "--confirm", USERNAME, "--json"
    )
    assert (code, json.loads(out)) == (0, {"closed": home.account.account})


def test_a_weak_new_password_is_refused_before_anything_is_sent(home):
    laptop = home.sessions["laptop"]
    home.server.requests.clear()
    with pytest.raises(WeakPasswordError):
        laptop.change_password(PASSWORD, "1234567")
    with (
        SignUp(home.folder / "new", Server(ORIGIN), username="bob@example.org", runtime=home.runtime) as new,
        pytest.raises(WeakPasswordError),
    ):
        new.register("bob@example.org")
    assert home.server.requests == []


def send_another_salt(world, salt=bytes(16)):
    """Have the server send a salt of its choice, and take the login key that it leads to."""
    world.account.kdf = {**world.account.kdf, "salt": salt.hex()}
    parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(world.account.kdf))
    with derive_login_key(PASSWORD, parameters, LoginIdentity(ORIGIN, USERNAME)) as login_key:
        world.account.login_key = login_key.public_key


def test_a_known_device_refuses_another_salt_that_no_event_explains(home):
    before = Profile.open(home.folder / "laptop").kdf_known
    send_another_salt(home)
    with pytest.raises(KdfSaltError, match="no event says why"):
        log_in_with(home, PASSWORD)
    assert Profile.open(home.folder / "laptop").kdf_known == before
    with pytest.raises(NotLoggedInError):
        Session.open(home.folder / "laptop", home.runtime)


def test_the_command_names_the_salt_and_keeps_the_profile(home, run_cli):
    send_another_salt(home)
    code, _, said = run_cli("laptop", "login", "--password", PASSWORD, "--code", home.server.code())
    assert (code, "kdf_salt_changed" in said) == (MISBEHAVED, True), said


def test_another_salt_is_taken_with_its_event_and_an_old_event_explains_nothing(home):
    home.log_in("phone").change_password(PASSWORD, PASSWORD + "!")
    log_in_with(home, PASSWORD + "!").close()
    noted = Profile.open(home.folder / "laptop").kdf_known
    assert noted.salt.hex() == home.account.kdf["salt"]
    send_another_salt(home)
    with pytest.raises(KdfSaltError):
        log_in_with(home, PASSWORD)


def test_after_a_move_a_known_device_goes_on_and_a_new_one_is_told_where_the_server_was(home):
    home.server.origin = elsewhere = "https://elsewhere.example"

    def log_in_new(name, moved_from=None):
        folder, server = home.folder / name, Server(elsewhere)
        return log_in(
            folder,
            server,
            username=USERNAME,
            password=PASSWORD,
            code=home.server.code(),
            moved_from=moved_from,
            runtime=home.runtime,
        )

    with pytest.raises(LoginRefusedError):
        log_in_new("tablet")
    laptop = Profile.open(home.folder / "laptop")
    code = home.server.code()
    log_in_elsewhere(laptop, Server(elsewhere), password=PASSWORD, code=code, runtime=home.runtime).close()
    assert Profile.open(home.folder / "laptop").kdf_known.origin == elsewhere
    assert changes(home) == [LoginKeyChange.KDF_UPGRADED]
    log_in_new("tablet").close()  # the login key was made anew for the new place

    home.server.origin = elsewhere = "https://further.example"
    log_in_new("phone", moved_from="https://elsewhere.example").close()
    assert len(changes(home)) == 2
    log_in_elsewhere(  # has another salt, another origin, and the event that explains both
        Profile.open(home.folder / "laptop"),
        Server(elsewhere),
        password=PASSWORD,
        code=home.server.code(),
        runtime=home.runtime,
    ).close()
    assert Profile.open(home.folder / "laptop").kdf_known.origin == elsewhere


def test_inside_a_session_the_event_comes_before_the_password(home):
    send_another_salt(home)
    home.server.requests.clear()
    with pytest.raises(KdfSaltError):
        home.sessions["laptop"].change_password(PASSWORD, NEW)
    with pytest.raises(KdfSaltError):
        home.sessions["laptop"].close_account(PASSWORD)
    written = {path for method, path in home.server.requests if method == "POST"}
    assert written == {"/v1/auth/challenges"}
