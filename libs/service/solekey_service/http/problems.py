"""Exceptions → problem documents (RFC 9457). An unexpected error leaves the process as a bare 500.

*Wire format.* ``application/problem+json``:
``{"type": "urn:solekey:problem:<code>", "title", "status", "code", "detail", …extras}``.
``code`` is stable: clients decide by it, never by title or detail.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from solekey_eventlog.errors import EventLogError
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import ProtocolError
from solekey_service.http.response import Response
from solekey_service.refusals import Kind, Refusal, derive_refusal

_log = logging.getLogger(__name__)

PROBLEM_CONTENT_TYPE = "application/problem+json"
MAX_DETAIL_CHARS = 500
STATUS: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.MALFORMED: 400,
        Kind.UNAUTHENTICATED: 401,
        Kind.FORBIDDEN: 403,
        Kind.NOT_FOUND: 404,
        Kind.METHOD_NOT_ALLOWED: 405,
        Kind.TOO_SLOW: 408,
        Kind.CONFLICT: 409,
        Kind.LENGTH_UNKNOWN: 411,
        Kind.TOO_LARGE: 413,
        Kind.MEDIA_TYPE: 415,
        Kind.RANGE: 416,
        Kind.UNPROCESSABLE: 422,
        Kind.TOO_MANY: 429,
        Kind.UNAVAILABLE: 503,
        Kind.NO_ROOM: 507,
    }
)
"""The status of each kind of refusal."""
_NONE: Mapping[str, Json] = MappingProxyType({})


def problem_response(error: BaseException) -> Response:
    """Make the answer to an exception. An unexpected one is logged, and answered without any detail."""
    refusal = derive_refusal(error) if isinstance(error, ProtocolError | EventLogError) else error
    if isinstance(refusal, Refusal):
        headers = dict(refusal.headers)
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        if refusal.kind is Kind.UNAUTHENTICATED:
            headers["WWW-Authenticate"] = _challenge(refusal.code)
        return problem_document(
            *(STATUS[refusal.kind], refusal.code, refusal.title, str(refusal)),
            extras=refusal.extras,
            headers=headers,
        )
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem_document(500, "internal_error", "Something went wrong here; the operator's log says what")


def problem_document(
    status: int,
    code: str,
    title: str,
    detail: str = "",
    *,
    extras: Mapping[str, Json] = _NONE,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a problem document."""
    members: dict[str, Json] = {
        **extras,
        "type": f"urn:solekey:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail:
        # Details quote input: a lone surrogate in them must not break the answer.
        members["detail"] = detail[:MAX_DETAIL_CHARS].encode("utf-8", "replace").decode()
    return Response(status, encode_json(members), PROBLEM_CONTENT_TYPE, headers or {}, code)


def _challenge(code: str) -> str:
    """Say which proof is expected (RFC 9449 §7.1)."""
    error = {"dpop_invalid": "invalid_dpop_proof", "use_dpop_nonce": "use_dpop_nonce"}.get(
        code, "invalid_token"
    )
    return f'DPoP error="{error}", algs="EdDSA"'
