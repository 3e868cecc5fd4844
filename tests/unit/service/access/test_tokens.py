"""Access tokens: what is minted is accepted; everything else is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.ids import KeyId
from solekey_protocol.services import Service
from solekey_service.access import AccessClaims, compact, mint_access_token, tokens
from solekey_service.access.tokens import OpenedTokens, verify_access_token
from solekey_service.refusals import TokenExpired, TokenInvalid
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw
from tests.support.tickets import ORIGIN, SIGNER, SIGNER_ID, encode, make_token, publish_signer, thumbprint_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACTOR = Actor("ada", "laptop")
SECONDS = int(NOW.timestamp())
CLAIMS = AccessClaims(
    issuer=ORIGIN,
    audience=Service.VAULT,
    account=ACTOR.account,
    device=ACTOR.device,
    session=ACTOR.session,
    thumbprint=thumbprint_of(ACTOR.key),
    auth_seq=1,
    issued_at_s=SECONDS,
    expires_at_s=SECONDS + 300,
    token_id="token-0001",
)


def verify(token: str, now: datetime = NOW, audience: Service = Service.VAULT) -> AccessClaims:
    return verify_access_token(
        token, signing_keys={SIGNER_ID: publish_signer(NOW)}, issuer=ORIGIN, audience=audience, now=now
    )


def make(**changes: Any) -> str:
    return make_token(ACTOR, Service.VAULT, NOW, **changes)


def refuse(token: str, because: str) -> None:
    with pytest.raises(TokenInvalid, match=because):
        verify(token)


def test_what_is_minted_is_accepted() -> None:
    token = mint_access_token(CLAIMS, key_id=SIGNER_ID, private_key=derive_raw(SIGNER.label, 32))
    assert verify(token) == CLAIMS


def test_what_others_sign_with_the_same_key_is_accepted() -> None:
    assert verify(make()) == CLAIMS


@pytest.mark.parametrize("kind", [None, "JWT", "dpop+jwt", "application/at+jwt"])
def test_another_type_of_jwt_is_refused(kind: str | None) -> None:
    """A refresh token, id token or proof of the same issuer is not an access token (RFC 9068 §4)."""
    refuse(make(header={"typ": kind}), "typ")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256", None])
def test_another_algorithm_is_refused(algorithm: str | None) -> None:
    refuse(make(header={"alg": algorithm}), "alg")


def test_the_signature_must_be_the_published_keys() -> None:
    refuse(make(signer=Key("mallory")), "signature")
    token = make()
    refuse(token[:-4] + "AAAA", "signature")
    refuse(token.rpartition(".")[0] + ".", "signature")


def test_a_key_in_the_token_is_not_looked_at() -> None:
    mallory = Key("mallory")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes.fromhex(mallory.public))}
    refuse(make(signer=mallory, header={"jwk": jwk, "jku": "https://evil.test"}), "signature")


def test_an_unknown_key_may_be_on_its_way() -> None:
    with pytest.raises(NotYetAppliedError):
        verify(make(header={"kid": KeyId("ab" * 16)}))
    refuse(make(header={"kid": "../../etc/passwd"}), "KeyId")


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "device", "sid", "auth_seq", "iat", "exp", "jti", "cnf"]
)
def test_every_claim_is_required(name: str) -> None:
    refuse(make(**{name: None}), "expected exactly")
    refuse(make(**{name: [1]}), "claims")


def test_there_are_no_other_claims() -> None:
    refuse(make(scope="admin"), "expected exactly")


def test_it_is_for_one_issuer_and_one_service() -> None:
    refuse(make(iss="https://evil.test"), "another service")
    refuse(make(aud="auth"), "another service")
    refuse(make(aud="everything"), "aud")
    with pytest.raises(TokenInvalid, match="another service"):
        verify(make(), audience=Service.ROTATION)


def test_it_expires() -> None:
    assert verify(make(), now=NOW + timedelta(seconds=299))
    with pytest.raises(TokenExpired):
        verify(make(), now=NOW + timedelta(seconds=300))


def test_it_does_not_live_long() -> None:
    refuse(make(exp=SECONDS + 301), "longer than 300 s")
    refuse(make(exp=SECONDS), "longer")
    refuse(make(iat=SECONDS + 61, exp=SECONDS + 100), "future")
    refuse(make(exp=10**400), "JSON|integer")


def test_it_is_signed_in_the_keys_time() -> None:
    early, late = SECONDS - 3601, SECONDS + 86_400
    refuse(make(iat=early, exp=early + 300), "signing key's time")
    refuse(make(iat=late, exp=late + 300), "signing key's time")


def test_a_token_that_was_opened_is_judged_again_and_its_signature_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token, published, opened = make(), publish_signer(NOW), OpenedTokens()
    good: dict[str, Any] = {
        "signing_keys": {SIGNER_ID: published},
        "issuer": ORIGIN,
        "audience": Service.VAULT,
        "now": NOW,
    }
    assert verify_access_token(token, **good, opened=opened) == CLAIMS
    monkeypatch.setattr(compact, "verify_signature", None)
    assert verify_access_token(token, **good, opened=opened) == CLAIMS
    refused: tuple[tuple[type[Exception], dict[str, Any]], ...] = (
        (TokenExpired, {"now": NOW + timedelta(seconds=301)}),
        (TokenInvalid, {"audience": Service.AUTH}),
        (TokenInvalid, {"issuer": "https://elsewhere.test"}),
        (TokenInvalid, {"withdrawn_keys": {SIGNER_ID}}),
        (NotYetAppliedError, {"signing_keys": {}}),
        (TypeError, {"signing_keys": {SIGNER_ID: replace(published, public_key=Key("other").public)}}),
    )  # the last: another key by this id is asked again
    for error, changes in refused:
        with pytest.raises(error):
            verify_access_token(token, **good | changes, opened=opened)
    assert verify_access_token(token, **good, opened=opened) == CLAIMS
    with pytest.raises(TypeError):  # what was not opened is verified
        verify_access_token(
            f"{token[:-2]}{'B' if token[-2] == 'A' else 'A'}{token[-1]}", **good, opened=opened
        )


def test_no_more_tokens_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_OPENED", 2)
    opened = OpenedTokens()
    for number in range(4):
        opened.open(make(jti=f"token-{number}"), {SIGNER_ID: publish_signer(NOW)}, ())
    assert len(opened) == 2
