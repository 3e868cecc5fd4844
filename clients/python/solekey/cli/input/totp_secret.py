"""The secret of an authenticator as people have it: base32 in any spelling, or the URI of its QR code."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from solekey.cli.output.printing import usage_error

_IGNORED: Final = re.compile(r"[\s=_-]+")
_EXPECTED: Final = {"algorithm": "SHA1", "digits": "6", "period": "30"}


def parse_totp_secret(given: str) -> str:
    """Parse a secret: with spaces, in lower case, padded with ``=``, or as an ``otpauth:`` URI.

    Raises:
        click.UsageError: it is none, or makes other codes than Solekey takes.
    """
    text = given.strip()
    if text.lower().startswith("otpauth:"):
        text = _read_uri(text)
    secret = _IGNORED.sub("", text).upper()
    try:
        decoded = base64.b32decode(secret + "=" * (-len(secret) % 8))
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise usage_error("--totp-secret: an authenticator's secret is letters and digits from 2 to 7")
    return secret


def _read_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        query = {name.lower(): values[0] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        raise usage_error("--totp-secret: the otpauth: URI is damaged") from None
    if parts.netloc.lower() != "totp" or "secret" not in query:
        raise usage_error("--totp-secret: expected a URI that begins with otpauth://totp/ and has a secret")
    for name, expected in _EXPECTED.items():
        if query.get(name, expected).upper() != expected:
            raise usage_error("--totp-secret: codes with {} other than {} are not Solekey's", name, expected)
    return query["secret"]
