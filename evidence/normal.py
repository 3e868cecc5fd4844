"""Takes out of a recorded exchange what is random or a time, and leaves everything else as it is.

What is replaced, and by what, is the whole list below; a report repeats it. Lengths stay: of ciphertext, of
ids, of texts. What the two runs of a twin still differ in, a server can tell them apart by.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from evidence.exchanges import Exchange, Message
from solekey_protocol.encoding import Cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import MAX_CHANGE_LIST_VALUES
from solekey_protocol.services import Stream

RULES: Final = (
    "ids, other random identifiers, digests, keys, salts and signatures: by their kind and length",
    "moments, and the fields Date and DPoP-Nonce: by the word",
    "the user name; codes of the second factor, recovery codes and the authenticator's secret: by the word",
    "ciphertext and wraps: their bytes behind what the format fixes (suite, epoch …), by their number",
    "arrays of CBOR and lists of digests: their order, which is that of random ids",
    "positions in Solekey-After of requests for objects: some are sent while a commit is answered",
    "the order of the requests of one step, for some are sent at once",
    "requests answered with 503 (come again) or 401 use_dpop_nonce, or that renew a session: left out",
    (
        "after a 503 not_yet_applied, one request for the last event of each stream: left out. How soon a "
        "service has heard of another's events makes it answer so, and the client then asks whether the "
        "server was restored from a backup; it names a position that the server has given it"
    ),
)
_SUBSTITUTES: Final = (
    (re.compile(r"\b(acc|dev|ses|rot|item|itm)_[a-z2-7]{26}"), r"<\1>"),
    (re.compile(r"\b[0-9a-f]{16,}\b|(?<=skr_)[0-9a-f]{16,}"), lambda found: f"<hex {len(found[0])}>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<moment>"),
    (re.compile(r"\b1[6-9]\d{8}\b"), "<moment>"),
    (re.compile(r"\b[a-z2-7]{5}-[a-z2-7]{5}\b"), "<recovery code>"),
    (re.compile(r"\b[A-Z2-7]{32}\b"), "<authenticator's secret>"),
    (re.compile(r'(?<="code":")\d{6}(?=")'), "<code>"),
)
_JWS: Final = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_RANDOM_TEXT: Final = re.compile(r"(?<=\")[A-Za-z0-9_-]{22,}(?=\")")
_WORD_FIELDS: Final = frozenset({"date", "dpop-nonce"})
_FIXED_BYTES: Final = {b"SKE": 10, b"SKW": 14}
"""How many bytes of an envelope and of a wrap are no one's secret: envelope.md §2, keys.md §5."""
_OBJECTS: Final = "/v1/vault/objects"
_POSITION: Final = re.compile(r"=\d+")
_EXPECTED_TRIES: Final = ("use_dpop_nonce",)
_LATE: Final = b'"code":"not_yet_applied"'
_LOOK: Final = re.compile(r"/v1/(\w+)/events\?after=\d+&limit=1")
"""Asks for a stream's last event: whether the service still has it (hostile-server.md §2)."""


def leave_out_timely(exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
    """Leave out what is sent again, and what is asked because of it: when that happens is a matter of time.

    A look at a stream's last event stays where no service was late before: at most one look a stream follows
    each answer that one is.
    """
    expected: Counter[str] = Counter()
    for each in exchanges:
        look = _LOOK.fullmatch(each.target) if each.method == "GET" else None
        if is_late(each):
            expected.update(Stream)
        if look and expected[look[1]] and not each.request.find("Solekey-After") and not each.request.body:
            expected[look[1]] -= 1
        elif not is_repeated(each):
            yield each


def is_late(exchange: Exchange) -> bool:
    """Whether a service answers that it has not heard of another one's events yet."""
    return exchange.status == "503" and exchange.response is not None and _LATE in exchange.response.body


def is_repeated(exchange: Exchange) -> bool:
    """Whether an exchange was sent again, or renews a session: when that happens is a matter of time."""
    if exchange.status == "503" or exchange.target.endswith("/sessions/refresh"):
        return True
    answer = exchange.response.body if exchange.response else b""
    return exchange.status == "401" and any(code.encode() in answer for code in _EXPECTED_TRIES)


def normalise(exchange: Exchange, username: str) -> str:
    """Write an exchange without what is random: its request and its answer, line by line."""
    lines = _write(exchange.request, username)
    if exchange.response is not None:
        lines += [f"-> {line}" for line in _write(exchange.response, username)]
    return "\n".join(lines)


def _write(message: Message, username: str) -> list[str]:
    lines = [_clean(message.start, username)]
    for name, value in message.fields:
        shown = "<random or a moment>" if name.lower() in _WORD_FIELDS else _clean(value, username)
        if name == "Solekey-After" and _OBJECTS in message.start:
            shown = _POSITION.sub("=<position>", shown)
        lines.append(f"{name}: {shown}")
    return [*lines, _write_body(message, username)]


def _clean(text: str, username: str) -> str:
    text = _JWS.sub(lambda found: _open_jws(found[0], username), text.replace(username, "<user name>"))
    for pattern, substitute in _SUBSTITUTES:
        text = pattern.sub(substitute, text)
    return text


def _open_jws(token: str, username: str) -> str:
    """Write header and claims of a signed token; its signature is random."""
    header, claims, signature = token.split(".")
    opened = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode() for part in (header, claims)]
    shown = [_RANDOM_TEXT.sub(lambda found: f"<random {len(found[0])}>", part) for part in opened]
    return f"{_clean(shown[0], username)}.{_clean(shown[1], username)}.<signature {len(signature)}>"


def _write_body(message: Message, username: str) -> str:
    kind = message.find("Content-Type")
    if kind.startswith("application/cbor"):
        return json.dumps(
            _walk(parse_cbor(message.body, max_bytes=len(message.body), max_values=MAX_CHANGE_LIST_VALUES))
        )
    if kind.startswith("application/octet-stream"):
        return json.dumps(describe_bytes(message.body))
    text = message.body.decode()
    try:
        document = json.loads(text)
    except ValueError:
        return _clean(text, username)  # events, one a line; and nothing
    for name in ("digests", "missing"):
        if isinstance(document, dict) and isinstance(document.get(name), list):
            document[name] = sorted(_clean(str(each), username) for each in document[name])
    return _clean(json.dumps(document, separators=(",", ":"), ensure_ascii=False), username)


def describe_bytes(data: bytes) -> Any:
    """Describe opaque bytes: by what the format fixes, and their number; a change list by its structure."""
    if fixed := _FIXED_BYTES.get(data[:3]):
        return f"<{data[:fixed].hex()} and {len(data) - fixed} bytes>"
    if data[:1] == b"\x82":  # a change list or a list of pages: arrays of two
        try:
            return _walk(parse_cbor(data, max_bytes=len(data), max_values=MAX_CHANGE_LIST_VALUES))
        except MalformedError:
            pass
    return f"<{len(data)} bytes>"


def _walk(value: Cbor) -> Any:
    match value:
        case bytes():
            return describe_bytes(value)
        case list() | tuple():
            return sorted((_walk(each) for each in value), key=json.dumps)
        case dict():
            return {str(key): _walk(each) for key, each in value.items()}
    return value
