"""The auth service: what makes it different from the others. It follows ``devices`` to end sessions."""

from typing import Final

from solekey_auth.accounts.api import AccountApi
from solekey_auth.api import AuthApi
from solekey_auth.config import AuthConfig
from solekey_auth.factors.api import FactorApi
from solekey_auth.limits import MAX_BODY_BYTES, MAX_PASSKEY_BODY_BYTES
from solekey_auth.sessions.api import SessionApi
from solekey_auth.signing_keys.command import SIGNING_KEY_COMMANDS
from solekey_auth.signing_keys.signing_keys import SigningKeys
from solekey_auth.tables import event_tables, metadata
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.services import SERVICES, Service
from solekey_service.access import Access
from solekey_service.definition import Job, Route, ServiceDefinition, under


def _accounts(api: AuthApi) -> AccountApi:
    return api.accounts


def _sessions(api: AuthApi) -> SessionApi:
    return api.sessions


def _factors(api: AuthApi) -> FactorApi:
    return api.factors


def _signing_keys(api: AuthApi) -> SigningKeys:
    return api.signing_keys


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
            Route("POST", "/v1/auth/accounts", Access.PUBLIC, AccountApi.post_account, MAX_BODY_BYTES),
            Route("POST", "/v1/auth/login-key", Access.STEPPED_UP, AccountApi.post_login_key, MAX_BODY_BYTES),
            Route("POST", "/v1/auth/close", Access.STEPPED_UP, AccountApi.post_closing, MAX_BODY_BYTES),
        ),
        *under(
            _sessions,
            Route(
                "POST",
                "/v1/auth/challenges",
                Access.PROOF_IF_GIVEN,
                SessionApi.post_challenge,
                MAX_BODY_BYTES,
            ),
            Route(
                "POST",
                "/v1/auth/passkey-options",
                Access.PROOF,
                SessionApi.post_passkey_question,
                MAX_BODY_BYTES,
            ),
            Route("POST", "/v1/auth/sessions", Access.PROOF, SessionApi.post_session, MAX_BODY_BYTES),
            Route("POST", "/v1/auth/sessions/refresh", Access.PROOF, SessionApi.post_refresh, MAX_BODY_BYTES),
            Route("GET", "/v1/auth/sessions", Access.SESSION, SessionApi.get_sessions),
            Route("DELETE", "/v1/auth/sessions/<session>", Access.SESSION, SessionApi.delete_session),
        ),
        *under(
            _factors,
            Route("GET", "/v1/auth/factors", Access.SESSION, FactorApi.get_factors),
            Route("DELETE", "/v1/auth/factors/<factor>", Access.STEPPED_UP, FactorApi.delete_factor),
            Route(
                "POST",
                "/v1/auth/factors/recovery-codes",
                Access.STEPPED_UP,
                FactorApi.post_recovery_codes,
                MAX_BODY_BYTES,
            ),
            Route("POST", "/v1/auth/factors/totp", Access.STEPPED_UP, FactorApi.post_totp, MAX_BODY_BYTES),
            Route(
                "POST",
                "/v1/auth/factors/totp/confirm",
                Access.STEPPED_UP,
                FactorApi.post_totp_confirmation,
                MAX_BODY_BYTES,
            ),
            Route(
                "POST",
                "/v1/auth/factors/passkeys/options",
                Access.STEPPED_UP,
                FactorApi.post_passkey_options,
                MAX_BODY_BYTES,
            ),
            Route(
                "POST",
                "/v1/auth/factors/passkeys",
                Access.STEPPED_UP,
                FactorApi.post_passkey,
                MAX_PASSKEY_BODY_BYTES,
            ),
            Route(
                "POST",
                "/v1/auth/step-up/challenges",
                Access.SESSION,
                FactorApi.post_step_up_challenge,
                MAX_BODY_BYTES,
            ),
            Route("POST", "/v1/auth/step-up", Access.SESSION, FactorApi.post_step_up, MAX_BODY_BYTES),
        ),
    ),
    commands=tuple(command.of(_signing_keys) for command in SIGNING_KEY_COMMANDS),
    reactions={DeviceRevoked: AuthApi.end_sessions_of_device},
    jobs=(
        Job("report_failed_logins", 1, lambda api: api.timers.report_failed_logins()),
        Job("expire_sessions", 10, lambda api: api.timers.expire_sessions()),
        Job("purge", 60, lambda api: api.timers.purge()),
        Job("turn_signing_keys", 60, lambda api: api.signing_keys.turn(), at_start=True),
    ),
)
