"""Refresh tokens: one-time, kept only as digests, each successor derived from its predecessor.

Pure. Spec: tokens.md §4. *Wire format*: ``skr_`` and 32 bytes as 64 lower-case hex characters.
"""

import re

from solekey_auth.limits import SECRET_BYTES
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_eventlog.secret import Redacted
from solekey_protocol.ids import Digest, compute_digest
from solekey_service.refusals import BadRequest

PREFIX = "skr_"
_TOKEN = re.compile(rf"{PREFIX}[0-9a-f]{{{2 * SECRET_BYTES}}}")


class RefreshToken(Redacted):
    """A refresh token in clear, between the client and one transaction."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != SECRET_BYTES:
            raise ValueError(f"a refresh token is {SECRET_BYTES} bytes")
        self._raw = raw

    @property
    def digest(self) -> Digest:
        """SHA-256 of the text that travels: all that is stored."""
        return compute_digest(self.reveal().encode())

    def reveal(self) -> str:
        """The text that travels. For the answer to its owner alone."""
        return PREFIX + self._raw.hex()

    def derive_successor(self, operator_key: OperatorKey) -> "RefreshToken":
        """Derive the next token of the family: always the same one, so that a lost answer can be repeated.

        The operator's key takes part: who holds a token cannot compute those after it.
        """
        return RefreshToken(operator_key.derive(Purpose.REFRESH_SUCCESSOR, self._raw))


def parse_refresh_token(text: str) -> RefreshToken:
    """Parse a token. Raises BadRequest, which does not repeat the input."""
    if not _TOKEN.fullmatch(text):
        raise BadRequest("refresh_token: not a refresh token of this platform")
    return RefreshToken(bytes.fromhex(text.removeprefix(PREFIX)))
