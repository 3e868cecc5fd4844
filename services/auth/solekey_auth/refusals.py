"""What this service refuses besides what every service does. Spec: authentication.md §6.

::

    Refusal
    ├── Unauthenticated
    │   ├── LoginRefused       401  login_refused       some part was wrong; the answer is always the same
    │   └── RefreshRefused     401  token_invalid       no such refresh token
    ├── Conflict
    │   ├── UsernameTaken      409  username_taken      another account has, or has just reserved, this name
    │   ├── AccountTaken       409  account_taken       the account id is registered, and not by this request
    │   ├── FactorRequired     409  factor_required     the account must keep a factor of this kind
    │   ├── PasskeysUnavailable 409 passkeys_unavailable  the server is reached by an address, not by a name
    │   ├── PasskeyTaken       409  passkey_taken       the credential belongs to an account already
    │   └── TooManyPasskeys    409  too_many_passkeys   the account has as many as it may have
    ├── Unprocessable
    │   ├── KdfTooWeak         422  kdf_too_weak        the password would be stretched too little
    │   ├── KdfExcessive       422  kdf_excessive       the password would be stretched too much
    │   └── PasskeyRefused     422  passkey_refused     what the authenticator answered is wrong
    └── TooManyAttempts        429  too_many_attempts   too much was tried: logins, challenges, registrations

From ``solekey_service.refusals`` come ``RevokedDevice`` (the login was right, but the device is revoked for
ever) and ``SessionOver`` (logged out, expired, device revoked, or a refresh token used twice).
"""

from solekey_protocol.events.auth import LoginStage
from solekey_service.refusals import Conflict, Kind, Refusal, Unauthenticated, Unprocessable


class LoginRefused(Unauthenticated):
    """The name, the challenge, the login key, the code: something was wrong. Always the same words."""

    code, title = "login_refused", "The login was refused"

    def __init__(self, stage: LoginStage) -> None:
        super().__init__("username, password or code is wrong, or the challenge is not valid any more")
        self.stage = stage
        """How far it came: for the account's own event log, never for the answer."""


class RefreshRefused(Unauthenticated):
    """Not a refresh token of this service, or one so old that it was deleted."""

    code, title = "token_invalid", "The refresh token is not valid"


class UsernameTaken(Conflict):
    """The name belongs to another account."""

    code, title = "username_taken", "The username is taken"


class AccountTaken(Conflict):
    """The account id is registered with another credential, or its first login was made already."""

    code, title = "account_taken", "The account is registered already"


class FactorRequired(Conflict):
    """Without this factor the account would not have those that are required."""

    code, title = "factor_required", "The factor is required"


class PasskeysUnavailable(Conflict):
    """WebAuthn knows servers by their names, and this one is reached by an address."""

    code, title = "passkeys_unavailable", "Passkeys cannot be used with this server"


class PasskeyTaken(Conflict):
    """The credential was added already, to this account or to another."""

    code, title = "passkey_taken", "The passkey is known already"


class TooManyPasskeys(Conflict):
    """The account has as many passkeys as it may have."""

    code, title = "too_many_passkeys", "The account has too many passkeys"


class PasskeyRefused(Unprocessable):
    """What an authenticator answered is malformed or wrong; a login and a step-up do not say so."""

    code, title = "passkey_refused", "The passkey was refused"


class KdfTooWeak(Unprocessable):
    """A parameter is under the floor (RFC 9106 §4, second choice)."""

    code, title = "kdf_too_weak", "The password parameters are too weak"


class KdfExcessive(Unprocessable):
    """A parameter is above the ceiling."""

    code, title = "kdf_excessive", "The password parameters are excessive"


class TooManyAttempts(Refusal):
    """Too many attempts, whether or not an account has the name."""

    code, kind, title = "too_many_attempts", Kind.TOO_MANY, "Too many attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many attempts; the next one is possible in {retry_after_s} s",
            retry_after_s=retry_after_s,
        )
