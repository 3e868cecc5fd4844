"""The public part of a kit or of a share as text that survives paper, and words read out of a page's text.

Wire format: a mark, then canonical JSON in which every character outside 0x21..0x7e is escaped, so that the
record has no white space: line breaks that print or a scanner puts into it are dropped without loss.

Spec: recovery.md §2.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, cast

from solekey.errors import KitUnreadableError
from solekey.recovery.kit import RecoveryKit
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import Bounds, decode_body, encode_body
from solekey_protocol.ids import AccountId, KeyId, Timestamp
from solekey_protocol.statements import Head

KIT_MARK: Final = "SOLEKEY-KIT-1"
SHARE_MARK: Final = "SOLEKEY-SHARE-1"
MAX_RECORD_CHARS: Final = 2_000
"""What one QR code of a readable size holds."""

ShareCount = Annotated[int, Bounds(1, 16)]

_MAX_TEXT_CHARS: Final = 1_000
_NUMBERED = re.compile(r"(?<![\w.:/-])(\d{1,2})[\s.]*([a-z]{3,8})(?![\w-])")


@dataclass(frozen=True, slots=True)
class ShareRecord:
    """The public part of a share. ``set`` is the SLIP-39 identifier; ``index`` counts from 1."""

    account: AccountId
    key_id: KeyId
    created: Timestamp
    set: Annotated[int, Bounds(0, 2**15 - 1)]
    index: ShareCount
    threshold: ShareCount
    shares: ShareCount


def encode_kit_record(kit: RecoveryKit) -> str:
    """Encode a kit's public part.

    Raises:
        ValueError: longer than a QR code of a readable size.
    """
    document: dict[str, Json] = {
        "account": kit.account,
        "created": kit.created,
        "heads": {stream.value: encode_body(head) for stream, head in kit.heads.items()},
        "key_id": kit.key_id,
        "log_head": kit.log_head,
        "server": kit.server,
        "username": kit.username,
    }
    return _encode(KIT_MARK, document)


def encode_share_record(record: ShareRecord) -> str:
    """Encode a share's public part."""
    return _encode(SHARE_MARK, encode_body(record))


def parse_kit_record(text: str) -> RecoveryKit:
    """Find and parse the one kit record in a text. Raises KitUnreadableError."""
    members = _find(KIT_MARK, text)
    try:
        log_head = members.pop("log_head")
        kit = RecoveryKit(
            account=AccountId(_text(members.pop("account"))),
            created=Timestamp(_text(members.pop("created"))),
            key_id=KeyId(_text(members.pop("key_id"))),
            server=_text(members.pop("server")),
            username=_text(members.pop("username")),
            heads=_parse_heads(members.pop("heads")),
            log_head=None if log_head is None else _text(log_head),
        )
    except (ProtocolError, KeyError, TypeError, ValueError) as error:
        raise KitUnreadableError(f"the kit's record is damaged: {error}") from error
    if members or not all(head.seq for head in kit.heads.values()):
        raise KitUnreadableError("the kit's record holds what this release does not know")
    return kit


def parse_share_record(text: str) -> ShareRecord:
    """Find and parse the one share record in a text. Raises KitUnreadableError."""
    members = _find(SHARE_MARK, text)
    try:
        return decode_body(ShareRecord, members, where="share")
    except ProtocolError as error:
        raise KitUnreadableError(f"the share's record is damaged: {error}") from error


def find_words(text: str, count: int, known: Collection[str]) -> str | None:
    """Find the numbered words on a page, in any order; None when there are none at all.

    Raises:
        KitUnreadableError: some are missing, or a number has two words.
    """
    found: dict[int, str] = {}
    for number, word in _NUMBERED.findall(text):
        position = int(number)
        if 1 <= position <= count and word in known and found.setdefault(position, word) != word:
            raise KitUnreadableError(f"the page shows two words with the number {position}")
    if not found:
        return None
    if missing := [str(position) for position in range(1, count + 1) if position not in found]:
        raise KitUnreadableError(f"the page does not show word {', '.join(missing)}")
    return " ".join(found[position] for position in range(1, count + 1))


def _encode(mark: str, document: dict[str, Json]) -> str:
    record = mark + "".join(_escape(character) for character in encode_json(document).decode())
    if len(record) > MAX_RECORD_CHARS:
        raise ValueError(f"the record has {len(record)} characters, limit {MAX_RECORD_CHARS}")
    return record


def _escape(character: str) -> str:
    return character if "!" <= character <= "~" else json.dumps(character)[1:-1].replace(" ", "\\u0020")


def _find(mark: str, text: str) -> dict[str, Json]:
    solid = "".join(text.split())
    if solid.count(f"{mark}{{") != 1:
        raise KitUnreadableError(f"found {solid.count(mark)} records {mark}, expected one")
    start = solid.index(f"{mark}{{") + len(mark)
    try:
        value, length = json.JSONDecoder().raw_decode(solid[start : start + MAX_RECORD_CHARS])
        escaped = solid[start : start + length]
        members = parse_json(encode_json(value), max_bytes=8 * MAX_RECORD_CHARS)
        if _encode(mark, cast("dict[str, Json]", members)) != mark + escaped:
            raise KitUnreadableError("the record was changed")
    except (ProtocolError, ValueError, RecursionError) as error:
        raise KitUnreadableError(f"the record is damaged: {error}") from error
    return cast("dict[str, Json]", members)


def _parse_heads(value: Json) -> dict[Stream, Head]:
    if not isinstance(value, Mapping):
        raise TypeError("expected heads")
    return {Stream(name): decode_body(Head, head, where=name) for name, head in value.items()}


def _text(value: Json) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT_CHARS:
        raise TypeError("expected a text")
    return value
