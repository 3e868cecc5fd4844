"""The auth service's entry points; nothing here decides anything."""

from solekey_auth.api import AuthApi
from solekey_auth.definition import DEFINITION
from solekey_auth.limits import MAX_BODY_BYTES, MAX_PASSKEY_BODY_BYTES
from solekey_eventlog.bus import Record
from solekey_service.access import Access
from solekey_service.http import Request, Response
from solekey_service.nameko_ext import every, http, listen, wired


class AuthService:
    """Who may log in, and who is logged in."""

    name = "auth"
    api: AuthApi = wired(DEFINITION, AuthApi)

    @http("POST", "/v1/auth/accounts", access=Access.PUBLIC, max_body_bytes=MAX_BODY_BYTES)
    def post_account(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.post_account(request)

    @http("POST", "/v1/auth/challenges", access=Access.PROOF_IF_GIVEN, max_body_bytes=MAX_BODY_BYTES)
    def post_challenge(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.post_challenge(request)

    @http("POST", "/v1/auth/sessions", access=Access.PROOF, max_body_bytes=MAX_BODY_BYTES)
    def post_session(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.post_session(request)

    @http("POST", "/v1/auth/passkey-options", access=Access.PROOF, max_body_bytes=MAX_BODY_BYTES)
    def post_passkey_question(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.post_passkey_question(request)

    @http("GET", "/v1/auth/factors", access=Access.SESSION)
    def get_factors(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.get_factors(request)

    @http("DELETE", "/v1/auth/factors/<factor>", access=Access.STEPPED_UP)
    def delete_factor(self, request: Request, factor: str) -> Response:
        """See FactorApi."""
        return self.api.factors.delete_factor(request, factor)

    @http("POST", "/v1/auth/factors/recovery-codes", access=Access.STEPPED_UP, max_body_bytes=MAX_BODY_BYTES)
    def post_recovery_codes(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_recovery_codes(request)

    @http("POST", "/v1/auth/factors/totp", access=Access.STEPPED_UP, max_body_bytes=MAX_BODY_BYTES)
    def post_totp(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_totp(request)

    @http("POST", "/v1/auth/factors/totp/confirm", access=Access.STEPPED_UP, max_body_bytes=MAX_BODY_BYTES)
    def post_totp_confirmation(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_totp_confirmation(request)

    @http(
        "POST",
        "/v1/auth/factors/passkeys/options",
        access=Access.STEPPED_UP,
        max_body_bytes=MAX_BODY_BYTES,
    )
    def post_passkey_options(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_passkey_options(request)

    @http(
        "POST", "/v1/auth/factors/passkeys", access=Access.STEPPED_UP, max_body_bytes=MAX_PASSKEY_BODY_BYTES
    )
    def post_passkey(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_passkey(request)

    @http("POST", "/v1/auth/step-up/challenges", access=Access.SESSION, max_body_bytes=MAX_BODY_BYTES)
    def post_step_up_challenge(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_step_up_challenge(request)

    @http("POST", "/v1/auth/step-up", access=Access.SESSION, max_body_bytes=MAX_BODY_BYTES)
    def post_step_up(self, request: Request) -> Response:
        """See FactorApi."""
        return self.api.factors.post_step_up(request)

    @http("POST", "/v1/auth/login-key", access=Access.STEPPED_UP, max_body_bytes=MAX_BODY_BYTES)
    def post_login_key(self, request: Request) -> Response:
        """See AccountApi."""
        return self.api.post_login_key(request)

    @http("POST", "/v1/auth/close", access=Access.STEPPED_UP, max_body_bytes=MAX_BODY_BYTES)
    def post_closing(self, request: Request) -> Response:
        """See AccountApi."""
        return self.api.post_closing(request)

    @http("POST", "/v1/auth/sessions/refresh", access=Access.PROOF, max_body_bytes=MAX_BODY_BYTES)
    def post_refresh(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.post_refresh(request)

    @http("GET", "/v1/auth/sessions", access=Access.SESSION)
    def get_sessions(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.get_sessions(request)

    @http("DELETE", "/v1/auth/sessions/<session>", access=Access.SESSION)
    def delete_session(self, request: Request, session: str) -> Response:
        """See AuthApi."""
        return self.api.delete_session(request, session)

    @http("GET", "/v1/auth/events", access=Access.SESSION)
    def get_events(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.get_events(request)

    @http("GET", "/v1/auth/system-events", access=Access.PUBLIC)
    def get_system_events(self, request: Request) -> Response:
        """See AuthApi."""
        return self.api.get_system_events(request)

    @http("GET", "/v1/auth/health", access=Access.PUBLIC)
    def get_health(self, request: Request) -> Response:  # noqa: ARG002  # every entry point is given one
        """See AuthApi."""
        return self.api.get_health()

    @listen()
    def on_record(self, record: Record) -> None:
        """Follow devices."""
        self.api.kernel.projector.apply(record)

    @every(1)
    def report_failed_logins(self) -> None:
        """See Timers."""
        self.api.timers.report_failed_logins()

    @every(10)
    def expire_sessions(self) -> None:
        """See Timers."""
        self.api.timers.expire_sessions()

    @every(60)
    def purge(self) -> None:
        """See Timers."""
        self.api.timers.purge()

    @every(60)
    def turn_signing_keys(self) -> None:
        """See AuthApi."""
        self.api.turn_signing_keys()
