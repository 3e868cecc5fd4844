"""Configuration of the auth service. Spec: rate-limits.md §1, §2."""

from dataclasses import dataclass, replace
from datetime import timedelta

from solekey_auth.credentials.kdf import KdfWork, parse_kdf_wanted
from solekey_auth.limits import SECRET_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.rate_limits import limit
from solekey_auth.rate_limits.limit import RateLimits
from solekey_auth.signing_keys.signing_keys import SigningSecret
from solekey_eventlog.secret import Secret
from solekey_protocol.events.auth import Factor
from solekey_service.access.tokens import MAX_LIFETIME_S
from solekey_service.config import ServiceConfig

_RATE_LIMITS = (
    "login_failures_device",
    "login_failures_stranger",
    "login_failures_name",
    "login_failures_source",
    "step_up_failures",
    "challenges_per_source",
    "challenges_per_device",
    "registrations_per_source",
)
OPERATOR_KEY_PROBLEM = (
    "operator_key: not the one that this database was founded with or was given last, from which every "
    "authenticator and recovery code derives: with another one nobody could log in. Give the former key back "
    "(from the backup of your secrets), or as former_operator_key beside this one, which then replaces it; "
    "for a platform without accounts, use an empty database"
)
_MAX_FREE_ATTEMPTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig(ServiceConfig):
    """The settings of the auth service. ``openssl rand -hex 32`` makes each of the two secrets."""

    operator_key: Secret
    """64 hex characters: second factors derive from it. Another one needs the former key beside it."""
    signing_key: Secret
    """64 hex characters: the keys that sign access tokens derive from it. May be changed at any restart."""
    former_operator_key: Secret | None = None
    """64 hex characters while the operator key is changed: the one that it replaces. Empty: none."""
    totp_issuer: str = "Solekey"
    """What authenticator apps show beside the username."""
    session_idle_s: int = 30 * 60
    """A session that is not refreshed for this long ends."""
    session_idle_trusted_s: int = 12 * 60 * 60
    """The same for a device that its account trusts: the session is bound to the device's key."""
    session_absolute_s: int = 12 * 60 * 60
    """A session ends this long after its login."""
    access_token_s: int = MAX_LIFETIME_S
    login_failures_device: int = limit.LOGIN_DEVICE.free
    """Failed logins from one device that the account knows, before it waits."""
    login_failures_stranger: int = limit.LOGIN_STRANGER.free
    """Failed logins from one source under one name, before it waits."""
    login_failures_name: int = limit.LOGIN_NAME.free
    """Failed logins under one name, from all devices that it does not know, before they wait."""
    login_failures_source: int = limit.LOGIN_SOURCE.free
    """Failed logins from one source, under all names, before it waits."""
    step_up_failures: int = limit.STEP_UP.free
    """Wrong second factors in the sessions of one device, before it waits."""
    challenges_per_source: int = limit.CHALLENGES.free
    """Challenges that one source gets at once, for devices that are not known; afterwards one a second."""
    challenges_per_device: int = limit.CHALLENGES_DEVICE.free
    """Challenges that a device gets at once of an account that knows it; afterwards one a second."""
    registrations_per_source: int = limit.REGISTRATIONS.free
    """Registrations that one source makes at once; afterwards one a minute."""
    required_factors: str = "totp,passkey"
    """Kinds of second factors, separated by commas: one that an account has of these is not removed."""
    kdf_wanted: str = ""
    """How much work passwords are to be stretched with, such as ``memory_kib=131072,iterations=4``."""
    signing_key_days: int = 30
    """How long a signing key signs before the next one takes over."""

    def find_problems(self) -> list[str]:
        """List what is wrong, without any secret."""
        problems = ServiceConfig.find_problems(self)
        keys = {"operator_key": self.operator_key, "signing_key": self.signing_key}
        if self.former_operator_key is not None and self.former_operator_key.reveal():
            keys["former_operator_key"] = self.former_operator_key
        for name, secret in keys.items():
            if not _is_key(secret):
                problems.append(f"{name}: expected {2 * SECRET_BYTES} lower-case hex characters")
        if len({secret.reveal() for secret in keys.values()}) < len(keys):
            problems.append(f"{', '.join(keys)}: must differ")
        if not self.totp_issuer or ":" in self.totp_issuer or len(self.totp_issuer) > 64:
            problems.append("totp_issuer: expected 1 to 64 characters without a colon")
        if not 0 < self.access_token_s <= MAX_LIFETIME_S:
            problems.append(f"access_token_s: expected 1 to {MAX_LIFETIME_S} seconds")
        problems += self._find_session_problems()
        if not 2 <= self.signing_key_days <= 366:
            problems.append("signing_key_days: expected 2 to 366 days")
        if self.find_required_factors() is None:
            problems.append("required_factors: expected totp, passkey, or both, separated by a comma")
        try:
            self.find_kdf_wanted()
        except ValueError as error:
            problems.append(f"kdf_wanted: {error}")
        return problems + self._find_rate_limit_problems()

    def _find_session_problems(self) -> list[str]:
        longest_s = 7 * 24 * 3600
        problems = []
        if not self.access_token_s <= self.session_idle_s <= self.session_absolute_s <= longest_s:
            problems.append(
                "session_idle_s and session_absolute_s: from access_token_s up to 7 days, in order"
            )
        if not self.session_idle_s <= self.session_idle_trusted_s <= longest_s:
            problems.append("session_idle_trusted_s: from session_idle_s up to 7 days")
        return problems

    @property
    def limits(self) -> AuthLimits:
        """The limits that decisions are made with."""
        return AuthLimits(
            session_idle=timedelta(seconds=self.session_idle_s),
            session_idle_trusted=timedelta(seconds=self.session_idle_trusted_s),
            session_absolute=timedelta(seconds=self.session_absolute_s),
            access_token=timedelta(seconds=self.access_token_s),
            signing_key=timedelta(days=self.signing_key_days),
            required_factors=self.find_required_factors() or frozenset(),
        )

    @property
    def rate_limits(self) -> RateLimits:
        """The rate limits, with the numbers of free attempts that were set."""
        return RateLimits(
            login_device=replace(limit.LOGIN_DEVICE, free=self.login_failures_device),
            login_stranger=replace(limit.LOGIN_STRANGER, free=self.login_failures_stranger),
            login_name=replace(limit.LOGIN_NAME, free=self.login_failures_name),
            login_source=replace(limit.LOGIN_SOURCE, free=self.login_failures_source),
            challenges=replace(limit.CHALLENGES, free=self.challenges_per_source),
            challenges_device=replace(limit.CHALLENGES_DEVICE, free=self.challenges_per_device),
            registrations=replace(limit.REGISTRATIONS, free=self.registrations_per_source),
            step_up=replace(limit.STEP_UP, free=self.step_up_failures),
        )

    def find_required_factors(self) -> frozenset[Factor] | None:
        """Give the required factors their type; None if they are none."""
        names = [name.strip() for name in self.required_factors.split(",")]
        if len(set(names)) != len(names) or not set(names) <= {Factor.TOTP.value, Factor.PASSKEY.value}:
            return None
        return frozenset(Factor(name) for name in names)

    def find_kdf_wanted(self) -> KdfWork | None:
        """Give the work that passwords are to be stretched with its type; None: any. Raises ValueError."""
        return parse_kdf_wanted(self.kdf_wanted)

    def _find_rate_limit_problems(self) -> list[str]:
        wrong = [name for name in _RATE_LIMITS if not 1 <= getattr(self, name) <= _MAX_FREE_ATTEMPTS]
        return [f"{name}: expected 1 to {_MAX_FREE_ATTEMPTS}" for name in wrong]

    def derive_nonce_key(self) -> bytes:
        """See ServiceConfig.derive_nonce_key: the same in all processes of the service."""
        return self.open_operator_key().derive(Purpose.DPOP_NONCE)

    def open_operator_key(self) -> OperatorKey:
        """Give the operator key its type."""
        return OperatorKey(bytes.fromhex(self.operator_key.reveal()))

    def open_former_operator_key(self) -> OperatorKey | None:
        """Give the key that the operator key replaces its type; None: it replaces none."""
        former = self.former_operator_key
        return OperatorKey(bytes.fromhex(former.reveal())) if former and former.reveal() else None

    def open_signing_secret(self) -> SigningSecret:
        """Give what signing keys derive from its type."""
        return SigningSecret(bytes.fromhex(self.signing_key.reveal()))


def _is_key(secret: Secret) -> bool:
    value = secret.reveal()
    return len(value) == 2 * SECRET_BYTES and not set(value) - set("0123456789abcdef")
