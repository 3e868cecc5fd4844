"""The types that an event's body is made of, and their closed JSON Schemas. Spec: events.md §3.

A body is a frozen dataclass whose fields are identifiers (each with a pattern), bounded integers, enums,
other such dataclasses, bounded tuples of them, and null where a
field may be empty. Nothing else exists, so no field can hold free text.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError, SchemaError
from solekey_protocol.limits import MAX_DEVICES, MAX_EPOCH, MAX_SAFE_INTEGER, MAX_SEQ

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Inclusive bounds of an integer, or of a tuple's length."""

    minimum: int
    maximum: int


Seq = Annotated[int, Bounds(1, MAX_SEQ)]
Position = Annotated[int, Bounds(0, MAX_SEQ)]
Epoch = Annotated[int, Bounds(1, MAX_EPOCH)]
Count = Annotated[int, Bounds(0, MAX_SEQ)]
ByteCount = Annotated[int, Bounds(0, MAX_SAFE_INTEGER)]
Days = Annotated[int, Bounds(1, 3650)]
DeviceBounds = Bounds(1, MAX_DEVICES)


class Platform(StrEnum):
    """What kind of machine a device says it is; never more than that."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"
    ANDROID = "android"
    IOS = "ios"
    BROWSER = "browser"
    OTHER = "other"


class RotationKind(StrEnum):
    """Which key a rotation replaces."""

    USER_KEY = "user_key"
    DATA_KEY = "data_key"


def encode_body(body: object) -> dict[str, Json]:
    """Encode a body dataclass as JSON members, field for field."""
    return {name: _encode(getattr(body, name)) for name, _ in find_hints(cast("Hashable", type(body)))}


def decode_body(cls: type[T], document: Json, *, where: str) -> T:
    """Decode JSON members into a body dataclass.

    Raises:
        SchemaError: a member is missing, unknown, of another type, or outside its pattern or bounds.
    """
    if not isinstance(document, Mapping):
        raise SchemaError(f"{where}: expected an object")
    hints = dict(find_hints(cast("Hashable", cls)))
    if unknown := document.keys() - hints.keys():
        raise SchemaError(f"{where}: unknown member {min(unknown)!r}")
    if missing := hints.keys() - document.keys():
        raise SchemaError(f"{where}: missing member {min(missing)!r}")
    return cls(**{name: _decode(hint, document[name], f"{where}.{name}") for name, hint in hints.items()})


def derive_schema(cls: type) -> dict[str, Any]:
    """Derive the closed JSON Schema (draft 2020-12) of a body dataclass."""
    members = {name: _schema(hint) for name, hint in find_hints(cls)}
    return {
        "type": "object",
        "properties": members,
        "required": sorted(members),
        "additionalProperties": False,
    }


@cache
def find_hints(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Find the members of a body dataclass: name and annotated type, in the order of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in fields(cls))


def _encode(value: Any) -> Json:
    if is_dataclass(value):
        return encode_body(value)
    if isinstance(value, tuple):
        return [_encode(member) for member in value]
    return str(value) if isinstance(value, str) else cast("int | bool | None", value)


def split_hint(hint: Any) -> tuple[Any, Bounds | None]:
    """Split an annotated type into the type and its bounds."""
    if get_origin(hint) is Annotated:
        inner, bounds = get_args(hint)
        return inner, bounds
    return hint, None


def find_optional(hint: Any) -> Any:
    """Find the type that a field has where it is not null; None for a field that never is."""
    if get_origin(hint) is UnionType and NoneType in get_args(hint):
        return next(kind for kind in get_args(hint) if kind is not NoneType)
    return None


def _decode(hint: Any, value: Json, where: str) -> Any:
    if (inner := find_optional(hint)) is not None:
        return None if value is None else _decode(inner, value, where)
    kind, bounds = split_hint(hint)
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or bounds is None:
            raise SchemaError(f"{where}: expected an array")
        _check_bounds(len(value), bounds, f"{where}: length")
        return tuple(_decode(get_args(kind)[0], member, f"{where}[{i}]") for i, member in enumerate(value))
    if is_dataclass(kind):
        return decode_body(cast("type[object]", kind), value, where=where)
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or bounds is None:
            raise SchemaError(f"{where}: expected an integer")
        _check_bounds(value, bounds, where)
        return value
    if not isinstance(value, str):
        raise SchemaError(f"{where}: expected a string")
    try:
        return kind(value)
    except (ValueError, MalformedError) as error:  # an enum's refusal, an id's
        raise SchemaError(f"{where}: {error}") from error


def _check_bounds(value: int, bounds: Bounds, where: str) -> None:
    if not bounds.minimum <= value <= bounds.maximum:
        raise SchemaError(f"{where}: {value} is outside {bounds.minimum}..{bounds.maximum}")


def _schema(hint: Any) -> dict[str, Any]:
    if (inner := find_optional(hint)) is not None:
        return {"anyOf": [_schema(inner), {"type": "null"}]}
    kind, bounds = split_hint(hint)
    if get_origin(kind) is tuple and bounds:
        items = _schema(get_args(kind)[0])
        return {"type": "array", "items": items, "minItems": bounds.minimum, "maxItems": bounds.maximum}
    if is_dataclass(kind):
        return derive_schema(cast("type", kind))
    if kind is int and bounds:
        return {"type": "integer", "minimum": bounds.minimum, "maximum": bounds.maximum}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [member.value for member in kind]}
    if pattern := getattr(kind, "PATTERN", None):
        return {"type": "string", "pattern": pattern, "maxLength": 128}
    raise TypeError(f"{hint!r} cannot be a field of an event body")
