"""The id of a request: the reverse proxy's, or one of our own. It joins the lines of both logs."""

import os
import re
from collections.abc import Sequence
from typing import Final

from solekey_service.http.source import Network, is_of

REQUEST_ID_HEADER: Final = "X-Request-Id"
_FORM: Final = re.compile(r"[0-9a-f]{32}")
_BYTES: Final = 16


def derive_request_id(given: str, peer: str | None, proxies: Sequence[Network]) -> str:
    """Take the id that a trusted proxy gave, or make one.

    Args:
        given: the combined value of the request's X-Request-Id fields.
        peer: the address at the other end of the connection.
        proxies: whose word is taken. A client's never is: it could make its requests look like others'.

    Returns:
        32 lower-case hex characters.
    """
    if is_of(peer, proxies) and _FORM.fullmatch(given):
        return given
    return os.urandom(_BYTES).hex()
