"""What an item is called, and when it was made: plaintext inside the envelope only. Spec: envelope.md §5."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from json.encoder import encode_basestring as encode_text
from types import MappingProxyType
from typing import Final, cast

from solekey.crypto.secrets import Confidential
from solekey.errors import MetadataError
from solekey_protocol.encoding import parse_lenient_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import DeviceId, ItemId
from solekey_protocol.limits import MAX_METADATA_BYTES, MAX_SAFE_INTEGER, MAX_SEQ

MAX_NAME_CHARACTERS: Final = 1024
MAX_TAGS: Final = 64
MAX_TAG_CHARACTERS: Final = 128
MAX_ATTRIBUTES: Final = 64
MAX_ATTRIBUTE_CHARACTERS: Final = 4096

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+_/-]{0,127}", re.ASCII)
_ATTRIBUTE_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LAST_MS: Final = 253_402_214_399_999
"""The end of 9999-12-30: a day before the last that a date can say, for the sake of time zones."""
_MEMBERS: Final = frozenset(
    {"attributes", "conflict", "created_ms", "modified_ms", "name", "revision", "tags", "type"}
)
_NO_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})


def _list_of(member: str, limit: int) -> str:
    return f"((?:{member}(?:,{member}){{0,{limit - 1}}})?)"


_MOMENT: Final = r"(0|[1-9][0-9]{0,15})"
_SHOWN: Final = r"[^\"\\\x00-\x1f\x7f-\x9f]"
_TAG: Final = rf'"{_SHOWN}{{1,{MAX_TAG_CHARACTERS}}}"'
_ATTRIBUTE: Final = rf'"{_ATTRIBUTE_KEY.pattern}":"[^"\\\x00-\x1f]{{0,{MAX_ATTRIBUTE_CHARACTERS}}}"'
_PAIR: Final = re.compile(r'"([^"]*)":"([^"]*)"')
_QUOTED: Final = re.compile(r'"([^"]*)"')
_CONFLICT: Final = (
    rf'(?:null|\{{"device":"({DeviceId.PATTERN.strip("^$")})","item":"({ItemId.PATTERN.strip("^$")})"\}})'
)
_PLAIN: Final = re.compile(
    rf'\{{"attributes":\{{{_list_of(_ATTRIBUTE, MAX_ATTRIBUTES)}\}},"conflict":{_CONFLICT}'
    rf',"created_ms":{_MOMENT},"modified_ms":{_MOMENT},"name":"({_SHOWN}{{1,{MAX_NAME_CHARACTERS}}})"'
    rf',"revision":([1-9][0-9]{{0,9}}),"tags":\[{_list_of(_TAG, MAX_TAGS)}\],"type":"({_TYPE.pattern})"\}}',
    re.ASCII,
)
"""The canonical form without escapes. What it matches is inside the schema but for three things:
attributes out of order, a tag or an attribute that occurs twice, a number above its limit."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """What a conflict copy is a copy of.

    Attributes:
        device: the device whose edit it is.
        item: the item that another device had changed first.
    """

    device: DeviceId
    item: ItemId


@dataclass(frozen=True, slots=True, repr=False)
class ItemMetadata(Confidential):
    """An item's name, type, tags, times and short text attributes.

    Attributes:
        revision: which edit of the item this is, from 1. People call it the version; re-encrypting an item
            does not count.
        conflict: None, unless the item is a conflict copy.

    Raises:
        MetadataError: a field outside the limits of envelope.md §5.
    """

    name: str
    type: str
    created_ms: int
    modified_ms: int
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=lambda: _NO_ATTRIBUTES, hash=False)
    revision: int = 1
    conflict: Conflict | None = None

    def __post_init__(self) -> None:
        _check_text("name", self.name, MAX_NAME_CHARACTERS)
        if not isinstance(self.type, str) or not _TYPE.fullmatch(self.type):
            raise MetadataError("type: expected lower-case letters, digits and . + _ / -, at most 128")
        _check_moment("created_ms", self.created_ms)
        _check_moment("modified_ms", self.modified_ms)
        _check_tags(self.tags)
        if type(self.revision) is not int or not 1 <= self.revision <= MAX_SEQ:
            raise MetadataError(f"revision: expected an integer from 1 to {MAX_SEQ}")
        if self.conflict is not None and not isinstance(self.conflict, Conflict):
            raise MetadataError("conflict: expected what the item is a copy of, or nothing")
        if self.attributes is not _NO_ATTRIBUTES:
            _check_attributes(self.attributes)
            object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))


def encode_metadata(metadata: ItemMetadata) -> bytes:
    """Encode metadata as canonical JSON (RFC 8785) with all eight members. Spec: envelope.md §5.

    Raises:
        MetadataError: more than MAX_METADATA_BYTES, or text with lone surrogates.
    """
    attributes = tags = ""
    if metadata.attributes:
        pairs = sorted(metadata.attributes.items())
        attributes = ",".join([f"{encode_text(key)}:{encode_text(text)}" for key, text in pairs])
    if metadata.tags:
        tags = ",".join(map(encode_text, metadata.tags))
    conflict = "null"
    if metadata.conflict is not None:
        conflict = f'{{"device":"{metadata.conflict.device}","item":"{metadata.conflict.item}"}}'
    # Written out: RFC 8785 for a closed schema, in a fifth of a JSON encoder's time; a test compares them.
    text = (
        f'{{"attributes":{{{attributes}}},"conflict":{conflict},"created_ms":{metadata.created_ms}'
        f',"modified_ms":{metadata.modified_ms},"name":{encode_text(metadata.name)}'
        f',"revision":{metadata.revision},"tags":[{tags}],"type":{encode_text(metadata.type)}}}'
    )
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise MetadataError("metadata holds text that is not Unicode") from error
    if len(encoded) > MAX_METADATA_BYTES:
        raise MetadataError(f"metadata is {len(encoded)} bytes, limit {MAX_METADATA_BYTES}")
    return encoded


def parse_metadata(data: bytes) -> ItemMetadata:
    """Parse canonical JSON metadata; refuse every other spelling.

    Raises:
        MetadataError: not JSON, a member missing or unknown, a value outside its limits, not canonical.
    """
    try:
        text = data.decode()
        plain = _parse_plain(text) if len(data) <= MAX_METADATA_BYTES else None
        if plain is not None:  # a fifth of the time of what follows
            return plain
        value = parse_lenient_json(data, max_bytes=MAX_METADATA_BYTES)
    except (ValueError, MalformedError) as error:
        raise MetadataError("metadata is not JSON") from error
    if not isinstance(value, dict) or value.keys() != _MEMBERS or not isinstance(value["tags"], list):
        raise MetadataError("metadata has missing or unknown members")
    value["tags"] = tuple(cast("list[str]", value["tags"]))
    value["conflict"] = _parse_conflict(value["conflict"])
    metadata = ItemMetadata(**value)
    if encode_metadata(metadata) != data:
        raise MetadataError("metadata is not canonical JSON")
    return metadata


def _parse_plain(text: str) -> ItemMetadata | None:
    """Parse what needs no JSON parser; None for everything else, be it right or wrong."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    attributes, device, copied, created, modified, name, revised, tags, kind = match.groups()
    pairs = _PAIR.findall(attributes) if attributes else ()
    distinct_tags = tuple(_QUOTED.findall(tags)) if tags else ()
    created_ms, modified_ms, revision = int(created), int(modified), int(revised)
    if (
        created_ms > MAX_SAFE_INTEGER
        or modified_ms > MAX_SAFE_INTEGER
        or revision > MAX_SEQ
        or (tags and len(set(distinct_tags)) != len(distinct_tags))
        or (pairs and any(key >= following for (key, _), (following, _) in pairwise(pairs)))
    ):
        return None
    metadata = object.__new__(ItemMetadata)  # not checked again
    assign = object.__setattr__
    assign(metadata, "name", name)
    assign(metadata, "type", kind)
    assign(metadata, "created_ms", created_ms)
    assign(metadata, "modified_ms", modified_ms)
    assign(metadata, "tags", distinct_tags)
    assign(metadata, "attributes", MappingProxyType(dict(pairs)) if pairs else _NO_ATTRIBUTES)
    assign(metadata, "revision", revision)
    assign(metadata, "conflict", Conflict(DeviceId(device), ItemId(copied)) if device else None)
    return metadata


def _parse_conflict(value: object) -> Conflict | None:
    match value:
        case None:
            return None
        case {"device": str(device), "item": str(item), **rest} if not rest:
            try:
                return Conflict(DeviceId(device), ItemId(item))
            except MalformedError as error:
                raise MetadataError(f"conflict: {error}") from error
        case _:
            raise MetadataError("conflict: expected an item and a device, or null")


def _check_text(name: str, text: object, limit: int) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= limit or _CONTROL.search(text):
        raise MetadataError(f"{name}: expected 1 to {limit} characters without control characters")


def read_moment(ms: int) -> datetime:
    """Read milliseconds since 1970; what lies beyond the year 9999 is its last day but one.

    The format allows more, such as what a device wrote in microseconds: it must not keep a list from being
    shown.
    """
    return datetime.fromtimestamp(min(ms, _LAST_MS) / 1000, UTC)


def _check_moment(name: str, moment: object) -> None:
    if type(moment) is not int or not 0 <= moment <= MAX_SAFE_INTEGER:
        raise MetadataError(f"{name}: expected milliseconds since 1970")


def _check_tags(tags: tuple[str, ...]) -> None:
    if not isinstance(tags, tuple) or len(tags) > MAX_TAGS:
        raise MetadataError(f"tags: expected at most {MAX_TAGS}")
    for tag in tags:
        _check_text("tags", tag, MAX_TAG_CHARACTERS)
    if len(set(tags)) != len(tags):
        raise MetadataError("tags: a tag occurs twice")


def _check_attributes(attributes: Mapping[str, str]) -> None:
    if not isinstance(attributes, Mapping) or len(attributes) > MAX_ATTRIBUTES:
        raise MetadataError(f"attributes: expected at most {MAX_ATTRIBUTES}")
    for key, text in attributes.items():
        if not isinstance(key, str) or not _ATTRIBUTE_KEY.fullmatch(key):
            raise MetadataError("attributes: expected keys of lower-case letters, digits and _")
        if not isinstance(text, str) or len(text) > MAX_ATTRIBUTE_CHARACTERS:
            raise MetadataError(
                f"attributes: expected texts of at most {MAX_ATTRIBUTE_CHARACTERS} characters"
            )
