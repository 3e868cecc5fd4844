"""Signing up, logging in and trusting devices, also when everything is interrupted."""

import json
import stat
from datetime import timedelta

import httpx
import pytest

from solekey import Runtime, Server, UserKey
from solekey.account.enrolment import log_in, trust_device
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.errors import (
    LoginRefusedError,
    NotLoggedInError,
    ProfileError,
    ProfileExistsError,
    SessionEndedError,
    WrongUserKeyError,
)
from solekey.profile.profile import Profile
from solekey_protocol.events import Stream
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME


class Died(BaseException):
    """The process is gone."""


def attempt(world, phrases, prompts_for_phrase):
    """One run of a sign-up program, as the CLI does it."""
    with SignUp(
        world.folder / "laptop",
        Server(ORIGIN),
        username=USERNAME,
        device_name="laptop",
        runtime=world.runtime,
    ) as sign_up:
        if sign_up.logged_in:
            session = sign_up.open_session()
        else:
            try:
                sign_up.register(PASSWORD)
            except Exception as error:
                if getattr(error, "code", "") != "account_taken":
                    raise
            session = sign_up.prove_second_factor(PASSWORD, world.server.code())
        with session:
            if session.streams.devices.account_key is None:
                user_key = sign_up.make_user_key()
                phrases.append(user_key.to_phrase())
            else:
                prompts_for_phrase.append(True)
                user_key = UserKey.from_phrase(phrases[-1])
            sign_up.found(session, user_key)


@pytest.mark.parametrize("answered", [False, True], ids=["before the server heard", "after it answered"])
@pytest.mark.parametrize("nth", range(1, 12))
def test_a_sign_up_survives_death_at_any_request(world, nth, answered):
    count = 0

    def die(request, response=None):
        nonlocal count
        count += 1
        if count == nth:
            raise Died
        return response

    if answered:
        world.server.tamper = die
    else:
        world.server.before = die
    phrases: list[str] = []
    prompts: list[bool] = []
    with pytest.raises(Died):
        attempt(world, phrases, prompts)
    world.server.be_honest()
    attempt(world, phrases, prompts)
    world.phrase = phrases[-1]
    world.sessions["laptop"] = world.reopen("laptop")
    vault = world.unlock("laptop")
    vault.put("a", "1")
    assert vault.get("a").content == b"1"
    kinds = [event.body.TYPE for event in world.account.events[Stream.VAULT]]
    assert kinds.count("solekey.vault.key_wrapped.v1") == 1


def test_the_sign_up_has_fewer_requests_than_were_killed(world):
    """The control of the test above: it kills every request that there is, and more do not exist."""
    world.sign_up()
    assert len(world.server.requests) == 11


def test_a_second_device_is_pending_until_it_has_the_user_key(home):
    home.unlock("laptop").put("a", "1")
    phone = home.log_in("phone")
    assert phone.devices.own_status.value == "pending"
    with phone.unlock(home.key()) as vault, pytest.raises(Exception) as refusal:
        vault.put("b", "2")
    assert refusal.value.code in {"device_not_trusted", "untrusted_device"}
    trust_device(phone, home.key())
    assert phone.devices.own_status.value == "trusted"
    assert home.unlock("phone").get("a").content == b"1"
    assert [info.name for info in home.sessions["laptop"].devices.list()] == ["laptop", "phone"]


def test_the_wrong_user_key_trusts_nothing(home):
    phone = home.log_in("phone")
    before = len(home.account.events[Stream.DEVICES])
    with pytest.raises(WrongUserKeyError):
        trust_device(phone, UserKey.make())
    assert len(home.account.events[Stream.DEVICES]) == before


@pytest.mark.parametrize("wrong", ["password", "code"])
def test_a_refused_login_never_says_which_part(home, wrong):
    password = "something else" if wrong == "password" else PASSWORD
    code = "000000" if wrong == "code" else home.server.code()
    with pytest.raises(LoginRefusedError) as refusal:
        log_in(
            home.folder / "phone",
            Server(ORIGIN),
            username=USERNAME,
            password=password,
            code=code,
            runtime=home.runtime,
        )
    assert str(refusal.value) == "login_refused"
    assert "password" in refusal.value.diagnostics()
    assert "code" in refusal.value.diagnostics()


def test_an_expired_token_is_refreshed_once(home):
    session = home.sessions["laptop"]
    home.server.now += timedelta(minutes=10)
    session.sync()
    refreshes = [path for _, path in home.server.requests if path.endswith("/refresh")]
    assert len(refreshes) == 1
    home.reopen("laptop").sync()


def test_a_token_that_the_server_calls_expired_is_refreshed(home):
    session = home.sessions["laptop"]
    tokens = session.connection.tokens
    home.server.sessions[tokens.refresh + "x"] = home.server.sessions[tokens.refresh]
    home.server.tamper = Once(httpx.Response(401, content=json.dumps({"code": "token_expired"}).encode()))
    session.sync()
    assert session.connection.tokens.refresh != tokens.refresh


class Once:
    def __init__(self, response):
        self.response = response

    def __call__(self, request, response):
        if request.url.path.endswith("/events") and self.response is not None:
            response, self.response = self.response, None
        return response


def test_two_programs_of_one_profile_refresh_once(home):
    first, second = home.sessions["laptop"], home.reopen("laptop")
    home.server.now += timedelta(minutes=10)
    first.sync()
    second.sync()
    refreshes = [path for _, path in home.server.requests if path.endswith("/refresh")]
    assert len(refreshes) == 1


def test_two_programs_of_one_profile_share_the_verified_streams(home):
    first, second = home.sessions["laptop"], home.reopen("laptop")
    home.unlock("laptop").put("a", "1")
    second.sync()
    with second.unlock(home.key()) as vault:
        vault.put("b", "2")
    first.sync()
    assert [event.seq for event in home.reopen("laptop").streams.events(Stream.VAULT)] == [1, 2, 3]


def test_a_session_that_ended_says_so(home):
    session = home.sessions["laptop"]
    session.log_out()
    with pytest.raises(NotLoggedInError):
        Session.open(home.folder / "laptop", home.runtime)
    with pytest.raises(SessionEndedError):
        session.sync()


def test_nothing_secret_is_on_disk(home):
    vault = home.unlock("laptop")
    vault.put("a name", "a content")
    with home.key() as user_key:
        seed = bytes(user_key.expose())
    data_key = bytes(vault.unlocked.keyring.data_key(1).expose())
    files = [path for path in (home.folder / "laptop").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        for secret in (seed, data_key, b"a name", b"a content", PASSWORD.encode()):
            assert secret not in content
            assert secret.hex().encode() not in content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((home.folder / "laptop").stat().st_mode) == 0o700


def test_a_profile_that_is_open_to_others_is_refused(home):
    (home.folder / "laptop").chmod(0o755)
    with pytest.raises(ProfileError, match="open to other users"):
        Profile.open(home.folder / "laptop")


def test_a_profile_of_somebody_else_is_not_taken_over(home):
    with pytest.raises(ProfileExistsError):
        Profile.create(
            home.folder / "laptop",
            Server(ORIGIN),
            username="eve",
            device_name="x",
            random=Runtime().random,
        )


def test_a_record_that_was_cut_by_a_crash_is_fetched_again(home):
    path = home.folder / "laptop" / "streams" / "auth.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    session = home.reopen("laptop")
    session.sync()
    assert path.read_bytes().startswith(whole)


def test_keys_are_gone_after_the_block(home):
    user_key = home.key()
    with home.sessions["laptop"].unlock(user_key) as vault:
        data_key = vault.unlocked.keyring.data_key(1)
    for secret in (user_key, data_key):
        with pytest.raises(Exception, match="wiped"):
            secret.expose()
