"""The auth service: what makes it different from the others. It follows ``devices`` to end sessions."""

from typing import Final, TypeVar

from solekey_auth.accounts.api import AccountApi
from solekey_auth.accounts.command import ACCOUNT_COMMANDS, AccountDesk
from solekey_auth.accounts.restoration import SECURE_RESTORED, Restoration
from solekey_auth.api import AuthApi
from solekey_auth.config import AuthConfig
from solekey_auth.factors.api import FactorApi
from solekey_auth.key_change.command import KEY_COMMANDS
from solekey_auth.key_change.moving import KeyDesk
from solekey_auth.limits import MAX_BODY_BYTES, MAX_PASSKEY_BODY_BYTES
from solekey_auth.sessions.api import SessionApi
from solekey_auth.signing_keys.command import SIGNING_KEY_COMMANDS
from solekey_auth.signing_keys.signing_keys import SigningKeys
from solekey_auth.tables import event_tables, metadata
from solekey_eventlog.bus import Bus
from solekey_protocol.events.auth import AccountClosed, MfaRemoved, RecoveryCodeUsed, SessionEnded
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.services import SERVICES, Service
from solekey_service.access import Access
from solekey_service.definition import Handler, Job, Route, ServiceDefinition, under

PartT = TypeVar("PartT")


def _accounts(api: AuthApi) -> AccountApi:
    return api.accounts


def _account_desk(api: AuthApi) -> AccountDesk:
    return api.account_desk


def _restoration(api: AuthApi) -> tuple[Restoration, Bus]:
    return api.restoration, api.kernel.bus


def _sessions(api: AuthApi) -> SessionApi:
    return api.sessions


def _factors(api: AuthApi) -> FactorApi:
    return api.factors


def _key_desk(api: AuthApi) -> KeyDesk:
    return api.key_desk


def _signing_keys(api: AuthApi) -> SigningKeys:
    return api.signing_keys


def _post(
    path: str, access: Access, handler: Handler[PartT], max_body_bytes: int = MAX_BODY_BYTES
) -> Route[PartT]:
    return Route("POST", f"/v1/auth/{path}", access, handler, max_body_bytes)


DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.AUTH],
    package="solekey_auth",
    config=AuthConfig,
    metadata=metadata,
    tables=event_tables,
    api=AuthApi,
    routes=(
        Route("GET", "/v1/auth/system-events", Access.PUBLIC, AuthApi.get_system_events),
        *under(
            _accounts,
            _post("accounts", Access.PUBLIC, AccountApi.post_account),
            _post("login-key", Access.STEPPED_UP, AccountApi.post_login_key),
            _post("close", Access.STEPPED_UP, AccountApi.post_closing),
        ),
        *under(
            _sessions,
            _post("challenges", Access.PROOF_IF_GIVEN, SessionApi.post_challenge),
            _post("passkey-options", Access.PROOF, SessionApi.post_passkey_question),
            _post("sessions", Access.PROOF, SessionApi.post_session),
            _post("sessions/refresh", Access.PROOF, SessionApi.post_refresh),
            Route("GET", "/v1/auth/sessions", Access.SESSION, SessionApi.get_sessions),
            Route("DELETE", "/v1/auth/sessions/<session>", Access.SESSION, SessionApi.delete_session),
        ),
        *under(
            _factors,
            Route("GET", "/v1/auth/factors", Access.SESSION, FactorApi.get_factors),
            Route("DELETE", "/v1/auth/factors/<factor>", Access.STEPPED_UP, FactorApi.delete_factor),
            _post("factors/recovery-codes", Access.STEPPED_UP, FactorApi.post_recovery_codes),
            _post("factors/totp", Access.STEPPED_UP, FactorApi.post_totp),
            _post("factors/totp/confirm", Access.STEPPED_UP, FactorApi.post_totp_confirmation),
            _post("factors/passkeys/options", Access.STEPPED_UP, FactorApi.post_passkey_options),
            _post("factors/passkeys", Access.STEPPED_UP, FactorApi.post_passkey, MAX_PASSKEY_BODY_BYTES),
            _post("step-up/challenges", Access.SESSION, FactorApi.post_step_up_challenge),
            _post("step-up", Access.SESSION, FactorApi.post_step_up),
        ),
    ),
    commands=(
        *(command.of(_account_desk) for command in ACCOUNT_COMMANDS),
        SECURE_RESTORED.of(_restoration),
        *(command.of(_signing_keys) for command in SIGNING_KEY_COMMANDS),
        *(command.of(_key_desk) for command in KEY_COMMANDS),
    ),
    reactions={DeviceRevoked: AuthApi.end_sessions_of_device},
    recoveries={
        AccountClosed: lambda api, uow, event: api.recoveries.close_account(uow, event),
        MfaRemoved: lambda api, uow, event: api.recoveries.delete_factor(uow, event),
        RecoveryCodeUsed: lambda api, uow, event: api.recoveries.delete_codes(uow, event),
        SessionEnded: lambda api, uow, event: api.recoveries.end_session(uow, event),
    },
    jobs=(
        Job("report_failed_logins", 1, lambda api: api.timers.report_failed_logins()),
        Job("expire_sessions", 10, lambda api: api.timers.expire_sessions()),
        Job("purge", 60, lambda api: api.timers.purge()),
        Job("turn_signing_keys", 60, lambda api: api.signing_keys.turn(), at_start=True),
    ),
)
