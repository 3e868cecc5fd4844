"""Decode a canonical record with types made from the catalogue: one pass in C. Spec: events.md §1, §3.

For every event type a structure is derived from its body class, its members in the order of canonical JSON
and closed at every level. A record is inside it, and canonical, exactly when encoding the decoded structure
gives the same bytes again: whatever another spelling, another order or a duplicate member says is lost on the
way, and the bytes differ. Identifiers are then made by their own classes, which alone say what is one.

What does not fit is not explained here: ``parse_event`` parses it again member by member, and that refusal
names the place. Decision: docs/decisions/0117.
"""

from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from solekey_protocol.errors import MalformedError
from solekey_protocol.events.body import BODIES, Body
from solekey_protocol.events.fields import Position, Seq, find_hints, find_optional, split_hint
from solekey_protocol.services import V1_STREAMS, Stream

T = TypeVar("T")

_TYPE_MEMBER: Final = b',"type":"'
_encode: Final = msgspec.json.Encoder().encode


class UnfitError(Exception):
    """A record outside its type, or in another spelling; the slow parser says what is wrong with it."""


def decode_record(raw: bytes) -> tuple[type[Body], Any]:
    """Decode a record as a structure of its type, whose identifiers are texts still.

    Returns:
        The body's class, and the record: the members of events.md §1.

    Raises:
        UnfitError: not exactly the canonical bytes of a record of a known type.
    """
    body = BODIES.get(_find_type(raw))
    if body is None:
        raise UnfitError
    try:
        record = _decoder(cast("Hashable", body)).decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnfitError from error
    if _encode(record) != raw:
        raise UnfitError
    return body, record


def _find_type(raw: bytes) -> str:
    """What stands where canonical JSON has the type: at the end."""
    return raw[raw.rfind(_TYPE_MEMBER) + len(_TYPE_MEMBER) : -2].decode("ascii", "replace")


def make_body(cls: type[T], typed: Any) -> T:
    """Make a body dataclass from its decoded structure. Raises UnfitError for an id outside its pattern."""
    try:
        made: T = _builder(cast("Hashable", cls))(typed)
    except MalformedError as error:
        raise UnfitError from error
    return made


@cache
def _decoder(body: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(_record_type(body))


def _record_type(body: type[Body]) -> Any:
    return _struct(
        f"{body.__name__}Record",
        {
            "data": _statement_type(body)
            if body.SIGNERS
            else _struct("Fact", {"body": _body_type(cast("Hashable", body))}),
            "datacontenttype": Literal["application/json"],
            "id": str,
            "prev": str,
            "seq": _field_type(Seq),
            "source": Literal[f"solekey/{body.STREAM}"],
            "specversion": Literal["1.0"],
            "stream": Literal[body.STREAM.value],
            "subject": str,
            "time": str,
            "type": Literal[body.TYPE],
        },
    )


def _statement_type(body: type[Body]) -> Any:
    statement = _struct(
        "Statement",
        {
            "account": str,
            "body": _body_type(cast("Hashable", body)),
            "device": str,
            "heads": _heads_type(body.STREAM),
            "prev": str,
            "seq": _field_type(Seq),
            "stream": Literal[body.STREAM.value],
            "type": Literal[body.TYPE],
        },
    )
    signatures = _struct("Signatures", dict.fromkeys((signer.value for signer in body.SIGNERS), str))
    return _struct("Signed", {"signatures": signatures, "statement": statement})


@cache
def _heads_type(own: Stream) -> Any:
    head = _struct("Head", {"digest": str, "seq": _field_type(Position)})
    others = sorted(stream.value for stream in V1_STREAMS if stream is not own)
    return msgspec.defstruct(
        "Heads",
        [(name, head | msgspec.UnsetType, msgspec.UNSET) for name in others],
        gc=False,
        forbid_unknown_fields=True,
    )


@cache
def _body_type(cls: Any) -> Any:
    return _struct(cls.__name__, {name: _field_type(hint) for name, hint in find_hints(cls)})


def _struct(name: str, members: dict[str, Any]) -> Any:
    """A closed structure whose members stand in the order of canonical JSON (all names are ASCII)."""
    return msgspec.defstruct(name, sorted(members.items()), gc=False, forbid_unknown_fields=True)


def _field_type(hint: Any) -> Any:
    if (inner := find_optional(hint)) is not None:
        return _field_type(inner) | None
    kind, bounds = split_hint(hint)
    if get_origin(kind) is tuple and bounds:
        length = msgspec.Meta(min_length=bounds.minimum, max_length=bounds.maximum)
        return Annotated[tuple[_field_type(get_args(kind)[0]), ...], length]  # type: ignore[misc]  # derived
    if is_dataclass(kind):
        return _body_type(cast("Hashable", kind))
    if kind is int and bounds:
        return Annotated[int, msgspec.Meta(ge=bounds.minimum, le=bounds.maximum)]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    return str


@cache
def _builder(cls: Any) -> Callable[[Any], Any]:
    hints = find_hints(cls)
    steps = [(at, make) for at, (_, hint) in enumerate(hints) if (make := _maker(hint)) is not None]
    names = [name for name, _ in hints]
    if len(names) == 1:
        [name] = names
        make_one = steps[0][1] if steps else (lambda value: value)
        return lambda typed: cls(make_one(getattr(typed, name)))
    take = attrgetter(*names)

    def build(typed: Any) -> Any:
        values = list(take(typed))
        for at, make in steps:
            values[at] = make(values[at])
        return cls(*values)

    return build


def _maker(hint: Any) -> Callable[[Any], Any] | None:
    """What makes a member of its decoded value; None where that is the member."""
    if (inner := find_optional(hint)) is not None:
        return _for_one(_maker(inner))
    kind, _ = split_hint(hint)
    if get_origin(kind) is tuple:
        return _for_each(_maker(get_args(kind)[0]))
    if is_dataclass(kind):
        return lambda typed: _builder(cast("Hashable", kind))(typed)
    if kind is int or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return None
    return kind  # type: ignore[no-any-return]  # an identifier's class


def _for_one(make: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return None if make is None else lambda value: None if value is None else make(value)


def _for_each(make: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return None if make is None else lambda values: tuple(map(make, values))
