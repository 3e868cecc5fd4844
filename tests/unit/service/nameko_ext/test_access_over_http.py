"""A token and a proof, over the wire: the whole way through guard, worker and answer."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from solekey_eventlog.bus import Message, open_bus
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import Factor, SessionOpened
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import SYSTEM_ACCOUNT, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service
from solekey_protocol.statements import EMPTY_HEAD
from tests.support.actors import Actor
from tests.support.demo_process import Demo
from tests.support.tickets import ORIGIN, make_proof, make_token, publish_signer

pytestmark = pytest.mark.slow  # starts processes, and waits for what only time brings

ADA = Actor("ada", "laptop")


def beat(demo: Demo) -> None:
    """The devices service is alive. (The demo's own auth service beats by itself.)"""
    with open_bus(demo.bus_url) as bus:
        now = Timestamp.from_datetime(datetime.now(UTC))
        heartbeat = Heartbeat(Service.DEVICES, now, dict(bus.end_offsets(TOPICS[Stream.DEVICES])))
        bus.publish(HEARTBEAT_TOPIC, "devices", encode_heartbeat(heartbeat))


@pytest.fixture
def opened(fresh_demo: Demo) -> Demo:
    """Ada founded her account and is logged in; her events come from services that are not running here."""
    now = datetime.now(UTC)
    at = Timestamp.from_datetime(now)
    until = Timestamp.from_datetime(now + timedelta(hours=1))
    events = [
        (TOPICS[Stream.AUTH], SYSTEM_ACCOUNT, publish_signer(now)),
        (TOPICS[Stream.AUTH], ADA.account, SessionOpened(ADA.session, ADA.device, Factor.TOTP, until)),
        (TOPICS[Stream.DEVICES], ADA.account, ADA.sign(ADA.founded())),
    ]
    with open_bus(fresh_demo.bus_url) as bus:
        for topic, account, said in events:
            event = encode_event(said, account=account, after=EMPTY_HEAD, time=at)
            bus.publish_many([Message(topic, account, event.raw)])
    beat(fresh_demo)
    return fresh_demo


def ask(
    demo: Demo, method: str, path: str, body: bytes = b"", *, after: str = "devices=1"
) -> tuple[httpx.Response, dict[str, str]]:
    now = datetime.now(UTC)
    token = make_token(ADA, Service.VAULT, now)
    proof = make_proof(ADA.key, method, ORIGIN + path, now, token=token, proof_id=uuid.uuid4().hex)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof, "Solekey-After": after}
    with demo.client() as client:
        return client.request(method, path, content=body, headers=headers), headers


def ask_until_known(
    demo: Demo, method: str, path: str, body: bytes = b""
) -> tuple[httpx.Response, dict[str, str]]:
    """As a client does: 503 with Retry-After is asked again."""
    deadline_s = time.monotonic() + 30
    while True:
        beat(demo)
        response, headers = ask(demo, method, path, body)
        if response.status_code != 503:
            return response, headers
        assert response.headers["Retry-After"] == "1"
        assert time.monotonic() < deadline_s, response.text
        time.sleep(0.1)


def test_a_trusted_device_writes_and_a_replay_is_refused(opened: Demo) -> None:
    for size in (100_000, 1):  # a short one notes its proof with what it writes, or before its answer
        response, headers = ask_until_known(opened, "POST", "/v1/vault/write", b"x" * size)
        assert (response.status_code, response.json()) == (200, {"bytes": size, "device": ADA.device})
        with opened.client() as client:
            replayed = client.post("/v1/vault/write", content=b"x", headers=headers)
        assert (replayed.status_code, replayed.json()["code"]) == (401, "dpop_invalid")
        assert replayed.headers["WWW-Authenticate"] == 'DPoP error="invalid_dpop_proof", algs="EdDSA"'


def test_a_refused_write_has_used_its_proof(opened: Demo) -> None:
    ask_until_known(opened, "GET", "/v1/vault/whoami")
    response, headers = ask(opened, "POST", "/v1/vault/write", b"refuse")
    assert response.status_code == 400, response.text
    with opened.client() as client:
        replayed = client.post("/v1/vault/write", content=b"x", headers=headers)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "dpop_invalid")


def test_a_proof_for_another_path_is_refused_and_the_path_is_what_the_client_sent(opened: Demo) -> None:
    response, headers = ask_until_known(opened, "GET", "/v1/vault/whoami")
    assert response.json() == {"account": ADA.account}
    with opened.client() as client:
        elsewhere = client.post("/v1/vault/write", headers=headers)
    assert "htm" in elsewhere.json()["detail"]


def test_the_log_holds_no_token_and_no_proof(opened: Demo) -> None:
    _, headers = ask_until_known(opened, "GET", "/v1/vault/whoami")
    log = opened.log.read_text()
    assert "GET /v1/vault/whoami 200" in log  # positive control: the request is in the log
    for secret in (headers["DPoP"], headers["Authorization"].split()[1]):
        assert all(part not in log for part in secret.split("."))


def test_without_heartbeats_trust_is_stale(opened: Demo) -> None:
    ask_until_known(opened, "GET", "/v1/vault/whoami")
    deadline_s = time.monotonic() + 30
    while True:
        response, _ = ask(opened, "GET", "/v1/vault/whoami")
        if response.status_code == 503:
            break
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    assert json.loads(response.text)["code"] == "trust_stale"
