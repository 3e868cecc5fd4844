"""The fake server's half of second factors and step-ups. Signatures of passkeys are not looked at here."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pyotp

from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_protocol.ids import Digest, PublicKey, SessionId, SignatureHex, compute_digest
from solekey_protocol.statements import verify_signature
from tests.support.client.fake_parts import FakeAccount, RefusedError, answer

if TYPE_CHECKING:
    from tests.support.client.fake_server import FakeServer

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NEW_TOTP_SECRET = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
TOTP_ID = compute_digest(b"totp salt")
STEP_UP = timedelta(seconds=300)


class FactorDesk:
    """Takes factors; with ``single_use``, each step of the authenticator once, as the platform does."""

    def __init__(self, server: "FakeServer") -> None:
        self.server = server
        self.secret = TOTP_SECRET
        self.single_use = False
        self.used_step = 0
        self.attempts: list[str] = []
        self.sets = 0
        self.kdf_wanted: dict[str, int] | None = None

    def accept(self, account: FakeAccount, members: dict[str, Any], challenge: str) -> events.Factor:
        """Judge the member ``factor`` of a login or a step-up."""
        match members["factor"]:
            case {"kind": "totp", "code": code}:
                self.attempts.append(code)
                self._accept_code(code)
                return events.Factor.TOTP
            case {"kind": "recovery_code", "code": code} if code in account.codes:
                account.codes.remove(code)
                used = events.RecoveryCodeUsed(self._codes_id(), len(account.codes))
                self.server.said(account, used)
                return events.Factor.RECOVERY_CODES
            case {"kind": "passkey", "credential": credential, "client_data": data}:
                said_of = json.loads(_unbase64(data))
                if credential in account.passkeys and _unbase64(said_of["challenge"]).hex() == challenge:
                    return events.Factor.PASSKEY
        raise RefusedError(401, "login_refused")

    def verify_stepped_up(self, account: FakeAccount, session: SessionId) -> None:
        proven_at = account.states[Stream.AUTH].sessions[session].proven_at.datetime
        if self.server.now - proven_at > STEP_UP:
            raise RefusedError(403, "step_up_required", {"max_age_s": 300})

    def answer(
        self, request: httpx.Request, account: FakeAccount, session: SessionId, rest: list[str]
    ) -> httpx.Response:
        members = json.loads(request.content) if request.content else {}
        match request.method, rest:
            case "POST", ["step-up", "challenges"]:
                passkeys = list(account.passkeys)
                return answer({"challenge": "cd" * 32, "expires_in_s": 120, "passkeys": passkeys})
            case "POST", ["step-up"]:
                factor = self.accept(account, members, "cd" * 32)
                stepped_up = events.SessionSteppedUp(session, factor)
                return self.server.event(self.server.said(account, stepped_up), 200)
            case "GET", ["factors"]:
                return answer({"factors": self._describe(account)})
        self.verify_stepped_up(account, session)
        match rest:
            case ["login-key"]:
                return self._change_login_key(account, session, members)
            case ["close"]:
                return self._close(account, members)
        return self._change(request.method, account, rest[1:], members)

    def _change_login_key(
        self, account: FakeAccount, session: SessionId, members: dict[str, Any]
    ) -> httpx.Response:
        reason = events.LoginKeyChange(members["reason"])
        proof, signature = members.pop("proof"), members.pop("signature")
        message = b"solekey/login-key/v1\x00" + encode_json({**members, "origin": self.server.origin})
        if (account.login_key, account.kdf) == (members["login_key"], members["kdf"]):
            self._verify(account.login_key, message, proof)
            history = account.events[Stream.AUTH]
            return self.server.event(
                [e for e in history if isinstance(e.body, events.LoginKeyChanged)][-1], 200
            )
        self._verify(account.login_key, message, signature)
        self._verify(PublicKey(members["login_key"]), message, proof)
        account.login_key, account.kdf = PublicKey(members["login_key"]), members["kdf"]
        version = account.states[Stream.AUTH].credential_version + 1
        changed = self.server.said(account, events.LoginKeyChanged(version, reason))
        if reason is events.LoginKeyChange.PASSWORD_CHANGED:
            for other in [each for each in account.states[Stream.AUTH].sessions if each != session]:
                self.server.said(account, events.SessionEnded(other, events.SessionEnd.PASSWORD_CHANGED))
        return self.server.event(changed, 200)

    def _close(self, account: FakeAccount, members: dict[str, Any]) -> httpx.Response:
        signed = {"account": account.account, "challenge": members["challenge"], "origin": self.server.origin}
        self._verify(account.login_key, b"solekey/close/v1\x00" + encode_json(signed), members["signature"])
        version = account.states[Stream.AUTH].credential_version
        return self.server.event(self.server.said(account, events.AccountClosed(version)), 200)

    @staticmethod
    def _verify(key: PublicKey, message: bytes, signature: str) -> None:
        try:
            verify_signature(key, message, SignatureHex(signature))
        except ProtocolError as error:
            raise RefusedError(401, "login_refused") from error

    def _change(
        self, method: str, account: FakeAccount, rest: list[str], members: dict[str, Any]
    ) -> httpx.Response:
        match method, rest:
            case "POST", ["totp"]:
                uri = pyotp.TOTP(NEW_TOTP_SECRET).provisioning_uri(name="ada", issuer_name="Solekey")
                factor_id = compute_digest(b"new totp salt")
                return answer({"secret": NEW_TOTP_SECRET, "uri": uri, "factor_id": factor_id}, 201)
            case "POST", ["totp", "confirm"]:
                if members["code"] != pyotp.TOTP(NEW_TOTP_SECRET).at(self.server.now):
                    raise RefusedError(401, "login_refused")
                self.secret = NEW_TOTP_SECRET
                self.server.said(account, events.MfaRemoved(events.Factor.TOTP, TOTP_ID))
                return self._enrol(account, events.Factor.TOTP, compute_digest(b"new totp salt"))
            case "POST", ["recovery-codes"]:
                return self._make_codes(account)
            case "POST", ["passkeys", "options"]:
                return answer({"options": self._options(account), "expires_in_s": 120})
            case "POST", ["passkeys"]:
                credential = _unbase64(members["attestation"])  # a stand-in sends the bare credential id
                account.passkeys[members["attestation"]] = members["name"]
                return self._enrol(account, events.Factor.PASSKEY, compute_digest(credential))
            case "DELETE", [factor_id]:
                return self._remove(account, Digest(factor_id))
        raise RefusedError(404, "not_found")

    def _accept_code(self, code: str) -> None:
        now = int(self.server.now.timestamp()) // 30
        generator = pyotp.TOTP(self.secret)
        for step in (now - 1, now, now + 1):
            if code == generator.generate_otp(step) and not (self.single_use and step <= self.used_step):
                self.used_step = step
                return
        raise RefusedError(401, "login_refused")

    def _make_codes(self, account: FakeAccount) -> httpx.Response:
        if account.codes:
            self.server.said(account, events.MfaRemoved(events.Factor.RECOVERY_CODES, self._codes_id()))
        self.sets += 1
        account.codes = [f"set{'abcd'[self.sets]}a-code{letter}" for letter in "abcdefghij"]
        event = self.server.said(account, events.MfaEnrolled(events.Factor.RECOVERY_CODES, self._codes_id()))
        return answer({"codes": list(account.codes), "factor_id": event.body.factor_id}, 201)

    def _codes_id(self) -> Digest:
        return compute_digest(f"set {self.sets}".encode())

    def _enrol(self, account: FakeAccount, factor: events.Factor, factor_id: Digest) -> httpx.Response:
        return self.server.event(self.server.said(account, events.MfaEnrolled(factor, factor_id)))

    def _remove(self, account: FakeAccount, factor_id: Digest) -> httpx.Response:
        factors = account.states[Stream.AUTH].factors
        if factor_id not in factors:
            raise RefusedError(404, "not_found")
        left = [kind for other, kind in factors.items() if other != factor_id]
        if not {events.Factor.TOTP, events.Factor.PASSKEY} & set(left):
            raise RefusedError(409, "factor_required")
        removed = self.server.said(account, events.MfaRemoved(factors[factor_id], factor_id))
        return self.server.event(removed, 200)

    def _options(self, account: FakeAccount) -> dict[str, Any]:
        return {
            "rp": {"id": "solekey.test", "name": "Solekey"},
            "user": {"id": _base64(account.account.raw), "name": account.username, "displayName": "ada"},
            "challenge": _base64(bytes.fromhex("ef" * 32)),
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
            "excludeCredentials": [{"type": "public-key", "id": each} for each in account.passkeys],
        }

    def _describe(self, account: FakeAccount) -> list[dict[str, Any]]:
        names = {compute_digest(_unbase64(each)): name for each, name in account.passkeys.items()}
        rows = []
        for factor_id, factor in account.states[Stream.AUTH].factors.items():
            row: dict[str, Any] = {"factor": factor.value, "factor_id": factor_id}
            if factor is events.Factor.RECOVERY_CODES:
                row["codes_left"] = len(account.codes)
            if factor_id in names:
                row["name"] = names[factor_id]
            rows.append(row)
        return rows


class FakeSecurityKey:
    """Keeps one passkey, of the bare form that the desk takes."""

    def __init__(self, credential: bytes = b"a credential") -> None:
        self.credential = credential

    def make_credential(self, request: Any) -> Any:
        from solekey.connection.passkeys import NewPasskey

        del request
        return NewPasskey(b"{}", self.credential)

    def get_assertion(self, request: Any) -> Any:
        from solekey.connection.passkeys import Assertion

        assert self.credential in request.credentials
        data = json.dumps({"challenge": _base64(request.challenge)}).encode()
        return Assertion(self.credential, data, b"authenticator", hashlib.sha256(data).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
