"""Access tokens: RFC 9068 JWTs, bound to a device key (RFC 9449 §6.1). Spec: tokens.md §1.

*Wire format.* Compact JWS. Header ``{"alg": "EdDSA", "kid": <signing key id>, "typ": "at+jwt"}``. Claims, all
required, no others: ``iss`` the origin, ``aud`` one service, ``sub`` the account, ``device``, ``sid`` the
session, ``auth_seq`` where the session stood in the account's auth stream when the token was made, ``iat``
and ``exp`` in seconds, ``jti``, ``cnf: {"jkt": <thumbprint of the device key>}``.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError, SchemaError
from solekey_protocol.events.auth import SigningKeyPublished
from solekey_protocol.events.fields import Position, decode_body
from solekey_protocol.ids import AccountId, DeviceId, KeyId, SessionId
from solekey_protocol.limits import MAX_SAFE_INTEGER
from solekey_protocol.services import Service
from solekey_service.access.compact import CompactError, parse_compact, sign_compact
from solekey_service.refusals import TokenExpired, TokenInvalid

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, not a secret
MAX_LIFETIME_S = 300
MAX_SKEW_S = 60
_OPENED: Final = 2048  # some 1 KiB each
_TEXT_MEMBERS = ("iss", "aud", "jti")
_MEMBERS = frozenset({*_TEXT_MEMBERS, "sub", "device", "sid", "auth_seq", "iat", "exp", "cnf"})


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a token says. Times are whole seconds since 1970."""

    issuer: str
    audience: Service
    account: AccountId
    device: DeviceId
    session: SessionId
    thumbprint: str
    auth_seq: int
    issued_at_s: int
    expires_at_s: int
    token_id: str


@dataclass(frozen=True, slots=True)
class _Subject:
    sub: AccountId
    device: DeviceId
    sid: SessionId
    auth_seq: Position


@dataclass(frozen=True, slots=True)
class _Opened:
    key: SigningKeyPublished  # the one that has signed it
    claims: AccessClaims


class OpenedTokens:
    """The tokens of which the signature was verified a short time ago: each comes with many requests.

    They are found by their hashes. Whether a token is good now is decided each time, by its key and claims.
    """

    def __init__(self) -> None:
        self._opened: OrderedDict[bytes, _Opened] = OrderedDict()

    def __len__(self) -> int:
        return len(self._opened)

    def open(
        self, token: str, signing_keys: Mapping[KeyId, SigningKeyPublished], withdrawn: Collection[KeyId]
    ) -> _Opened:
        """Verify signature and form of a token, unless that was done before by the same key.

        Raises:
            CompactError, MalformedError, TokenInvalid, NotYetAppliedError: see `verify_access_token`.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._opened.get(digest)
        if known is not None and _find_key(known.key.key_id, signing_keys, withdrawn) == known.key:
            return known
        compact = parse_compact(token)
        if compact.header.get("typ") != TOKEN_TYPE:
            raise CompactError(f"typ: expected {TOKEN_TYPE}")
        key = _find_key(KeyId(str(compact.header.get("kid"))), signing_keys, withdrawn)
        opened = self._opened[digest] = _Opened(key, _parse_claims(compact.verify(key.public_key)))
        if len(self._opened) > _OPENED:
            self._opened.popitem(last=False)
        return opened


def mint_access_token(claims: AccessClaims, *, key_id: KeyId, private_key: bytes) -> str:
    """Sign a token with the raw 32-byte Ed25519 key that ``key_id`` was published for."""
    members: dict[str, Json] = {
        "iss": claims.issuer,
        "aud": claims.audience.value,
        "sub": claims.account,
        "device": claims.device,
        "sid": claims.session,
        "auth_seq": claims.auth_seq,
        "iat": claims.issued_at_s,
        "exp": claims.expires_at_s,
        "jti": claims.token_id,
        "cnf": {"jkt": claims.thumbprint},
    }
    return sign_compact({"typ": TOKEN_TYPE, "kid": key_id}, members, private_key)


def verify_access_token(
    token: str,
    *,
    signing_keys: Mapping[KeyId, SigningKeyPublished],
    issuer: str,
    audience: Service,
    now: datetime,
    withdrawn_keys: Collection[KeyId] = (),
    opened: OpenedTokens | None = None,
) -> AccessClaims:
    """Verify a token: type, key, signature, then each claim.

    Args:
        token: from the request.
        signing_keys: those that were published, by their ids.
        issuer: the origin.
        audience: the service that was shown the token.
        now: the service's clock.
        withdrawn_keys: those that count no longer.
        opened: remembers of which tokens the signature was verified.

    Raises:
        TokenInvalid: not a token of this platform for this service, or its signing key was withdrawn.
        TokenExpired: it was one.
        NotYetAppliedError: signed by a key that was not heard of here; it may have been published just now.
    """
    try:
        opened = OpenedTokens() if opened is None else opened
        found = opened.open(token, signing_keys, withdrawn_keys)
    except (CompactError, MalformedError) as error:
        raise TokenInvalid(f"access token: {error}") from error
    key, claims = found.key, found.claims
    if claims.issuer != issuer or claims.audience is not audience:
        raise TokenInvalid("access token: made for another service")
    if not key.not_before.datetime.timestamp() <= claims.issued_at_s < key.not_after.datetime.timestamp():
        raise TokenInvalid("access token: signed outside the signing key's time")
    if not 0 < claims.expires_at_s - claims.issued_at_s <= MAX_LIFETIME_S:
        raise TokenInvalid(f"access token: lives longer than {MAX_LIFETIME_S} s")
    if claims.issued_at_s > now.timestamp() + MAX_SKEW_S:
        raise TokenInvalid("access token: issued in the future")
    if claims.expires_at_s <= now.timestamp():
        raise TokenExpired("access token: expired; refresh it")
    return claims


def _find_key(
    key_id: KeyId, signing_keys: Mapping[KeyId, SigningKeyPublished], withdrawn: Collection[KeyId]
) -> SigningKeyPublished:
    if key_id in withdrawn:
        raise TokenInvalid("access token: its signing key was withdrawn; refresh it")
    key = signing_keys.get(key_id)
    if key is None:
        raise NotYetAppliedError("access token: its signing key is not known here yet")
    return key


def _parse_claims(members: Mapping[str, Json]) -> AccessClaims:
    if members.keys() != _MEMBERS:
        raise SchemaError(f"claims: expected exactly {', '.join(sorted(_MEMBERS))}")
    issuer, audience, token_id = (_text(members, name) for name in _TEXT_MEMBERS)
    subject = decode_body(
        _Subject, {name: members[name] for name in ("sub", "device", "sid", "auth_seq")}, where="claims"
    )
    confirmation = members["cnf"]
    if not isinstance(confirmation, Mapping) or confirmation.keys() != {"jkt"}:
        raise SchemaError("claims.cnf: expected a jkt")
    if audience not in set(Service):
        raise SchemaError("claims.aud: not a service")
    return AccessClaims(
        issuer=issuer,
        audience=Service(audience),
        account=subject.sub,
        device=subject.device,
        session=subject.sid,
        thumbprint=_text(confirmation, "jkt"),
        auth_seq=subject.auth_seq,
        issued_at_s=_seconds(members, "iat"),
        expires_at_s=_seconds(members, "exp"),
        token_id=token_id,
    )


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise SchemaError(f"claims.{name}: expected a string")
    return value


def _seconds(members: Mapping[str, Json], name: str) -> int:
    value = members[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SAFE_INTEGER:
        raise SchemaError(f"claims.{name}: expected whole seconds since 1970")
    return value
