"""What this service can be asked to do. Imperative; only checked values.

Spec: authentication.md §2-§5, factors.md.
"""

from dataclasses import dataclass

from solekey_auth.credentials.credential import Username
from solekey_auth.credentials.kdf import KdfParameters
from solekey_protocol.events.auth import Factor, LoginKeyChange, LoginStage
from solekey_protocol.ids import AccountId, DeviceId, Digest, PublicKey, SessionId


@dataclass(frozen=True, slots=True)
class RegisterAccount:
    """Reserve a username for an account until its first login proves the second factor."""

    account: AccountId
    username: Username
    login_key: PublicKey
    kdf: KdfParameters


@dataclass(frozen=True, slots=True)
class ReportFailedLogins:
    """Put failed logins of the account into its event log."""

    stages: tuple[LoginStage, ...]


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Open a session for a device whose login was verified, with this second factor.

    Attributes:
        codes_left: of the factor, if a recovery code of it was used up.
    """

    session: SessionId
    device: DeviceId
    factor: Factor
    factor_id: Digest
    codes_left: int | None = None


@dataclass(frozen=True, slots=True)
class UseRecoveryCode:
    """Note that a recovery code was used up by a login that opened nothing."""

    factor_id: Digest
    codes_left: int


@dataclass(frozen=True, slots=True)
class AddPasskey:
    """Add a passkey that was verified, and that no account has."""

    factor_id: Digest


@dataclass(frozen=True, slots=True)
class ReplaceFactor:
    """Put a factor in force in the place of the account's other ones of its kind."""

    factor: Factor
    factor_id: Digest


@dataclass(frozen=True, slots=True)
class RemoveFactor:
    """Remove a second factor."""

    factor_id: Digest


@dataclass(frozen=True, slots=True)
class StepUp:
    """Note that the user of a session proved a second factor again; ``codes_left`` as in OpenSession."""

    session: SessionId
    factor: Factor
    factor_id: Digest
    codes_left: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeLoginKey:
    """Put another login key in the place of the present one, which agreed, in the session ``by``."""

    by: SessionId
    login_key: PublicKey
    kdf: KdfParameters
    reason: LoginKeyChange


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """Close the account for ever, in the session ``by``."""

    by: SessionId


@dataclass(frozen=True, slots=True)
class RefreshSession:
    """Use a one-time refresh token, proving the device key with this thumbprint."""

    thumbprint: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """End a session because its user says so, in the session ``by``."""

    session: SessionId
    by: SessionId


@dataclass(frozen=True, slots=True)
class EndDeviceSessions:
    """End every session of a device that was revoked."""

    device: DeviceId


@dataclass(frozen=True, slots=True)
class ExpireSessions:
    """End these sessions if they are still open: nobody refreshed them in time."""

    sessions: tuple[SessionId, ...]


Command = (
    RegisterAccount
    | ReportFailedLogins
    | OpenSession
    | UseRecoveryCode
    | AddPasskey
    | ReplaceFactor
    | RemoveFactor
    | StepUp
    | ChangeLoginKey
    | CloseAccount
    | RefreshSession
    | EndSession
    | EndDeviceSessions
    | ExpireSessions
)
