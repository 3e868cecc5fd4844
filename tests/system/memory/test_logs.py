"""With every logger at DEBUG, from the libraries' too, nothing that the client logs holds a secret.

Neither do the exceptions that an application logs with their tracebacks; they may repeat what their caller
gave them, such as the name of an item that is missing. Spec: threat-model.md, P1.
"""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from solekey import Runtime, Server, UserKey
from solekey.account.enrolment import log_in
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.audit import find_leaks
from solekey.errors import SolekeyError
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey_protocol.limits import MIB
from tests.support.client.world import World
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.system.memory.canaries import (
    NAME,
    PASSWORD,
    TAG,
    TEXT,
    collect_data_keys,
    collect_plaintexts,
    collect_tokens,
    collect_totp,
    collect_user_key,
)

ORIGIN = "https://solekey.test"
_LOG = logging.getLogger("an application")
_users = count(1)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged from now on, at DEBUG, with tracebacks."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)r"))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def tell_story(session: Session, phrase: str, folder: Path) -> dict[str, bytes]:
    """Put, get, fail and rotate; return every secret that took part."""
    secrets = {**collect_plaintexts(), **collect_tokens(session.connection)}
    secrets |= collect_user_key(phrase, session.account)
    film = folder / f"{NAME}.mkv"
    film.write_bytes(TEXT.encode() + os.urandom(2 * MIB))
    new_phrase = UserKey.make().to_phrase()
    with session.unlock(UserKey.from_phrase(phrase)) as vault:
        secrets |= collect_data_keys(vault)
        vault.put(NAME, TEXT, tags=(TAG,))
        vault.put_file(film)
        _LOG.debug("stored and listed: %r, got: %r", vault.list(), vault.get(NAME))
        vault.get_file(film.name, folder / "copy.mkv")
        for mistake in (lambda: vault.get("no such item"), lambda: vault.put("\0", TEXT)):
            log_failure(mistake)
        change_user_key(vault, UserKey.from_phrase(new_phrase))
        secrets |= collect_user_key(new_phrase, session.account, "new user key")
        rekey_data(vault)
        secrets |= {f"later {name}": key for name, key in collect_data_keys(vault).items()}
        _LOG.debug("the keys: %r %r", vault.unlocked.keyring, vault.unlocked.keyring.user_key.wrapping_key)
        _LOG.debug("the session: %r %r", session.connection.tokens, session.connection.profile.device_key)
    for wrong in (phrase, phrase.replace(" ", " x", 1), " ".join(reversed(phrase.split()))):
        log_failure(lambda wrong=wrong: unlock(session, wrong))
    return secrets


def unlock(session: Session, phrase: str) -> None:
    with session.unlock(UserKey.from_phrase(phrase)):
        raise AssertionError("these words must not open")


def log_failure(attempt) -> None:
    """Do what fails, and log the exception as an application does."""
    try:
        attempt()
    except SolekeyError:
        _LOG.exception("it failed")
    else:
        raise AssertionError("it did not fail")


def sign_up(world: World) -> tuple[Session, str, dict[str, bytes]]:
    """Sign up with the canary password."""
    with SignUp(
        world.folder / "laptop", Server(ORIGIN), username="ada", device_name="laptop", runtime=world.runtime
    ) as sign_up:
        totp = sign_up.register(PASSWORD)
        session = world.stack.enter_context(sign_up.prove_second_factor(PASSWORD, world.server.code()))
        user_key = sign_up.make_user_key()
        phrase = user_key.to_phrase()
        _LOG.debug("signed up: %r %r", totp, user_key)
        sign_up.found(session, user_key)
    return session, phrase, collect_totp(totp)


def fail_to_log_in(folder: Path, server: Server, runtime: Runtime) -> None:
    log_failure(
        lambda: log_in(
            folder, server, username="ada", password=PASSWORD + "!", code="000000", runtime=runtime
        )
    )


def test_nothing_that_is_logged_holds_a_secret(world, log):
    session, phrase, secrets = sign_up(world)
    secrets |= tell_story(session, phrase, world.folder)
    fail_to_log_in(world.folder / "phone", Server(ORIGIN), world.runtime)
    written = log.getvalue()
    assert "solekey.connection.transport DEBUG" in written
    assert written.count("Traceback") >= 6
    assert "<redacted>" in written
    assert find_leaks(secrets, [("log", written.encode())]) == []


@pytest.mark.slow
def test_nothing_that_is_logged_of_a_real_connection_holds_a_secret(
    platform: PlatformProcess, tmp_path, log, monkeypatch
):
    monkeypatch.setattr("tests.support.people.library_user.PASSWORD", PASSWORD)
    person = LibraryUser(platform, tmp_path, username=f"logs{next(_users)}")
    with person.sign_up() as session:
        secrets = {"totp secret": person.totp.encode(), **tell_story(session, person.phrase, tmp_path)}
    fail_to_log_in(tmp_path / "phone", person.server, Runtime())
    written = log.getvalue()
    assert "httpcore" in written
    assert "send_request_headers" in written
    assert find_leaks(secrets, [("log", written.encode())]) == []


def leak_key_on_unlock(monkeypatch):
    from solekey.vault import keyring

    real = keyring.open_live_wrap

    def careless(*arguments):
        data_key = real(*arguments)
        logging.getLogger("solekey.vault").debug("opened %r", bytes(data_key.expose()))
        return data_key

    monkeypatch.setattr(keyring, "open_live_wrap", careless)


def leak_headers(monkeypatch):
    from tests.support.client.fake_server import FakeServer

    real = FakeServer.handle_request

    def careless(self, request):
        logging.getLogger("httpx").debug("headers: %s", dict(request.headers))
        return real(self, request)

    monkeypatch.setattr(FakeServer, "handle_request", careless)


def leak_content_in_an_error(monkeypatch):
    from solekey.vault.vault import Vault

    def careless(self, name_or_id):
        raise SolekeyError(f"{name_or_id} is not among {[info.name for info in self.list()]}")

    monkeypatch.setattr(Vault, "find", careless)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (leak_key_on_unlock, "data key 1"),
        (leak_headers, "access token for vault"),
        (leak_content_in_an_error, "name"),
    ],
)
def test_a_planted_line_is_found(world, log, monkeypatch, plant, found):
    session, phrase, secrets = sign_up(world)
    plant(monkeypatch)
    with suppress(SolekeyError, AssertionError):
        secrets |= collect_tokens(session.connection) | collect_plaintexts()
        with session.unlock(UserKey.from_phrase(phrase)) as vault:
            secrets |= collect_data_keys(vault)
            vault.put(NAME, TEXT)
            log_failure(lambda: vault.get("no such item"))
    leaks = find_leaks(secrets, [("log", log.getvalue().encode())])
    assert found in {leak.secret for leak in leaks}
