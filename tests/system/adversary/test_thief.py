"""Somebody who stole a token, a request or a refresh token, against the real platform over TLS.

The thief speaks HTTP himself and signs with a key of his own; what he lacks is the device key. After each
theft the owner goes on, or is told: nothing here is refused by a client alone.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest

from solekey import Runtime, Server
from solekey.account.enrolment import log_in
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.errors import ClockWrongError, LoginRefusedError, SessionEndedError
from solekey.profile.profile import Tokens
from solekey_protocol.events import Stream
from tests.support.keys import Key
from tests.support.platform_process import PlatformProcess
from tests.support.tickets import encode, make_proof, thumbprint_of

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"
USERNAME = "ada@example.org"
EVENTS = "/v1/auth/events"
REFRESH = "/v1/auth/sessions/refresh"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    platform = PlatformProcess(tmp_path_factory.mktemp("platform") / "data")
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def ada(platform: PlatformProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's profile, logged in."""
    profile = tmp_path_factory.mktemp("ada") / "profile"
    server = Server(platform.url, platform.ca)
    with SignUp(profile, server, username=USERNAME, device_name="laptop") as sign_up:
        totp = sign_up.register(PASSWORD)
        session = sign_up.prove_second_factor(PASSWORD, pyotp.TOTP(totp.secret).now())
        sign_up.found(session, sign_up.make_user_key())
        session.close()
    return profile


@pytest.fixture
def tokens(ada: Path) -> Tokens:
    """What lies in Ada's profile now: stolen."""
    with Session.open(ada) as session:
        session.sync()
        return session.connection.profile.load_tokens()


@pytest.fixture
def wire(platform: PlatformProcess) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=platform.ca)
    with httpx.Client(base_url=platform.url, verify=context, trust_env=False) as client:
        yield client


def prove(
    wire: httpx.Client, key: Key, token: str, path: str = EVENTS, method: str = "GET"
) -> dict[str, str]:
    now = datetime.now(UTC)
    origin = str(wire.base_url).rstrip("/")
    proof = make_proof(
        key, "GET", origin + EVENTS, now, token=token, proof_id=f"thief-{now.timestamp()}-0001"
    )
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


def record(ada: Path) -> dict[str, str]:
    """Ada asks for her events; somebody reads along (at the proxy, say) and keeps the headers."""
    heard: list[dict[str, str]] = []

    class Tap(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == EVENTS:
                heard.append({name: request.headers[name] for name in ("Authorization", "DPoP")})
            return super().handle_request(request)

    context = ssl.create_default_context(cafile=ada / "server-ca.pem")
    with Tap(verify=context) as tap, Session.open(ada, Runtime(http=tap)) as session:
        session.sync()
    return heard[0]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_stolen_token_with_another_key_is_refused(wire: httpx.Client, tokens: Tokens) -> None:
    thief = Key("a thief's device key")
    token = tokens.access[Stream.AUTH]
    assert code_of(wire.get(EVENTS, headers=prove(wire, thief, token))) == (401, "token_invalid")


def test_a_stolen_token_without_any_proof_is_refused(wire: httpx.Client, tokens: Tokens) -> None:
    token = tokens.access[Stream.AUTH]
    for scheme in ("DPoP", "Bearer"):
        answer = wire.get(EVENTS, headers={"Authorization": f"{scheme} {token}"})
        assert answer.status_code == 401


def test_a_whole_request_is_good_once(wire: httpx.Client, ada: Path, tokens: Tokens) -> None:
    """Headers that were read along the way; the owner came first, as she must have."""
    stolen = record(ada)
    assert code_of(wire.get(EVENTS, params={"after": 0}, headers=stolen)) == (401, "dpop_invalid")
    for method, path in (
        ("POST", EVENTS),
        ("GET", "/v1/auth/sessions"),
        ("DELETE", "/v1/auth/sessions/ses_x"),
    ):
        assert wire.request(method, path, headers=stolen).status_code in (401, 405)
    assert wire.get("/v1/vault/wraps", headers=stolen).status_code == 401
    with Session.open(ada) as session:
        session.sync()


def test_a_token_for_another_service_is_refused(wire: httpx.Client, tokens: Tokens) -> None:
    thief = Key("a thief's device key")
    for stream in (Stream.VAULT, Stream.DEVICES, Stream.ROTATION):
        headers = prove(wire, thief, tokens.access[stream])
        assert code_of(wire.get(EVENTS, headers=headers)) == (401, "token_invalid")


def test_a_token_that_was_changed_is_refused(wire: httpx.Client, tokens: Tokens) -> None:
    """The thief's own key in `cnf`, and no signature, or the old one."""
    thief = Key("a thief's device key")
    header, claims, signature = tokens.access[Stream.AUTH].split(".")
    members = json.loads(_decode(claims))
    changed = encode({**members, "cnf": {"jkt": thumbprint_of(thief)}})
    unsigned = encode({**json.loads(_decode(header)), "alg": "none"})
    for token in (
        f"{header}.{changed}.{signature}",
        f"{unsigned}.{changed}.",
        f"{unsigned}.{changed}.{signature}",
    ):
        assert code_of(wire.get(EVENTS, headers=prove(wire, thief, token))) == (401, "token_invalid")


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("minutes", [-10, -2, 2, 10])
def test_a_device_whose_clock_is_wrong_is_told_so(ada: Path, minutes: int) -> None:
    """Its tokens may look expired to it, or its proofs are too old or too new: never a silent failure."""
    off = Runtime(now=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    with Session.open(ada, off) as session, pytest.raises(ClockWrongError) as refused:
        session.sync()
    assert "clock" in refused.value.diagnostics()
    with Session.open(ada) as session:
        session.sync()


@pytest.mark.parametrize("seconds", [-45, 45])
def test_a_clock_that_is_a_little_wrong_does_no_harm(ada: Path, seconds: int) -> None:
    off = Runtime(now=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    with Session.open(ada, off) as session:
        session.sync()


def test_a_login_with_stolen_words_alone_is_refused(platform: PlatformProcess, tmp_path: Path) -> None:
    """The password without the second factor."""
    with pytest.raises(LoginRefusedError):
        log_in(
            tmp_path / "thief",
            Server(platform.url, platform.ca),
            username=USERNAME,
            password=PASSWORD,
            code="000000",
            device_name="thief",
        )


def test_z_a_stolen_refresh_token_ends_the_session_and_the_owner_is_told(
    wire: httpx.Client, ada: Path, tokens: Tokens
) -> None:
    """The last of this file: Ada must log in again. With another key not even the 10 s of grace help."""
    thief = Key("a thief's device key")
    answer = send_refresh(wire, thief, tokens.refresh, None)
    assert code_of(answer) == (401, "use_dpop_nonce")
    answer = send_refresh(wire, thief, tokens.refresh, answer.headers["DPoP-Nonce"])
    assert code_of(answer) == (401, "session_ended")
    with Session.open(ada) as session:
        session.connection.profile.save_tokens(replace(tokens, expires_at=datetime.now(UTC)))
    with Session.open(ada) as session, pytest.raises(SessionEndedError) as told:
        session.sync()
    assert "log in" in told.value.diagnostics().lower()


def send_refresh(wire: httpx.Client, key: Key, token: str, nonce: str | None) -> httpx.Response:
    now = datetime.now(UTC)
    url = str(wire.base_url).rstrip("/") + REFRESH
    more = {"nonce": nonce} if nonce else {}
    proof = make_proof(key, "POST", url, now, proof_id=f"thief-{now.timestamp()}-0002", **more)
    return wire.post(REFRESH, headers={"DPoP": proof}, json={"refresh_token": token})
