"""What the services really answer is what spec/openapi says: status, media type, header fields, body."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.ids import compute_digest
from solekey_service.access import Access, Guard
from solekey_service.http import Headers, Request, Response, problem_response
from solekey_service.refusals import UseDpopNonce
from solekey_vault.definition import DEFINITION as VAULT
from tests.docs.spec.documents import api_file, operations, validator
from tests.support.actors import Actor
from tests.support.kernels import Rig
from tests.support.passkeys.authenticator import Authenticator
from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import Desk, Person, read
from tests.support.tickets import ORIGIN, make_proof


def verify_answer(service: str, place: str, response: Response) -> Response:
    """Verify that an operation may answer so, and return the answer."""
    (operation,) = [found for method, path, found in operations(service) if f"{method} {path}" == place]
    described = operation["responses"][str(response.status)]
    for name, header in described["headers"].items() if "headers" in described.value else ():
        value: Any = response.headers.get(name)
        if value is None:
            assert not header.value.get("required"), f"{name} is missing"
            continue
        schema = header["schema"]
        number = schema.value.get("type") == "integer"
        validator(schema.file, schema.pointer).validate(int(value) if number else value)
    if "content" not in described.value:
        assert (response.body, response.content_type) == (b"", None)
        return response
    media = described["content"][str(response.content_type)]
    schema = media["x-line-schema" if response.content_type == "application/jsonl" else "schema"]
    for document in parse_body(response):
        validator(schema.file, schema.pointer).validate(document)
    return response


def parse_body(response: Response) -> list[Any]:
    """The documents of a body. Byte strings, which JSON lacks, become as many characters."""
    match response.content_type:
        case "application/jsonl":
            return [json.loads(line) for line in response.body.splitlines()]
        case "application/octet-stream":
            return [response.body.decode("latin-1")]
        case "application/cbor":
            members = cbor2.loads(response.body)
            return [{name: [v and v.decode("latin-1") for v in values] for name, values in members.items()}]
        case _:
            return [json.loads(response.body)]


def ask(method: Callable[..., Response], request: Request, *path: str) -> Response:
    try:
        return method(request, *path)
    except Exception as error:  # noqa: BLE001  # as the rim does
        return problem_response(error)


def test_auth_answers_as_described(rig: Rig) -> None:
    desk, ana = Desk.open(rig), Person()
    api = desk.api
    verify_answer("auth", "POST /v1/auth/accounts", desk.register(ana))
    taken = desk.register(Person("bob").with_(username=ana.username))
    assert verify_answer("auth", "POST /v1/auth/accounts", taken).status == 409
    asked = desk.ask(api.sessions.post_challenge, {"username": ana.username})
    verify_answer("auth", "POST /v1/auth/challenges", asked)
    malformed = desk.ask(api.sessions.post_challenge, {"username": ana.username, "more": 1})
    assert verify_answer("auth", "POST /v1/auth/challenges", malformed).status == 400
    refused = desk.log_in(ana, code="000000")
    assert verify_answer("auth", "POST /v1/auth/sessions", refused).status == 401
    opened = read(verify_answer("auth", "POST /v1/auth/sessions", desk.log_in(ana)))
    refreshed = desk.refresh(opened["refresh_token"], ana.device_key)
    assert verify_answer("auth", "POST /v1/auth/sessions/refresh", refreshed).status == 200
    caller = desk.as_caller(ana, opened["session"])
    verify_answer("auth", "GET /v1/auth/sessions", desk.ask(api.sessions.get_sessions, caller=caller))
    verify_answer("auth", "GET /v1/auth/events", desk.ask(api.get_events, caller=caller))
    verify_answer("auth", "GET /v1/auth/system-events", desk.ask(api.get_system_events))
    verify_answer("auth", "GET /v1/auth/health", api.get_health(Request("GET", "/v1/any/health")))
    for status in (200, 404):  # the second time it is not open any more
        ended = desk.ask(api.sessions.delete_session, None, opened["session"], caller=caller)
        assert verify_answer("auth", "DELETE /v1/auth/sessions/{session}", ended).status == status


def test_auth_brakes_and_asks_for_nonces_as_described(rig: Rig) -> None:
    once = {"challenges_per_source": 3, "registrations_per_source": 1, "login_failures_stranger": 1}
    desk, ana = Desk.open(rig, **once), Person()
    desk.register(ana)
    place = "POST /v1/auth/accounts"
    assert verify_answer("auth", place, desk.register(Person("bob"))).status == 429
    for status in (401, 429):
        place = "POST /v1/auth/sessions"
        assert verify_answer("auth", place, desk.log_in(ana, code="000000")).status == status
    place = "POST /v1/auth/challenges"
    asked = [desk.ask(desk.api.sessions.post_challenge, {"username": ana.username}) for _ in range(2)]
    assert [verify_answer("auth", place, answer).status for answer in asked] == [200, 429]
    assert "DPoP-Nonce" in asked[0].headers
    guard = Guard(desk.api.kernel)
    proof = make_proof(ana.device_key, "POST", f"{ORIGIN}/v1/auth/sessions", rig.clock.now())
    login = Request("POST", "/v1/auth/sessions", headers=Headers([("DPoP", proof)]))
    for place in ("POST /v1/auth/sessions", "POST /v1/auth/sessions/refresh"):
        with pytest.raises(UseDpopNonce) as caught:
            guard.admit(login, Access.PROOF)
        refused = problem_response(caught.value)
        assert verify_answer("auth", place, refused).status == 401
        assert json.loads(refused.body)["code"] == "use_dpop_nonce"


def test_second_factors_are_answered_as_described(rig: Rig) -> None:
    desk, ana = Desk.open(rig), Person()
    desk.register(ana)
    opened = read(desk.log_in(ana))
    keys = KeyRing(desk, ana)
    keys.session = opened["session"]
    of, caller = "/v1/auth/factors", desk.as_caller(ana, keys.session)
    asked = desk.ask(keys.api.post_passkey_options, {}, caller=caller)
    verify_answer("auth", f"POST {of}/passkeys/options", asked)
    assert verify_answer("auth", f"POST {of}/passkeys", keys.add()).status == 201
    keys.browser.said = {"origin": "https://evil.example"}
    again = desk.ask(keys.api.post_passkey_options, {}, caller=caller)  # with one that is excluded
    verify_answer("auth", f"POST {of}/passkeys/options", again)
    keys.browser.authenticator = Authenticator()
    assert verify_answer("auth", f"POST {of}/passkeys", keys.add()).status == 422
    keys.browser.said = {}
    listed = desk.ask(keys.api.get_factors, caller=caller)
    verify_answer("auth", f"GET {of}", listed)
    challenge = desk.challenge(ana.username)
    verify_answer("auth", "POST /v1/auth/passkey-options", keys.fetch_passkeys(challenge))
    assert (
        verify_answer("auth", "POST /v1/auth/passkey-options", keys.fetch_passkeys(challenge)).status == 401
    )
    told = desk.ask(keys.api.post_step_up_challenge, {}, caller=caller)
    verify_answer("auth", "POST /v1/auth/step-up/challenges", told)
    desk.rig.clock.advance(30)
    for status in (200, 401):  # a code is good once
        stepped = keys.step_up(factor=keys.code())
        assert verify_answer("auth", "POST /v1/auth/step-up", stepped).status == status
    place = f"DELETE {of}/{{factor}}"
    for status in (200, 404):
        assert (
            verify_answer("auth", place, keys.remove(read(listed)["factors"][0]["factor_id"])).status
            == status
        )
    assert verify_answer("auth", place, keys.remove("passkey")).status == 409


def test_devices_answers_as_described(rig: Rig) -> None:
    api, ana = rig.build(DEVICES), Actor("ana", "laptop")
    signed = ana.sign(ana.founded())
    said = {**signed.to_json(), "name": ana.name}
    place = "POST /v1/devices/statements"
    validator(api_file("devices"), "/components/schemas/SignedStatement").validate(said)
    for status in (201, 200):
        assert verify_answer("devices", place, ask(api.post_statement, ana.request(said))).status == status
    stale = ana.sign(ana.trusted()).to_json()
    assert verify_answer("devices", place, ask(api.post_statement, ana.request(stale))).status == 409
    verify_answer("devices", "GET /v1/devices/names", api.get_names(ana.request()))
    verify_answer("devices", "GET /v1/devices/events", api.get_events(ana.request()))
    unwell = verify_answer(
        "devices", "GET /v1/devices/health", api.get_health(Request("GET", "/v1/any/health"))
    )
    assert unwell.status == 503  # nothing was heard of auth


def test_vault_answers_as_described(rig: Rig, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/blobs"
    api = rig.build(VAULT, object_store_url=url)
    ana = Actor("ana", "laptop")
    body, place = b"ciphertext", "PUT /v1/vault/objects/{digest}"
    digest = compute_digest(body)
    for claimed, status in ((digest, 204), (compute_digest(b""), 422)):
        sent = ask(api.put_object, ana.request(body), claimed)
        assert verify_answer("vault", place, sent).status == status
    for asked, status in ((None, 200), ("bytes=2-5", 206), ("bytes=99-", 416)):
        request = ana.request(headers={"Range": asked} if asked else None)
        got = verify_answer("vault", "GET /v1/vault/objects/{digest}", ask(api.get_object, request, digest))
        assert got.status == status
    batch = ana.cbor_request({"objects": [b"one", b"two"]})
    verify_answer("vault", "POST /v1/vault/objects", ask(api.post_objects, batch))
    digests = {"digests": [digest, compute_digest(b"absent")]}
    missing = ask(api.post_missing, ana.request(digests))
    verify_answer("vault", "POST /v1/vault/objects/missing", missing)
    fetched = ask(api.post_fetch, ana.request(digests))
    assert verify_answer("vault", "POST /v1/vault/objects/fetch", fetched).status == 200
    verify_answer("vault", "GET /v1/vault/wraps", ask(api.get_wraps, ana.request()))
    verify_answer("vault", "GET /v1/vault/limits", ask(api.get_limits, ana.request()))


def test_an_answer_that_is_not_described_is_found(rig: Rig) -> None:
    real = Desk.open(rig).api.get_health(Request("GET", "/v1/any/health"))
    more = Response(real.status, real.body.replace(b"{", b'{"more":1,', 1), real.content_type)
    with pytest.raises(jsonschema.ValidationError, match="more"):
        verify_answer("auth", "GET /v1/auth/health", more)
    with pytest.raises(KeyError):
        verify_answer("auth", "GET /v1/auth/health", Response(418))
