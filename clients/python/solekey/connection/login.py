"""Registering, logging in and refreshing: the client's half of the authentication protocol.

The password becomes a signing key; what the server sees are signatures over its challenges. Parameters that
come from the server pass the client's floor before the password is used. Spec: authentication.md §2,
§3, tokens.md §1, §3, §4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self, cast

from solekey.connection.dpop import JTI_BYTES, make_proof
from solekey.connection.second_factor import FactorChallenge, Proof, open_proof
from solekey.connection.transport import Answer, Transport
from solekey.crypto import (
    Confidential,
    DeviceKey,
    KdfParameters,
    KdfStrength,
    KnownKdf,
    LoginIdentity,
    LoginKey,
    UntrustedKdfParameters,
    accept_kdf_parameters,
    derive_login_key,
)
from solekey.errors import BadAnswerError
from solekey.profile.profile import Tokens
from solekey.runtime import Runtime
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, DeviceId, SessionId
from solekey_protocol.services import TOKEN_AUDIENCES

REGISTER_CONTEXT = b"solekey/register/v1\x00"
LOGIN_CONTEXT = b"solekey/login/v1\x00"
_JSON = {"Content-Type": "application/json"}
_SECRET = re.compile(r"[A-Z2-7]{16,128}", re.ASCII)
_URI = re.compile(r"otpauth://totp/[!-~]{1,500}", re.ASCII)
_EARLY = timedelta(seconds=15)  # tokens are renewed this long before they expire


@dataclass(frozen=True, slots=True, repr=False)
class TotpSecret(Confidential):
    """The second factor's secret, for an authenticator app."""

    secret: str
    uri: str

    @classmethod
    def parse(cls, members: Json) -> Self:
        """Parse ``{"secret", "uri"}``; both are shown to a person, so they are what they say.

        Raises:
            BadAnswerError
        """
        secret, uri = (
            members.get(name) if isinstance(members, Mapping) else None for name in ("secret", "uri")
        )
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
            raise BadAnswerError("the authenticator's secret is not base32")
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise BadAnswerError("the authenticator's address is not otpauth://totp/…")
        return cls(secret, uri)


@dataclass(frozen=True, slots=True, repr=False)
class LoginChallenge(Confidential):
    """What is signed with a login key, and how its password is stretched.

    Attributes:
        challenge: good once, for a short time, in hex.
        kdf: the account's password parameters, accepted.
        wanted: how much work the server asks new passwords to be stretched with; None: no more than this.
        identity: what the salt is bound to.
        is_changed: whether the salt is another one than this device remembers.
    """

    challenge: str
    kdf: KdfParameters
    wanted: KdfStrength | None
    identity: LoginIdentity
    is_changed: bool = False

    def derive_login_key(self, password: str) -> LoginKey:
        """Derive the account's login key. Raises EmptyPasswordError, PasswordTextError."""
        return derive_login_key(password, self.kdf, self.identity)


@dataclass(frozen=True, slots=True)
class LoggedIn(Confidential):
    """A new or refreshed session, and whose it is.

    Attributes:
        account, tokens: whose session, and the session.
        challenge: what was signed at the login; None after a refresh.
    """

    account: AccountId
    tokens: Tokens
    challenge: LoginChallenge | None = None


class LoginClient:
    """Speaks to the auth service before there is a token."""

    def __init__(self, transport: Transport, device_key: DeviceKey, runtime: Runtime) -> None:
        self._transport = transport
        self._device_key = device_key
        self._runtime = runtime

    def register(
        self, account: AccountId, username: str, password: str, parameters: KdfParameters
    ) -> TotpSecret:
        """Register an account; the same again gives the same answer until the second factor is proven.

        Raises:
            TakenError: the user name, or the account, is registered with another login key or proven already.
        """
        identity = LoginIdentity(self._transport.server.origin, username)
        with derive_login_key(password, parameters, identity) as login_key:
            members: dict[str, Json] = {
                "account": account,
                "username": username,
                "login_key": login_key.public_key,
                "kdf": parameters.encode(),
            }
            proof = login_key.sign(REGISTER_CONTEXT + encode_json(members))
        answer = self._post("/v1/auth/accounts", {**members, "proof": proof})
        if answer.get("account") != account:
            raise BadAnswerError("the registration's answer is not for this account")
        return TotpSecret.parse(answer.get("totp"))

    def fetch_challenge(
        self, username: str, known: KnownKdf | None, moved_from: str | None = None
    ) -> LoginChallenge:
        """Fetch a challenge for the login key, and how the password is stretched.

        Args:
            username: whose.
            known: what this device remembers of the last login.
            moved_from: the server's origin when the password was set, if it has moved since and this device
                does not remember it.

        Raises:
            KdfDowngradeError: less than the client's floor, or than it was before.
            KdfExcessiveError: more than this client does, or the server asks for more than that.
        """
        answer = self._post("/v1/auth/challenges", {"username": username}, proof=True)
        strength = known.strength if known is not None else None
        kdf = accept_kdf_parameters(UntrustedKdfParameters.parse(answer.get("kdf")), strength)
        asked = answer.get("kdf_wanted")
        wanted = KdfStrength.parse(asked) if asked is not None else None
        if wanted is not None:
            KdfParameters(wanted.memory_kib, wanted.iterations, wanted.lanes, kdf.salt)
        is_known = known is not None and known.salt == kdf.salt
        origin = known.origin if known is not None and is_known else moved_from
        identity = LoginIdentity(origin or self._transport.server.origin, username)
        is_changed = known is not None and not is_known
        return LoginChallenge(str(answer.get("challenge")), kdf, wanted, identity, is_changed)

    def log_in(
        self,
        username: str,
        password: str,
        proof: Proof,
        known: KnownKdf | None = None,
        moved_from: str | None = None,
    ) -> LoggedIn:
        """Open a session with the password and a second factor: a code, or another proof.

        ``known`` and ``moved_from`` are as in `fetch_challenge`.

        Raises:
            LoginRefusedError: something was wrong; nobody is told what.
            PasskeyError: the security key did not sign.
            KdfDowngradeError, KdfExcessiveError: the server asks for parameters that are not used.
        """
        challenge = self.fetch_challenge(username, known, moved_from)
        with challenge.derive_login_key(password) as login_key:
            opened = self._open_session(username, challenge.challenge, proof, login_key)
        return replace(opened, challenge=challenge)

    def refresh(self, tokens: Tokens) -> LoggedIn:
        """Trade the one-time refresh token for new tokens.

        Raises:
            SessionEndedError: ended, expired, or the token was used by somebody else.
        """
        path = "/v1/auth/sessions/refresh"
        answer = self._post(path, {"refresh_token": tokens.refresh}, proof=True)
        return self._parse_session(answer)

    def _open_session(self, username: str, challenge: str, proof: Proof, login_key: LoginKey) -> LoggedIn:
        signed: dict[str, Json] = {
            "challenge": challenge,
            "origin": self._transport.server.origin,
            "thumbprint": self._device_key.thumbprint,
            "username": username,
        }
        request: dict[str, Json] = {
            "username": username,
            "challenge": challenge,
            "signature": login_key.sign(LOGIN_CONTEXT + encode_json(signed)),
        }

        def find_passkeys() -> Json:
            path = "/v1/auth/passkey-options"
            return self._post(path, request, proof=True, repeatable=False).get("passkeys")

        asked = FactorChallenge(self._transport.server.origin, challenge, find_passkeys)
        factor = open_proof(proof).prove(asked)
        answer = self._post("/v1/auth/sessions", {**request, "factor": factor}, proof=True, repeatable=False)
        return self._parse_session(answer)

    def _post(
        self, path: str, members: Mapping[str, Json], *, proof: bool = False, repeatable: bool = True
    ) -> Mapping[str, Json]:
        def headers() -> Mapping[str, str]:
            return {**_JSON, "DPoP": self._make_proof(path)} if proof else _JSON

        answer: Answer = self._transport.send(
            "POST", path, headers=headers, content=encode_json(members), repeatable=repeatable
        )
        return answer.json()

    def _make_proof(self, path: str) -> str:
        return make_proof(
            self._device_key,
            method="POST",
            url=self._transport.server.origin + path,
            iat=int(self._runtime.now().timestamp()),
            jti=self._runtime.random(JTI_BYTES),
            nonce=self._transport.find_nonce(path),
        )

    def _parse_session(self, answer: Mapping[str, Json]) -> LoggedIn:
        try:
            tokens = cast("Mapping[str, str]", answer["tokens"])
            position = cast("Mapping[str, int]", answer["position"])
            lifetime = timedelta(seconds=int(cast("int", answer["expires_in_s"])))
            logged_in = LoggedIn(
                AccountId(str(answer["account"])),
                Tokens(
                    session=SessionId(str(answer["session"])),
                    access={service: str(tokens[service.value]) for service in TOKEN_AUDIENCES},
                    refresh=str(answer["refresh_token"]),
                    expires_at=self._runtime.now() + lifetime - min(_EARLY, lifetime / 2),
                    auth_position=int(position["auth"]),
                ),
            )
            device = DeviceId(str(answer["device"]))
        except (KeyError, TypeError, ValueError, OverflowError, MalformedError) as error:
            raise BadAnswerError(f"the session's answer is not what the API says: {error!r}") from error
        if device != self._device_key.device_id:
            raise BadAnswerError("the server opened a session for another device")
        return logged_in
